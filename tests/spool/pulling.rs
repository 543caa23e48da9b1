//! Spools that read a source when somebody needs what is not there.

use crate::{bytes_from, drain, segments_of};
use overfall::source::Final;
use overfall::spool::{Missing, ReadError, SourcePanicked, Spool, WriterError};
use overfall_tests::sources::{Does, Script};
use overfall_tests::{LIMIT, Task, block_on, until, within};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// A source that blocks until it is sent something, and ends when nobody sends any more.
struct Gate {
    sent: Receiver<Vec<u8>>,
    reads: Arc<AtomicUsize>,
    is_read: Arc<AtomicBool>,
}

impl Gate {
    fn new() -> (Sender<Vec<u8>>, Self) {
        let (send, sent) = channel();
        (send, Self { sent, reads: Arc::default(), is_read: Arc::default() })
    }
}

impl Read for Gate {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.is_read.swap(true, Ordering::SeqCst), "it is read by two at a time");
        self.reads.fetch_add(1, Ordering::SeqCst);
        let bytes = self.sent.recv().unwrap_or_default();
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.is_read.store(false, Ordering::SeqCst);
        Ok(bytes.len())
    }
}

/// Sources that block, and those that do not.
pub(crate) const KINDS: &[bool] = if cfg!(feature = "futures") { &[true, false] } else { &[true] };

/// Has `spool` pull the script, as one that blocks or as one that does not. Tells how often it is read.
pub(crate) fn pull(spool: &Spool, script: Script, blocks: bool) -> Arc<AtomicUsize> {
    let reads = script.reads();
    #[cfg(feature = "futures")]
    if !blocks {
        spool.pull_async(overfall::source::Futures(script)).unwrap();
        return reads;
    }
    let _ = blocks;
    spool.pull(script).unwrap();
    reads
}

fn count(reads: &AtomicUsize) -> usize {
    reads.load(Ordering::SeqCst)
}

fn gives(bytes: &[u8]) -> Does {
    Does::Gives(bytes.to_vec())
}

#[test]
fn nothing_is_read_before_it_is_needed_and_no_more_than_is_needed() {
    for &blocks in KINDS {
        let spool = segments_of(4).build().unwrap();
        let reads = pull(&spool, Script::new([gives(&bytes_from(0, 16))]), blocks);
        let mut reader = spool.reader().unwrap();
        assert_eq!(reader.try_read(&mut [0; 4]), Err(ReadError::Empty));
        assert_eq!(block_on(reader.read(&mut [])), Ok(0));
        assert_eq!((count(&reads), spool.len()), (0, 0));

        // One read of the source, into the rest of the segment.
        let mut buffer = [0; 2];
        assert_eq!(block_on(reader.read(&mut buffer)), Ok(2));
        assert_eq!(buffer[..], bytes_from(0, 2));
        assert_eq!((count(&reads), spool.len()), (1, 4));
        assert_eq!(block_on(reader.read(&mut buffer)), Ok(2));
        let mut other = spool.reader().unwrap();
        assert_eq!(block_on(other.read(&mut buffer)), Ok(2));
        assert_eq!((count(&reads), spool.len()), (1, 4));

        // What lies further on.
        assert_eq!(block_on(other.read_at(&mut buffer, 9)), Ok(2));
        assert_eq!(buffer[..], bytes_from(9, 2));
        assert_eq!((count(&reads), spool.len()), (3, 12));
    }
}

#[test]
fn whoever_reads_gets_all_of_a_hostile_source() {
    let all = bytes_from(0, 200);
    for &blocks in KINDS {
        let interrupted = Does::Fails(ErrorKind::Interrupted);
        let between = if blocks { vec![interrupted] } else { vec![Does::Pends, interrupted] };
        let spool = segments_of(7).build().unwrap();
        pull(&spool, Script::drop_by_drop(&all, &between), blocks);
        let readers: Vec<_> = (0..4)
            .map(|number| {
                let mut reader = spool.reader().unwrap();
                let all = all.clone();
                thread::spawn(move || {
                    let mut got = Vec::new();
                    if number % 2 == 0 {
                        reader.blocking().read_to_end(&mut got).unwrap();
                    } else {
                        let mut buffer = [0; 5];
                        loop {
                            match block_on(reader.read(&mut buffer)).unwrap() {
                                0 => break,
                                read => got.extend_from_slice(&buffer[..read]),
                            }
                        }
                    }
                    assert_eq!(got, all);
                })
            })
            .collect();
        within(LIMIT, move || readers.into_iter().for_each(|reader| reader.join().unwrap()));
        assert!(spool.is_finished());
        assert_eq!(drain(&mut spool.reader().unwrap()), (all.clone(), None));
    }
}

#[test]
fn an_error_goes_to_who_asked_and_the_next_one_tries_again() {
    for kind in [ErrorKind::WouldBlock, ErrorKind::ConnectionReset, ErrorKind::TimedOut] {
        for &blocks in KINDS {
            let spool = segments_of(4).build().unwrap();
            let script = Script::new([Does::Fails(kind), Does::Fails(kind), gives(&[7])]);
            let reads = pull(&spool, script, blocks);
            let mut reader = spool.reader().unwrap().blocking();
            for tries in 1..3 {
                let error = reader.read(&mut [0]).unwrap_err();
                assert_eq!(error.kind(), kind);
                assert!(error.to_string().contains("as told"), "{error}");
                assert_eq!(count(&reads), tries, "somebody tried again by itself");
            }
            assert_eq!(reader.read(&mut [0]).unwrap(), 1);
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
            assert!(spool.is_finished());
        }
    }
}

#[test]
fn an_error_of_long_ago_is_not_told() {
    for &blocks in KINDS {
        let spool = segments_of(4).build().unwrap();
        pull(&spool, Script::new([Does::Fails(ErrorKind::WouldBlock), gives(&[7])]), blocks);
        let [mut first, mut second] = [(); 2].map(|()| spool.reader().unwrap());
        assert!(matches!(block_on(first.read(&mut [0])), Err(ReadError::Source(_))));
        assert_eq!(block_on(second.read(&mut [0])), Ok(1));
        assert_eq!(block_on(first.read(&mut [0])), Ok(1));
    }
}

#[test]
fn all_who_wait_are_told_the_error() {
    let (send, gate) = Gate::new();
    let spool = segments_of(4).build().unwrap();
    struct Fails(Gate);
    impl Read for Fails {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)?;
            Err(ErrorKind::ConnectionReset.into())
        }
    }
    let reads = gate.reads.clone();
    spool.pull(Fails(gate)).unwrap();
    let [mut first, mut second] = [(); 2].map(|()| spool.reader().unwrap());
    second.advance(9);
    let (mut first_buffer, mut second_buffer) = ([0], [0]);
    let first = Task::parked(first.read(&mut first_buffer));
    let second = Task::parked(second.read(&mut second_buffer));
    send.send(vec![]).unwrap();
    until("both are woken", || first.wakes() == 1 && second.wakes() == 1);
    assert!(matches!(first.result(), Err(ReadError::Source(_))));
    assert!(matches!(second.result(), Err(ReadError::Source(_))));
    assert_eq!(count(&reads), 1);
}

struct Always(fn() -> io::Result<usize>);

impl Read for Always {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        (self.0)()
    }
}

#[test]
fn the_last_error_fails_the_stream() {
    let spool = Spool::memory();
    spool.pull(Always(|| Err(Final::new("gone").into()))).unwrap();
    for _ in 0..2 {
        let error = block_on(spool.reader().unwrap().read(&mut [0])).unwrap_err();
        let ReadError::Failed(failure) = error else { panic!("{error}") };
        assert_eq!(failure.get_ref().to_string(), "gone");
    }

    for &blocks in KINDS {
        // Also where dropped writers are released.
        let builder = segments_of(4).release_dropped_writers(true);
        let spool = builder.build().unwrap();
        pull(&spool, Script::new([gives(&[1]), Does::Lies]), blocks);
        let mut reader = spool.reader().unwrap();
        assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
        let error = block_on(reader.read(&mut [0])).unwrap_err();
        assert!(matches!(error, ReadError::Failed(_)), "{error}");
        assert!(error.to_string().contains("claims"), "{error}");
    }
}

#[test]
fn a_source_that_panics_fails_the_stream_and_no_reader() {
    for &blocks in KINDS {
        let builder = segments_of(4).release_dropped_writers(true);
        let spool = builder.build().unwrap();
        pull(&spool, Script::new([gives(&[1]), Does::Panics]), blocks);
        let mut reader = spool.reader().unwrap();
        let mut read = || {
            let read = std::panic::AssertUnwindSafe(|| block_on(reader.read(&mut [0])));
            std::panic::catch_unwind(read)
        };
        assert_eq!(read().unwrap(), Ok(1));
        // The panic goes on in a task that has polled the source, and ends with a thread of its own.
        assert_eq!(read().is_err(), !blocks);
        let Ok(Err(ReadError::Failed(failure))) = read() else { panic!("it has not failed") };
        assert!(failure.get_ref().is::<SourcePanicked>());
    }
}

#[test]
fn deadlines_and_closes_hold_while_the_source_blocks() {
    let (send, gate) = Gate::new();
    let reads = gate.reads.clone();
    let spool = segments_of(4).build().unwrap();
    spool.pull(gate).unwrap();
    let mut reader = spool.reader().unwrap().blocking();
    let error = reader.read_timeout(&mut [0], Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);

    let mut closed = spool.reader().unwrap();
    let closer = closed.closer();
    let mut buffer = [0];
    let task = Task::parked(closed.read(&mut buffer));
    closer.close();
    assert_eq!(task.result(), Err(ReadError::Closed));

    // What was read for nobody is not lost, and nothing more was read.
    until("it is read", || count(&reads) == 1);
    send.send(vec![5]).unwrap();
    until("it is there", || spool.len() == 1);
    assert_eq!(reader.read(&mut [0]).unwrap(), 1);
    assert_eq!(count(&reads), 1);
}

#[test]
fn dropping_and_terminating_do_not_wait_for_the_source() {
    for terminate in [true, false] {
        let (send, gate) = Gate::new();
        let (reads, spool) = (gate.reads.clone(), Spool::memory());
        spool.pull(gate).unwrap();
        let mut reader = spool.reader().unwrap();
        let mut buffer = [0];
        let task = Task::parked(reader.read(&mut buffer));
        until("it is read", || count(&reads) == 1);
        if terminate {
            spool.terminate();
            assert_eq!(task.result(), Err(ReadError::Terminated));
        } else {
            drop(task);
        }
        drop((reader, spool));
        // The source is dropped when it comes back: then nobody receives any more.
        send.send(vec![1]).unwrap();
        until("the source is dropped", || send.send(vec![1]).is_err());
    }
}

/// Tells when it is dropped.
struct Dropped<R>(R, #[allow(dead_code, reason = "it is dropped")] Arc<()>);

impl<R: Read> Read for Dropped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

fn dropped<R>(source: R) -> (Dropped<R>, Weak<()>) {
    let alive = Arc::new(());
    let weak = Arc::downgrade(&alive);
    (Dropped(source, alive), weak)
}

#[test]
fn the_source_is_dropped_when_it_is_of_no_more_use() {
    // Nobody ever read.
    let (source, alive) = dropped(io::repeat(1));
    let spool = segments_of(4).build().unwrap();
    spool.pull(source).unwrap();
    let reader = spool.reader().unwrap();
    drop(spool);
    assert!(alive.upgrade().is_some());
    drop(reader);
    assert!(alive.upgrade().is_none());

    // Somebody read, and the reader is the last to go.
    let (source, alive) = dropped(io::repeat(1));
    let spool = segments_of(4).build().unwrap();
    spool.pull(source).unwrap();
    let mut reader = spool.reader().unwrap();
    drop(spool);
    assert_eq!(block_on(reader.read(&mut [0; 9])), Ok(4));
    assert_eq!(block_on(reader.read(&mut [0; 9])), Ok(4));
    drop(reader);
    until("it is dropped", || alive.upgrade().is_none());

    // The stream has ended.
    for end in 0..3 {
        let (source, alive) = dropped(io::empty());
        let spool = Spool::memory();
        spool.pull(source).unwrap();
        match end {
            0 => assert_eq!(block_on(spool.load_all()), Ok(0)),
            1 => spool.terminate(),
            _ => spool.fail("from outside").unwrap(),
        }
        until("it is dropped", || alive.upgrade().is_none());
        assert!(matches!(spool.writer(), Err(WriterError::Ended(_))));
    }
}

#[test]
fn a_seek_from_the_end_and_load_all_read_all() {
    for &blocks in KINDS {
        let all = bytes_from(0, 100);
        let spool = segments_of(8).build().unwrap();
        pull(&spool, Script::new([gives(&all)]), blocks);
        let mut reader = spool.reader().unwrap().blocking();
        assert_eq!(reader.seek(SeekFrom::End(-1)).unwrap(), 99);
        assert!(spool.is_finished());

        let spool = segments_of(8).build().unwrap();
        let failing = Does::Fails(ErrorKind::ConnectionReset);
        pull(&spool, Script::new([gives(&all), failing, gives(&all)]), blocks);
        let wait = || {
            within(LIMIT, {
                let spool = spool.clone();
                move || block_on(spool.load_all())
            })
        };
        assert!(matches!(wait(), Err(ReadError::Source(_))));
        assert_eq!(spool.load_all_timeout(LIMIT), Some(Ok(200)));
        assert_eq!(wait(), Ok(200));
    }
}

#[test]
fn load_all_of_a_spool_with_a_writer_waits_for_its_end() {
    let spool = Spool::memory();
    assert_eq!(spool.load_all_timeout(Duration::ZERO), None);
    let mut writer = spool.writer().unwrap();
    writer.try_write(&[1, 2]).unwrap();
    let loading = Task::parked(spool.load_all());
    writer.finish().unwrap();
    assert_eq!(loading.result(), Ok(2));
}

#[test]
fn a_promised_length_is_the_end_and_a_short_source_is_an_error() {
    for &blocks in KINDS {
        let spool = segments_of(4).known_len(6).build().unwrap();
        let reads = pull(&spool, Script::new([gives(&bytes_from(0, 9))]), blocks);
        assert_eq!(block_on(spool.load_all()), Ok(6));
        // What is promised is one segment.
        assert_eq!(count(&reads), 1);

        let spool = segments_of(4).known_len(6).build().unwrap();
        pull(&spool, Script::new([gives(&bytes_from(0, 5))]), blocks);
        assert!(matches!(block_on(spool.load_all()), Err(ReadError::Failed(_))));
        let (bytes, end) = drain(&mut spool.reader().unwrap());
        assert_eq!(bytes.len(), 5);
        assert!(matches!(end, Some(ReadError::Failed(_))));
    }
}

#[test]
fn a_view_that_does_not_wait_has_the_source_read_once_for_each_refusal() {
    let spool = segments_of(4).build().unwrap();
    let (send, gate) = Gate::new();
    let reads = gate.reads.clone();
    spool.pull(gate).unwrap();
    let mut view = spool.reader().unwrap().without_waiting(Missing::WouldBlock);
    for byte in 0..3 {
        let mut buffer = [0; 4];
        assert_eq!(view.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(view.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        send.send(vec![byte]).unwrap();
        until("it is there", || spool.len() == u64::from(byte) + 1);
        assert_eq!(view.read(&mut buffer).unwrap(), 1);
        assert_eq!(count(&reads), usize::from(byte) + 1);
    }

    // A source that does not block is read at once, and its error is told.
    #[cfg(feature = "futures")]
    {
        let spool = segments_of(4).build().unwrap();
        let steps = [Does::Pends, gives(&[1]), Does::Fails(ErrorKind::ConnectionReset)];
        pull(&spool, Script::new(steps), false);
        let mut view = spool.reader().unwrap().without_waiting(Missing::WouldBlock);
        assert_eq!(view.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(view.read(&mut [0]).unwrap(), 1);
        assert_eq!(view.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(view.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn who_waited_before_there_was_a_source_gets_its_bytes() {
    for &blocks in KINDS {
        let spool = segments_of(4).build().unwrap();
        let mut reader = spool.reader().unwrap();
        let mut buffer = [0];
        let mut task = Task::parked(reader.read(&mut buffer));
        pull(&spool, Script::new([gives(&[7])]), blocks);
        assert_eq!(task.wakes(), 1);
        if task.poll().is_pending() {
            until("it is there", || task.wakes() == 2);
            assert_eq!(task.result(), Ok(1));
        }
        assert_eq!(spool.len(), 1);
    }
}

#[test]
fn a_spool_has_one_source_or_one_writer() {
    let spool = Spool::memory();
    let writer = spool.writer().unwrap();
    assert_eq!(spool.pull(io::empty()).unwrap_err(), WriterError::Busy);
    writer.release();
    spool.pull(io::empty()).unwrap();
    assert_eq!(spool.pull(io::empty()).unwrap_err(), WriterError::Busy);
    assert_eq!(spool.writer().unwrap_err(), WriterError::Busy);
}

#[test]
fn readers_far_on_and_near_by_are_served_by_one_source() {
    let all = bytes_from(0, 1000);
    for &blocks in KINDS {
        let spool = segments_of(16).build().unwrap();
        let steps = all.chunks(10).map(gives);
        pull(&spool, Script::new(steps), blocks);
        let far: Vec<_> = (0..10)
            .map(|number| {
                let reader = spool.reader().unwrap();
                thread::spawn(move || {
                    let mut buffer = [0; 10];
                    block_on(reader.read_exact_at(&mut buffer, number * 99)).unwrap();
                    assert_eq!(buffer[..], bytes_from(number * 99, 10));
                })
            })
            .collect();
        within(LIMIT, move || far.into_iter().for_each(|reader| reader.join().unwrap()));
    }
}

/// Panics when it is woken.
struct Panicking;

impl std::task::Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("as told");
    }
}

#[test]
fn a_waker_that_panics_does_not_end_the_thread() {
    let spool = segments_of(1).build().unwrap();
    let reads = pull(&spool, Script::new([gives(&[7, 8])]), true);
    let mut far = spool.reader().unwrap();
    far.advance(1);
    let mut buffer = [0];
    let mut task = Task::new(far.read(&mut buffer));
    let _pending_or_there = task.poll_with(&Arc::new(Panicking).into());
    until("both bytes are read", || count(&reads) == 2);
    let mut late = spool.reader().unwrap();
    within(LIMIT, move || {
        assert_eq!(block_on(late.read(&mut [0; 2])), Ok(2));
        assert_eq!(block_on(late.read(&mut [0; 2])), Ok(0));
    });
}

#[cfg(feature = "futures")]
mod tasks {
    use super::*;
    use futures::io::AsyncRead;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    /// A source that has nothing until it is told, and keeps the last waker.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<(Vec<u8>, Option<Waker>)>>);

    impl Told {
        fn tell(&self, bytes: &[u8]) {
            let mut told = self.0.lock().unwrap();
            told.0.extend_from_slice(bytes);
            let waker = told.1.take();
            drop(told);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    impl AsyncRead for Told {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let mut told = self.0.lock().unwrap();
            if told.0.is_empty() {
                told.1 = Some(context.waker().clone());
                return Poll::Pending;
            }
            let length = told.0.len().min(buffer.len());
            buffer[..length].copy_from_slice(&told.0[..length]);
            told.0.drain(..length);
            Poll::Ready(Ok(length))
        }
    }

    fn told() -> (Told, Spool) {
        let (told, spool) = (Told::default(), segments_of(4).build().unwrap());
        spool.pull_async(overfall::source::Futures(told.clone())).unwrap();
        (told, spool)
    }

    #[test]
    fn a_future_that_is_dropped_while_it_pulls_loses_nothing_and_others_go_on() {
        for forgets in [false, true] {
            let (told, spool) = told();
            let [mut first, mut second] = [(); 2].map(|()| spool.reader().unwrap());
            let (mut buffer, mut other) = ([0], [0]);
            if forgets {
                // As tokio's combinators do: nobody says that nothing is waited for any more.
                let context = &mut Context::from_waker(Waker::noop());
                assert!(
                    AsyncRead::poll_read(Pin::new(&mut first), context, &mut buffer).is_pending()
                );
            } else {
                let mut pulls = Task::parked(first.read(&mut buffer));
                assert!(pulls.poll().is_pending());
                drop(pulls);
            }
            let task = Task::parked(second.read(&mut other));
            told.tell(&[7]);
            assert_eq!(task.wakes(), 1);
            assert_eq!(task.result(), Ok(1));
            assert_eq!(block_on(first.read(&mut buffer)), Ok(1));
            assert_eq!((buffer, other), ([7], [7]));
        }
    }

    #[test]
    fn a_waker_that_panics_costs_the_others_no_wake() {
        let (told, spool) = told();
        let [mut first, mut second] = [(); 2].map(|()| spool.reader().unwrap());
        let (mut buffer, mut other) = ([0], [0]);
        let mut first = Task::new(first.read(&mut buffer));
        assert!(first.poll_with(&Arc::new(Panicking).into()).is_pending());
        let second = Task::parked(second.read(&mut other));
        let telling = std::panic::AssertUnwindSafe(|| told.tell(&[7]));
        assert!(std::panic::catch_unwind(telling).is_err(), "who wakes gets the panic");
        assert_eq!(second.wakes(), 1);
        assert_eq!(second.result(), Ok(1));
    }

    /// Does something while it is read, and gives a byte.
    struct Hook<F>(F);

    impl<F: FnMut() + Unpin> AsyncRead for Hook<F> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            (self.0)();
            buffer[0] = 7;
            Poll::Ready(Ok(1))
        }
    }

    #[test]
    fn who_needs_more_is_woken_although_another_waker_panics_at_what_is_read() {
        let spool = segments_of(1).build().unwrap();
        let [mut first, near, mut far] = [(); 3].map(|()| spool.reader().unwrap());
        far.advance(5);
        let (wakes, waker) = overfall_tests::counting_waker();
        // These two come while the first one reads.
        let others = Arc::new(Mutex::new(Some((near, far))));
        let (come, mut have_come) = (others.clone(), false);
        let hook = move || {
            let mut come = come.lock().unwrap();
            let Some((near, far)) = come.as_mut().filter(|_| !have_come) else { return };
            have_come = true;
            let panicking = Arc::new(Panicking).into();
            for (reader, waker) in [(near, &panicking), (far, &waker)] {
                let context = &mut Context::from_waker(waker);
                assert!(AsyncRead::poll_read(Pin::new(reader), context, &mut [0]).is_pending());
            }
        };
        spool.pull_async(overfall::source::Futures(Hook(hook))).unwrap();
        let mut buffer = [0];
        let mut task = Task::new(first.read(&mut buffer));
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task.poll()));
        assert!(polled.is_err());
        assert_eq!(wakes.count(), 1);
        // The source would keep the spool, and the spool the source.
        drop(others.lock().unwrap().take());
    }

    #[test]
    fn a_woken_future_that_is_dropped_before_it_is_polled_leaves_the_source_to_others() {
        let (told, spool) = told();
        let [mut first, mut second] = [(); 2].map(|()| spool.reader().unwrap());
        let (mut buffer, mut other) = ([0], [0]);
        let pulls = Task::parked(first.read(&mut buffer));
        let task = Task::parked(second.read(&mut other));
        told.tell(&[7]);
        assert_eq!((pulls.wakes(), task.wakes()), (1, 1));
        drop(pulls);
        assert_eq!(task.result(), Ok(1));
    }

    #[test]
    fn who_has_what_it_needs_leaves_the_source_to_who_needs_more() {
        let (told, spool) = told();
        let [mut near, mut far] = [(); 2].map(|()| spool.reader().unwrap());
        far.advance(5);
        let (mut buffer, mut other) = ([0; 4], [0]);
        let mut far = Task::parked(far.read(&mut other));
        let near = Task::parked(near.read(&mut buffer));
        told.tell(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(near.result(), Ok(4));
        assert_eq!(far.wakes(), 1, "woken by the source, and not polled yet");
        assert_eq!(far.poll(), Poll::Ready(Ok(1)));
        drop(far);
        assert_eq!(other, [6]);
    }

    #[test]
    fn who_waits_while_another_reads_is_woken_to_read_on() {
        let (told, spool) = told();
        let [mut near, mut far] = [(); 2].map(|()| spool.reader().unwrap());
        far.advance(5);
        let (mut buffer, mut other) = ([0; 4], [0]);
        let near = Task::parked(near.read(&mut buffer));
        told.tell(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(near.wakes(), 1);
        // It comes when it is nobody's turn, reads, and finds the rest.
        let mut far = Task::new(far.read(&mut other));
        assert_eq!(far.poll(), Poll::Ready(Ok(1)));
        assert_eq!(near.result(), Ok(4));
    }

    #[test]
    fn a_source_that_always_has_something_lets_other_tasks_run() {
        let spool = segments_of(1).build().unwrap();
        spool.pull_async(overfall::source::Futures(Script::new([gives(&[0; 1000])]))).unwrap();
        let mut loading = Task::parked(spool.load_all());
        let mut polls = 1;
        while loading.poll().is_pending() {
            polls += 1;
            assert_eq!(loading.wakes(), polls, "nobody would poll it again");
        }
        assert!(polls > 10);
        drop(loading);
        assert_eq!(spool.len(), 1000);
    }

    #[test]
    fn it_is_dropped_at_any_point_and_the_next_one_goes_on() {
        for point in 0..40 {
            let all = bytes_from(0, 20);
            let script = Script::drop_by_drop(&all, &[Does::Pends]);
            let spool = segments_of(3).build().unwrap();
            spool.pull_async(overfall::source::Futures(script)).unwrap();
            let mut reader = spool.reader().unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 20];
            let mut task = Task::new(reader.read_exact_at(&mut buffer, 0));
            (0..point).any(|_| task.poll().is_ready());
            drop(task);
            let mut buffer = [0; 6];
            loop {
                match block_on(reader.read(&mut buffer)).unwrap() {
                    0 => break,
                    read => got.extend_from_slice(&buffer[..read]),
                }
            }
            assert_eq!(got, all, "{point}");
        }
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn a_source_of_tokio_is_pulled_by_tasks_and_threads() {
        let all = bytes_from(0, 10_000);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut client, server) = tokio::io::duplex(100);
        let spool = segments_of(64).build().unwrap();
        spool.pull_async(overfall::source::Tokio(server)).unwrap();
        let blocking = spool.reader().unwrap();
        let blocking = thread::spawn(move || {
            let mut got = Vec::new();
            blocking.blocking().read_to_end(&mut got).map(|_| got)
        });
        runtime.block_on(async {
            let mut reader = spool.reader().unwrap();
            let reading = tokio::spawn(async move {
                let mut got = Vec::new();
                tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut got).await.map(|_| got)
            });
            tokio::io::AsyncWriteExt::write_all(&mut client, &all).await.unwrap();
            drop(client);
            assert!(reading.await.unwrap().unwrap() == all);
        });
        assert!(within(LIMIT, || blocking.join().unwrap().unwrap()) == all);
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn an_async_reader_does_not_hold_up_its_runtime_while_the_source_blocks() {
        let (send, gate) = Gate::new();
        let reads = gate.reads.clone();
        let spool = Spool::memory();
        spool.pull(gate).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut reader = spool.reader().unwrap();
        runtime.block_on(async {
            let reading = tokio::spawn(async move {
                let mut buffer = [0; 3];
                reader.read(&mut buffer).await.map(|read| buffer[..read].to_vec())
            });
            while count(&reads) == 0 {
                tokio::task::yield_now().await;
            }
            send.send(vec![1, 2, 3]).unwrap();
            assert_eq!(reading.await.unwrap(), Ok(vec![1, 2, 3]));
        });
    }
}
