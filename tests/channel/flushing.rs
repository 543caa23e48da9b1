//! Waiting until what was sent has been read.

use futures::FutureExt;
use overfall::error::FlushError;
use overfall::{AfterLast, Channel, StartAt, StrongReader, StrongWriter, pipe};
use overfall_tests::{LIMIT, Task, block_on, overwriting, within};
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

#[test]
fn it_is_flushed_once_all_strong_readers_have_given_it_back() {
    let channel = Channel::new(1024);
    let (mut writer, mut other) = (channel.new_writer(), channel.new_writer());
    let (mut first, mut second) = (channel.new_strong_reader(), channel.new_strong_reader());
    let _tap = channel.new_weak_reader();
    assert_eq!(block_on(writer.flushed()), Ok(()), "nothing was sent");
    assert_eq!(block_on(channel.flushed()), Ok(()), "nothing was sent");
    writer.try_send(b"one").unwrap();
    writer.try_send_many(&["two", "three"]).unwrap();
    other.try_send(b"four").unwrap();
    let mut mine = Task::parked(writer.flushed());
    let mut all = Task::parked(channel.flushed());
    writer.try_send(b"later").unwrap();
    for reader in [&mut first, &mut second] {
        for _ in 0..2 {
            assert!(reader.try_recv().unwrap().is_some());
        }
        let third = reader.try_recv().unwrap().unwrap();
        assert_eq!(*third, *b"three");
        assert!(mine.poll().is_pending() && all.poll().is_pending());
    }
    // What is lent is not given back.
    assert_eq!((mine.wakes(), all.wakes()), (1, 0));
    assert_eq!(mine.result(), Ok(()));
    assert!(all.poll().is_pending());
    for reader in [&mut first, &mut second] {
        assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"four"[..]));
    }
    assert_eq!(all.wakes(), 1);
    assert_eq!(all.result(), Ok(()));
    assert_eq!(block_on(other.flushed()), Ok(()));
    assert!(Task::new(writer.flushed()).poll().is_pending());
}

#[test]
fn what_is_lent_or_read_in_part_is_not_read_yet() {
    let (mut writer, mut reader) = pipe(1024);
    writer.try_send(b"lent").unwrap();
    let mut task = Task::parked(writer.flushed());
    let message = reader.try_recv().unwrap();
    assert!(task.poll().is_pending());
    drop(message);
    assert_eq!(task.result(), Ok(()));

    writer.try_write(b"part").unwrap();
    let mut task = Task::parked(writer.flushed());
    assert_eq!(reader.try_read(&mut [0; 2]), Ok(2));
    assert!(task.poll().is_pending());
    assert_eq!(reader.try_read(&mut [0; 2]), Ok(2));
    assert_eq!(task.result(), Ok(()));
}

#[test]
fn what_is_given_up_needs_no_reader() {
    let (mut writer, mut reader) = pipe(1024);
    let mut other = writer.clone();
    writer.try_send(b"one").unwrap();
    assert!(reader.try_recv().unwrap().is_some());
    let slice = other.try_reserve(10).unwrap();
    let all = writer.channel().flushed();
    let all = Task::parked(all);
    assert_eq!(block_on(writer.flushed()), Ok(()), "what others have in flight is not this one's");
    slice.abort();
    // The reader need not come back to step over it.
    assert_eq!(all.wakes(), 1);
    assert_eq!(all.result(), Ok(()));
}

#[test]
fn nobody_is_told_that_something_was_read_that_no_strong_reader_has_read() {
    // None came.
    let channel = overwriting(1024);
    let mut writer = channel.new_writer();
    let _tap = channel.new_weak_reader();
    writer.try_send(b"one").unwrap();
    for _ in 0..2 {
        assert_eq!(block_on(writer.flushed()), Err(FlushError::Unread));
        assert_eq!(block_on(channel.flushed()), Err(FlushError::Unread));
    }
    // One that starts behind it does not change that.
    let mut late = channel.new_strong_reader_at(StartAt::Now);
    assert_eq!(block_on(writer.flushed()), Err(FlushError::Unread));
    writer.try_send(b"two").unwrap();
    let task = Task::parked(writer.flushed());
    assert!(late.try_recv().unwrap().is_some());
    assert_eq!(task.result(), Ok(()));
    // The last one goes, and has read it.
    drop(late);
    assert_eq!(block_on(writer.flushed()), Ok(()));
    // The last one goes, and has not, while somebody waits.
    let unread = channel.new_strong_reader();
    writer.try_send(b"three").unwrap();
    let task = Task::parked(writer.flushed());
    drop(unread);
    assert_eq!(task.wakes(), 1);
    let _behind = channel.new_strong_reader_at(StartAt::Now);
    assert_eq!(task.result(), Err(FlushError::Unread));
    // By default that is the end.
    let (mut writer, reader) = pipe(64);
    writer.try_send(b"one").unwrap();
    let task = Task::parked(writer.flushed());
    drop(reader);
    assert_eq!(task.result(), Err(FlushError::Unread));
}

#[test]
fn it_is_flushed_whatever_way_it_is_read_or_passed_over() {
    let (mut writer, mut reader) = pipe(1024);
    type Reads = fn(&mut StrongReader);
    let ways: [(&str, Reads); 10] = [
        ("read", |reader| assert_eq!(reader.try_read(&mut [0; 8]), Ok(4))),
        ("recv", |reader| assert!(reader.try_recv().unwrap().is_some())),
        ("recv_into", |reader| assert!(reader.try_recv_into(&mut Vec::new()).unwrap().is_some())),
        ("recv_many", |reader| drop(reader.try_recv_many(9).unwrap())),
        ("peek", |reader| reader.try_peek().unwrap().unwrap().consume()),
        ("consume", |reader| {
            assert_eq!(reader.try_fill_buf(), Ok(&b"sent"[..]));
            reader.consume(4);
        }),
        ("skip_rest", |reader| {
            assert_eq!(reader.try_read(&mut [0]), Ok(1));
            assert_eq!(reader.skip_rest(), 3);
        }),
        ("skip_to now", |reader| assert_eq!(reader.skip_to(StartAt::Now).messages, 1)),
        ("skip_to back", |reader| assert_eq!(reader.skip_to(StartAt::Back(0)).messages, 1)),
        ("poll", |reader| assert!(block_on(reader.recv()).unwrap().is_some())),
    ];
    for (way, reads) in ways {
        writer.try_send(b"sent").unwrap();
        let mine = Task::parked(writer.flushed());
        let all = Task::parked(writer.channel().flushed());
        reads(&mut reader);
        assert_eq!((mine.wakes(), all.wakes()), (1, 1), "{way}");
        assert_eq!((mine.result(), all.result()), (Ok(()), Ok(())), "{way}");
    }
    // An empty message is one, also for who reads bytes.
    writer.try_send(b"").unwrap();
    let task = Task::parked(writer.flushed());
    assert!(reader.try_read(&mut [0]).is_err());
    assert_eq!((task.wakes(), task.result()), (1, Ok(())));
    // A writer that is done, or has gone, is asked for what it sent.
    writer.try_send(b"last").unwrap();
    writer.shut_down();
    let (done, gone) = (Task::parked(writer.flushed()), Task::parked(writer.flushed()));
    drop(writer);
    assert!(reader.try_recv().unwrap().is_some());
    assert_eq!((done.wakes(), gone.wakes()), (1, 1));
    assert_eq!((done.result(), gone.result()), (Ok(()), Ok(())));
}

/// What waits, made anew each time, and how it comes to pass.
type Wait = (&'static str, fn(&StrongWriter) -> Pin<Box<dyn Future<Output = ()>>>);

#[test]
fn a_wait_that_is_dropped_at_every_await_point_leaves_the_others_theirs() {
    let waits: [Wait; 5] = [
        ("flushed", |writer| Box::pin(writer.flushed().map(|_| ()))),
        ("flushed of the channel", |writer| Box::pin(writer.channel().flushed().map(|_| ()))),
        ("present", |writer| Box::pin(writer.reader_present().map(|_| ()))),
        ("absent", |writer| Box::pin(writer.reader_absent())),
        ("closed", |writer| Box::pin(writer.closed())),
    ];
    for (name, wait) in waits {
        // Dropped before its first poll, before the change, between it and the next poll, and after that.
        for polls in 0..4 {
            for place in 0..3 {
                let channel = overwriting(1024);
                let mut writer = channel.new_strong_writer();
                let mut reader = Some(channel.new_strong_reader());
                if name == "present" {
                    reader = None;
                }
                writer.try_send(b"sent").unwrap();
                let mut tasks: Vec<_> = (0..3).map(|_| Some(Task::new(wait(&writer)))).collect();
                for (number, task) in tasks.iter_mut().enumerate() {
                    if number != place || polls > 0 {
                        assert!(task.as_mut().unwrap().poll().is_pending(), "{name}");
                    }
                }
                let dropped = tasks[place].take().unwrap();
                let kept = if polls < 2 { None } else { Some(dropped) };
                match name {
                    "present" => reader = Some(channel.new_strong_reader()),
                    "absent" => reader = None,
                    "closed" => channel.drain().unwrap(),
                    _ => drop(reader.as_mut().unwrap().try_recv().unwrap()),
                }
                if let (Some(mut kept), 3) = (kept, polls) {
                    assert!(kept.poll().is_ready(), "{name}");
                }
                for task in tasks.into_iter().flatten() {
                    assert_eq!(task.wakes(), 1, "{name}, {polls} polls of {place}");
                    task.result();
                }
                drop(reader);
            }
        }
    }
}

#[test]
fn each_is_woken_when_its_own_was_read_whoever_asked_first() {
    for start in [0, (1 << 63) - 128, 1 << 62] {
        let channel = Channel::builder().size(1024).start_position(start).build().unwrap();
        let mut writers: Vec<_> = (0..6).map(|_| channel.new_writer()).collect();
        let mut reader = channel.new_strong_reader();
        writers.iter_mut().for_each(|writer| writer.try_send(b"sent").unwrap());
        // Who asks first waits for what was sent last, and one of them gives up.
        let mut tasks: Vec<_> =
            writers.iter().rev().map(|writer| Some(Task::parked(writer.flushed()))).collect();
        tasks.reverse();
        tasks[3] = None;
        let all = Task::parked(channel.flushed());
        for number in 0..6 {
            let wakes = |task: &Option<Task<'_, _>>| task.as_ref().map(Task::wakes);
            assert!(tasks[number..].iter().all(|task| wakes(task).is_none_or(|wakes| wakes == 0)));
            assert!(reader.try_recv().unwrap().is_some());
            if let Some(task) = tasks[number].take() {
                assert_eq!((task.wakes(), task.result()), (1, Ok(())), "{number}");
            }
        }
        assert_eq!((all.wakes(), all.result()), (1, Ok(())));
    }
}

#[test]
fn what_was_lost_stays_lost_however_many_readers_come_and_go_later() {
    let channel = overwriting(1024);
    let (mut first, mut second, mut other) =
        (channel.new_writer(), channel.new_writer(), channel.new_writer());
    first.try_send(b"lost").unwrap();
    drop(channel.new_strong_reader_at(StartAt::Now));
    let mut reader = channel.new_strong_reader_at(StartAt::Now);
    second.try_send(b"read").unwrap();
    let slept = Task::parked(second.flushed());
    assert!(reader.try_recv().unwrap().is_some());
    drop(reader);
    for _ in 0..3 {
        other.try_send(b"lost, too").unwrap();
        drop(channel.new_strong_reader_at(StartAt::Now));
        assert_eq!(block_on(first.flushed()), Err(FlushError::Unread));
        assert_eq!(block_on(second.flushed()), Ok(()));
        assert_eq!(block_on(other.flushed()), Err(FlushError::Unread));
    }
    // One that has slept through all of it is told what there was.
    assert_eq!(slept.result(), Ok(()));
    // What was lost so often is known no more, and so not said to be read.
    for _ in 0..1000 {
        other.try_send(b"lost, too").unwrap();
        drop(channel.new_strong_reader_at(StartAt::Now));
    }
    assert_eq!(block_on(first.flushed()), Err(FlushError::Unread));
    let mut reader = channel.new_strong_reader_at(StartAt::Now);
    first.try_send(b"read").unwrap();
    while let Ok(Some(_)) = reader.try_recv() {}
    assert_eq!(block_on(first.flushed()), Ok(()));
}

#[test]
fn the_reader_that_holds_it_up_may_go_while_others_have_read_it() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let (mut quick, slow) = (channel.new_strong_reader(), channel.new_strong_reader());
    writer.try_send(b"one").unwrap();
    let mut task = Task::parked(writer.flushed());
    assert!(quick.try_recv().unwrap().is_some());
    assert!(task.poll().is_pending());
    drop(slow);
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.result(), Ok(()));
}

#[test]
fn where_writers_wait_for_the_next_reader_so_does_this() {
    let builder = Channel::builder().size(1024).wait_for_strong_reader(true);
    let channel = builder.after_last_strong_reader(AfterLast::Wait).build().unwrap();
    let mut writer = channel.new_writer();
    writer.try_send(b"one").unwrap();
    let mut task = Task::parked(writer.flushed());
    drop(channel.new_strong_reader());
    drop(channel.new_strong_reader());
    assert!(task.poll().is_pending());
    let mut reader = channel.new_strong_reader();
    assert!(reader.try_recv().unwrap().is_some());
    assert_eq!(task.result(), Ok(()));
    // One that starts behind what was kept gives it up.
    writer.try_send(b"two").unwrap();
    drop(reader);
    let task = Task::parked(writer.flushed());
    let _behind = channel.new_strong_reader_at(StartAt::Now);
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.result(), Err(FlushError::Unread));
}

#[test]
fn ends_and_whoever_gives_up() {
    let (mut writer, mut reader) = pipe(1024);
    let channel = writer.channel();
    writer.try_send(b"one").unwrap();
    let mut task = Task::parked(writer.flushed());
    drop(Task::parked(writer.flushed()));
    channel.drain().unwrap();
    assert!(task.poll().is_pending(), "what is there can still be read");
    assert!(reader.try_recv().unwrap().is_some());
    assert_eq!(task.result(), Ok(()));
    let (mut writer, _reader) = pipe(1024);
    writer.try_send(b"one").unwrap();
    let task = Task::parked(writer.flushed());
    writer.channel().terminate();
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.result(), Err(FlushError::Terminated));
}

#[test]
fn threads_flush_with_a_deadline() {
    within(LIMIT, || {
        let (writer, mut reader) = pipe(1024);
        let mut writer = writer.blocking();
        let mut channel = writer.channel().blocking();
        writer.send(b"one").unwrap();
        let error = writer.flushed_timeout(Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let error = channel.flushed_timeout(Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let thread = thread::spawn(move || {
            channel.flushed().unwrap();
            channel
        });
        assert!(reader.try_recv().unwrap().is_some());
        let mut channel = thread.join().unwrap();
        writer.flushed().unwrap();
        writer.send(b"two").unwrap();
        drop(reader);
        let error = channel.flushed().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.get_ref().unwrap().is::<FlushError>());
        channel.closed().unwrap();
    });
}

#[test]
fn many_who_flush_are_each_woken_while_readers_run() {
    within(LIMIT, || {
        let channel = Channel::new(1024);
        let mut reader = channel.new_strong_reader().blocking();
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let mut writer = channel.new_writer().blocking();
                thread::spawn(move || {
                    for number in 0..2000_u32 {
                        writer.send(&number.to_be_bytes()).unwrap();
                        writer.flushed().unwrap();
                    }
                })
            })
            .collect();
        drop(channel);
        let mut messages = 0;
        while reader.recv().unwrap().is_some() {
            messages += 1;
        }
        assert_eq!(messages, 6000);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn a_producer_works_only_while_somebody_listens() {
    within(LIMIT, || {
        let channel = overwriting(1024);
        let writer = channel.new_writer();
        let mut present = Task::parked(writer.reader_present());
        let absent = Task::parked(channel.downgrade().reader_present());
        assert_eq!(block_on(writer.reader_absent()), ());
        let tap = channel.new_weak_reader();
        assert_eq!((present.wakes(), absent.wakes()), (1, 1));
        assert_eq!(present.poll(), Poll::Ready(Ok(())));
        drop(absent);
        let mut gone = Task::parked(writer.reader_absent());
        let strong = channel.new_strong_reader();
        drop(tap);
        assert!(gone.poll().is_pending());
        let clone = strong.clone();
        drop(strong);
        let weak = clone.into_weak();
        assert!(gone.poll().is_pending(), "one that turned is still there");
        let wakes = gone.wakes();
        let mut strong = weak.into_strong().unwrap();
        strong.terminate();
        assert!(gone.wakes() > wakes);
        assert_eq!(gone.result(), ());
        // Threads.
        let mut blocking = writer.clone().blocking();
        let error = blocking.reader_present_timeout(Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let (done, came) = mpsc::channel();
        let thread = thread::spawn(move || {
            blocking.reader_present().unwrap();
            done.send(()).unwrap();
            blocking.reader_absent().unwrap();
            done.send(()).unwrap();
            blocking.reader_present().unwrap_err()
        });
        let reader = channel.new_strong_reader();
        came.recv().unwrap();
        drop(reader);
        came.recv().unwrap();
        channel.drain().unwrap();
        assert_eq!(thread.join().unwrap().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn whoever_waits_for_a_reader_is_told_of_the_end() {
    let channel = Channel::new(64);
    let writer = channel.new_writer();
    let present = Task::parked(writer.reader_present());
    channel.terminate();
    assert_eq!(present.wakes(), 1);
    assert!(present.result().is_err());
    let channel = Channel::new(64);
    let _reader = channel.new_weak_reader();
    let absent = Task::parked(channel.reader_absent());
    channel.drain().unwrap();
    assert_eq!(absent.wakes(), 1);
    absent.result();
}
