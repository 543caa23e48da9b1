//! Who is woken, when, and what wakers may do.

use crate::{bytes_from, segments_of, stream};
use overfall::spool::{ReadError, Retain};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread;

/// Calls a function when it is woken.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn readers_that_wait_further_on_sleep_while_the_stream_comes_one_byte_at_a_time() {
    let (spool, mut writer, mut near) = stream(segments_of(64));
    let mut far: Vec<_> = (0..40).map(|_| spool.reader().unwrap()).collect();
    far.iter_mut().enumerate().for_each(|(n, reader)| reader.advance(9_960 + n as u64));
    let mut buffers = vec![[0]; 40];
    let mut waiting: Vec<_> = far
        .iter_mut()
        .zip(&mut buffers)
        .map(|(reader, buffer)| Task::parked(reader.read(buffer)))
        .collect();
    let mut buffer = [0];
    let mut reading = Task::parked(near.read(&mut buffer));
    for written in 1..=10_000_usize {
        writer.write_all(b"x").unwrap();
        let woken: usize = waiting.iter().map(Task::wakes).sum();
        assert_eq!(woken, written.saturating_sub(9_960), "after {written}");
    }
    assert_eq!(reading.wakes(), 1);
    assert_eq!(reading.poll(), Poll::Ready(Ok(1)));
    for task in &mut waiting {
        assert_eq!((task.wakes(), task.poll()), (1, Poll::Ready(Ok(1))));
    }
}

/// Who needs all of a piece is woken when all of it is there.
#[test]
fn a_reader_of_a_whole_piece_sleeps_while_that_comes_one_byte_at_a_time() {
    let bounded = || segments_of(64).retain(Retain::Last(1000));
    for (builder, may_sleep) in [(segments_of(64), true), (bounded(), true), (bounded(), false)] {
        let spool = builder.build().unwrap();
        let mut writer = spool.writer().unwrap();
        let mut reader = spool.reader().unwrap();
        if !may_sleep {
            // It is passed: nobody keeps the first bytes of the piece until the last is there.
            reader.advance(2000);
        }
        writer.write_all(&bytes_from(0, 30)).unwrap();
        let mut piece = vec![0; 900];
        let mut reading = Task::parked(reader.read_exact_at(&mut piece, 20));
        for position in 30..920 {
            assert_eq!(reading.wakes() == 0, may_sleep || position == 30, "{position}");
            writer.write_all(&bytes_from(position, 1)).unwrap();
            if !may_sleep {
                assert_eq!(reading.poll().is_ready(), position == 919);
            }
        }
        if may_sleep {
            assert_eq!(reading.wakes(), 1);
            assert_eq!(reading.poll(), Poll::Ready(Ok(())));
        }
        drop(reading);
        assert_eq!(piece, bytes_from(20, 900));
        // One that comes short is woken by the end.
        let long = Task::parked(reader.read_exact_at(&mut piece[..100], 900));
        writer.finish().unwrap();
        assert_eq!(long.wakes(), 1);
        assert_eq!(long.result(), Err(ReadError::Short { len: 920 }));
    }
}

#[test]
fn a_reader_that_gave_up_is_not_woken() {
    let (_spool, mut writer, mut reader) = stream(segments_of(64));
    let (wakes, waker) = overfall_tests::counting_waker();
    let mut buffer = [0];
    let mut reading = Task::new(reader.read(&mut buffer));
    assert!(reading.poll_with(&waker).is_pending());
    drop(reading);
    assert_eq!(Arc::strong_count(&wakes), 2, "its waker is forgotten");
    writer.write_all(b"x").unwrap();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn the_last_waker_is_woken() {
    let (_spool, mut writer, mut reader) = stream(segments_of(64));
    let [(first, first_waker), (last, last_waker)] =
        [(); 2].map(|()| overfall_tests::counting_waker());
    let mut buffer = [0];
    let mut reading = Task::new(reader.read(&mut buffer));
    assert!(reading.poll_with(&first_waker).is_pending());
    assert!(reading.poll_with(&last_waker).is_pending());
    writer.write_all(b"x").unwrap();
    assert_eq!((first.count(), last.count()), (0, 1));
}

#[test]
fn a_waker_that_panics_costs_no_other_reader_its_wake_and_the_writer_nothing() {
    for end in [false, true] {
        let (spool, mut writer, mut reader) = stream(segments_of(64));
        let mut other = spool.reader().unwrap();
        let (mut buffer, mut another) = ([0], [0]);
        let mut panicking = Task::new(reader.read(&mut buffer));
        let waker = Waker::from(Arc::new(Calls(|| panic_any("on purpose"))));
        assert!(panicking.poll_with(&waker).is_pending());
        let mut waiting = Task::parked(other.read(&mut another));
        let mut finished = Task::parked(spool.finished());
        let panic = catch_unwind(AssertUnwindSafe(|| match end {
            false => writer.write_all(b"x").unwrap(),
            true => spool.fail("why").unwrap(),
        }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"on purpose"));
        assert_eq!(waiting.wakes(), 1);
        assert!(waiting.poll().is_ready());
        assert!(panicking.poll().is_ready());
        assert_eq!(finished.wakes(), usize::from(end));
        assert_eq!(writer.try_write(b"y").is_ok(), !end);
        drop(finished.poll());
    }
}

#[test]
fn a_waker_that_panics_at_the_last_promised_byte_costs_nobody_the_end() {
    let (spool, mut writer, mut reader) = stream(segments_of(64).known_len(1));
    let mut buffer = [0];
    let mut panicking = Task::new(reader.read(&mut buffer));
    let waker = Waker::from(Arc::new(Calls(|| panic_any("on purpose"))));
    assert!(panicking.poll_with(&waker).is_pending());
    let mut finished = Task::parked(spool.finished());
    assert!(catch_unwind(AssertUnwindSafe(|| writer.try_write(b"x"))).is_err());
    assert_eq!((finished.wakes(), finished.poll()), (1, Poll::Ready(Ok(1))));
    assert_eq!(panicking.poll(), Poll::Ready(Ok(1)));
}

#[test]
fn a_waker_may_come_back_to_the_spool() {
    within(LIMIT, || {
        let (spool, mut writer, mut reader) = stream(segments_of(64));
        let handle = spool.clone();
        let waker = Waker::from(Arc::new(Calls(move || {
            let mut mine = handle.reader().unwrap();
            assert_eq!(mine.try_read(&mut [0; 2]), Ok(1));
            handle.stats();
            handle.fail("from a waker").unwrap();
            assert!(matches!(mine.try_read(&mut [0]), Err(ReadError::Failed(_))));
        })));
        let mut buffer = [0];
        let mut reading = Task::new(reader.read(&mut buffer));
        assert!(reading.poll_with(&waker).is_pending());
        writer.write_all(b"x").unwrap();
        assert_eq!(reading.poll(), Poll::Ready(Ok(1)));
        assert!(writer.try_write(b"y").is_err());
    });
}

#[test]
fn two_threads_that_answer_each_other_lose_no_wake() {
    within(LIMIT, || {
        let (_a, mut to, reader) = stream(segments_of(100));
        let (_b, mut back, answers) = stream(segments_of(100));
        let thread = thread::spawn(move || {
            let mut reader = reader.blocking();
            let mut byte = [0];
            while reader.read(&mut byte).unwrap() > 0 {
                back.write_all(&byte).unwrap();
            }
            back.finish().unwrap();
        });
        let mut answers = answers.blocking();
        let mut byte = [0];
        for n in 0..20_000_u32 {
            to.write_all(&[n as u8]).unwrap();
            answers.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [n as u8]);
        }
        to.finish().unwrap();
        assert_eq!(answers.read(&mut byte).unwrap(), 0);
        thread.join().unwrap();
    });
}

#[test]
fn failing_from_outside_while_a_thread_writes_is_the_same_end_for_all() {
    within(LIMIT, || {
        for known_len in [None, Some(50)] {
            for round in 0..50 {
                let mut builder = segments_of(4096);
                if let Some(known_len) = known_len {
                    builder = builder.known_len(known_len);
                }
                let (spool, mut writer, reader) = stream(builder);
                let reading = |mut reader: overfall::spool::SpoolReader| {
                    thread::spawn(move || {
                        let (mut read, mut buffer) = (0, [0; 5]);
                        block_on(async {
                            loop {
                                match reader.read(&mut buffer).await {
                                    Ok(0) => break (read, None),
                                    Ok(more) => read += more as u64,
                                    Err(error) => break (read, Some(error)),
                                }
                            }
                        })
                    })
                };
                let readers = [reading(reader), reading(spool.reader().unwrap())];
                let failing = spool.clone();
                let failing = thread::spawn(move || {
                    (0..round % 5).for_each(|_| thread::yield_now());
                    failing.fail("from outside").is_ok()
                });
                while writer.try_write(&[1; 1]).is_ok() {}
                let failed = failing.join().unwrap();
                let [first, second] = readers.map(|reader| reader.join().unwrap());
                assert_eq!(first, second);
                let (_, end) = &first;
                assert_eq!(end.is_some(), failed);
                assert_eq!(spool.len(), first.0);
                assert_eq!(spool.is_finished(), !failed);
            }
        }
    });
}
