//! Pumps that work only while somebody listens.

use crate::{all_of, join};
use overfall::pump::{Pump, PumpError};
use overfall::spool::{ReadError, Spool};
use overfall_tests::{LIMIT, within};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Gives what it is sent, and ends when nobody sends any more.
struct Sent(Receiver<u8>);

impl Read for Sent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.recv() {
            Ok(byte) => buffer[0] = byte,
            Err(_) => return Ok(0),
        }
        Ok(1)
    }
}

/// A thread that pumps is stopped by the owner of the spool, who waits for readers to go and to come back.
#[test]
fn a_pump_on_a_thread_is_stopped_when_nobody_has_listened_for_a_while() {
    within(LIMIT, || {
        let (send, sent) = channel();
        let spool = Spool::memory();
        let viewer = spool.reader().unwrap();
        let pumping = Pump::new(Sent(sent), spool.writer().unwrap()).spawn().unwrap();
        send.send(1).unwrap();
        assert!(!spool.without_readers_timeout(Duration::ZERO), "somebody listens");
        drop(viewer);
        assert!(spool.without_readers_timeout(Duration::MAX));
        // One who comes back in time: nothing is stopped.
        let back = spool.clone();
        let viewer = std::thread::spawn(move || back.reader().unwrap());
        assert!(spool.with_readers_timeout(Duration::MAX));
        let viewer = viewer.join().unwrap();
        assert!(!pumping.is_finished());
        drop(viewer);
        assert!(spool.without_readers_timeout(Duration::MAX));
        assert!(!spool.with_readers_timeout(Duration::from_millis(1)));
        spool.fail("nobody listens").unwrap();
        let _ended_meanwhile = send.send(2);
        let (pump, result) = join(pumping);
        let Err(PumpError::Sink(failure)) = result else { panic!("{result:?}") };
        assert!(failure.to_string().contains("nobody listens"), "{failure}");
        // The source is there, for whatever comes next.
        let parts = pump.into_parts();
        drop(send);
        // Its thread may have come to nothing before the spool was failed.
        let left = parts.source.0.iter().count();
        let (read, end) = all_of(&spool);
        assert!(matches!(end, Some(ReadError::Failed(_))), "{end:?}");
        assert!(
            read.len() <= 1 && left + read.len() <= 2,
            "{} were read, and {left} not",
            read.len()
        );
    });
}

/// A future that pumps is dropped as soon as nobody listens, and run again when somebody does: no byte is
/// lost, and none is read meanwhile.
#[cfg(feature = "futures")]
#[test]
fn a_pump_in_a_task_stands_still_while_nobody_listens() {
    use futures::future::{Either, select};
    use overfall::source::Futures;
    use overfall_tests::Task;
    use overfall_tests::sources::{Does, Script};
    use std::pin::pin;
    use std::sync::atomic::Ordering;
    use std::task::Poll;

    let script = Script::drop_by_drop(b"0123456789", &[Does::Pends]);
    let (reads, spool) = (script.reads(), Spool::memory());
    let mut pump = Pump::new(Futures(script), spool.writer().unwrap());
    let mut task = Task::new(async {
        loop {
            spool.with_readers().await;
            let (run, without) = (pin!(pump.run()), pin!(spool.without_readers()));
            match select(without, run).await {
                Either::Left(((), _)) => {}
                Either::Right((result, _)) => break result,
            }
        }
    });
    assert!(task.poll().is_pending());
    assert_eq!(reads.load(Ordering::SeqCst), 0, "nobody listens");
    let mut ended = None;
    for polls in 0..20 {
        let viewer = spool.reader().unwrap();
        assert!(task.wakes() > 0);
        if let Poll::Ready(result) = task.poll() {
            ended = Some(result);
            break;
        }
        drop(viewer);
        assert!(task.poll().is_pending());
        let before = reads.load(Ordering::SeqCst);
        assert!(before > polls, "it goes on when somebody is back");
        assert!(task.poll().is_pending());
        assert_eq!(reads.load(Ordering::SeqCst), before, "and stands still when nobody is there");
    }
    assert!(matches!(ended, Some(Ok(()))), "{ended:?}");
    drop(task);
    assert_eq!(all_of(&spool), (b"0123456789".to_vec(), None));
}
