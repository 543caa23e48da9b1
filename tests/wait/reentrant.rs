//! Wakers that use the channel themselves, when they are woken, dropped or cloned.
#![allow(unsafe_code, reason = "a waker whose clone runs code of ours cannot be made otherwise")]

use overfall::{Channel, Writer};
use overfall_tests::{LIMIT, Task, counting_waker, within};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What a waker is about to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    Wake,
    Drop,
    Clone,
}

/// Does something with a channel at one of these moments.
struct Meddler {
    at: Moment,
    runs: AtomicUsize,
    action: Box<dyn Fn() + Send + Sync>,
}

impl Meddler {
    fn new(at: Moment, action: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { at, runs: AtomicUsize::new(0), action: Box::new(action) })
    }

    fn moment(&self, now: Moment) {
        // The first few times: what it does may come back to it.
        if self.at == now && self.runs.fetch_add(1, Ordering::SeqCst) < 4 {
            (self.action)();
        }
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(self.clone()).cast();
        // SAFETY: the functions of the table keep the contract of `RawWaker`: each waker owns one
        // count of the `Arc` that `data` came from, and `Meddler` is Send and Sync.
        unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

fn clone(data: *const ()) -> RawWaker {
    // SAFETY: `data` is that of a waker, which owns a count; the new waker gets one of its own.
    let meddler = unsafe {
        Arc::increment_strong_count(data.cast::<Meddler>());
        &*data.cast::<Meddler>()
    };
    meddler.moment(Moment::Clone);
    RawWaker::new(data, &TABLE)
}

fn wake(data: *const ()) {
    wake_by_ref(data);
    release(data);
}

fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker owns a count for as long as this runs.
    unsafe { &*data.cast::<Meddler>() }.moment(Moment::Wake);
}

fn release(data: *const ()) {
    // SAFETY: the waker is gone, and gives its count back.
    let meddler = unsafe { Arc::from_raw(data.cast::<Meddler>()) };
    meddler.moment(Moment::Drop);
}

/// Everything that takes a lock or wakes somebody, except ending the channel.
fn use_it_all(channel: &Channel) {
    let (mut writer, mut late) = (channel.new_writer(), channel.new_weak_writer());
    let mut reader = channel.new_weak_reader();
    let _ = writer.try_write(b"from a waker");
    let _ = reader.try_read(&mut [0; 64]);
    let mut reserve = Task::new(writer.reserve(channel.capacity()));
    let mut behind = Task::new(late.reserve(1));
    let mut closed = Task::new(reader.closed());
    let (_, waker) = counting_waker();
    let _ = (reserve.poll_with(&waker), behind.poll_with(&waker), closed.poll_with(&waker));
    assert!(format!("{channel:?}").contains("Channel"));
    drop((reserve, behind, closed));
    drop(reader.into_strong());
}

/// A ring that is full, with a writer.
fn full() -> (Arc<Channel>, Writer, overfall::StrongReader) {
    let channel = Channel::new(128);
    let mut writer = channel.new_writer();
    let reader = channel.new_strong_reader();
    writer.try_write(&[1; 64]).unwrap();
    writer.try_write(&[2; 64]).unwrap();
    (channel, writer, reader)
}

/// A waiting writer whose waker meddles: polled again, woken, cancelled.
fn meddle_with_a_writer(at: Moment) {
    within(LIMIT, move || {
        let (channel, mut writer, mut reader) = full();
        let handle = channel.clone();
        let meddler = Meddler::new(at, move || use_it_all(&handle));
        let mut task = Task::new(writer.reserve(64));
        for _ in 0..3 {
            let waker = meddler.waker();
            assert!(task.poll_with(&waker).is_pending());
        }
        assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
        let (_, other) = counting_waker();
        let _ = task.poll_with(&other);
        drop(task);
        let mut task = Task::new(writer.reserve(128));
        let _ = task.poll_with(&meddler.waker());
        drop(task);
        channel.terminate();
        assert!(meddler.runs() > 0, "it has meddled");
    });
}

#[test]
fn a_writers_waker_may_use_the_channel_when_it_is_woken() {
    meddle_with_a_writer(Moment::Wake);
}

#[test]
fn a_writers_waker_may_use_the_channel_when_it_is_dropped() {
    meddle_with_a_writer(Moment::Drop);
}

#[test]
fn a_writers_waker_may_use_the_channel_when_it_is_cloned() {
    meddle_with_a_writer(Moment::Clone);
}

/// The same for whoever waits for the end.
fn meddle_with_the_end(at: Moment) {
    within(LIMIT, move || {
        let channel = Channel::new(128);
        let handle = channel.clone();
        let meddler = Meddler::new(at, move || {
            use_it_all(&handle);
            // It may be the end that wakes it: whatever it is, it may be ended further.
            if handle.is_closed() {
                handle.terminate();
            }
        });
        let mut tasks: Vec<_> = (0..3).map(|_| Task::new(channel.closed())).collect();
        for task in &mut tasks {
            for _ in 0..2 {
                let waker = meddler.waker();
                assert!(task.poll_with(&waker).is_pending());
            }
        }
        drop(tasks.pop());
        channel.drain().unwrap();
        tasks.into_iter().for_each(Task::result);
        assert!(meddler.runs() > 0, "it has meddled");
    });
}

#[test]
fn the_waker_of_who_waits_for_the_end_may_use_the_channel_when_it_is_woken() {
    meddle_with_the_end(Moment::Wake);
}

#[test]
fn the_waker_of_who_waits_for_the_end_may_use_the_channel_when_it_is_dropped() {
    meddle_with_the_end(Moment::Drop);
}

#[test]
fn the_waker_of_who_waits_for_the_end_may_use_the_channel_when_it_is_cloned() {
    meddle_with_the_end(Moment::Clone);
}

#[cfg(feature = "futures")]
mod readers {
    use super::*;
    use futures::AsyncReadExt;
    use overfall::Reader;
    use std::sync::Mutex;
    use std::task::Wake;

    fn meddle_with_readers(at: Moment) {
        within(LIMIT, move || {
            let channel = Channel::new(1024);
            let mut writer = channel.new_writer();
            let mut readers: [Reader; 2] =
                [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
            let handle = channel.clone();
            let meddler = Meddler::new(at, move || use_it_all(&handle));
            for reader in &mut readers {
                let mut buffer = [0; 64];
                let mut task = Task::new(reader.read(&mut buffer));
                for _ in 0..3 {
                    let waker = meddler.waker();
                    // Ready if the waker has written something.
                    if task.poll_with(&waker).is_ready() {
                        break;
                    }
                }
            }
            // Refused if the waker has filled the ring.
            let _ = (writer.try_write(b"wake"), writer.try_write(b"again"));
            channel.drain().unwrap();
            drop(readers);
            channel.terminate();
            assert!(meddler.runs() > 0, "it has meddled");
        });
    }

    #[test]
    fn a_readers_waker_may_use_the_channel_when_it_is_woken() {
        meddle_with_readers(Moment::Wake);
    }

    #[test]
    fn a_readers_waker_may_use_the_channel_when_it_is_dropped() {
        meddle_with_readers(Moment::Drop);
    }

    #[test]
    fn a_readers_waker_may_use_the_channel_when_it_is_cloned() {
        meddle_with_readers(Moment::Clone);
    }

    /// Owns an endpoint, which goes when it is woken.
    struct Owner(Mutex<Option<Reader>>);

    impl Wake for Owner {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }

    #[test]
    fn a_waker_may_drop_the_very_reader_that_is_being_woken() {
        within(LIMIT, || {
            for strong in [true, false] {
                let channel = overfall_tests::overwriting(128);
                let mut writer = channel.new_writer();
                let reader = if strong {
                    Reader::from(channel.new_strong_reader())
                } else {
                    channel.new_weak_reader().into()
                };
                let owner = Arc::new(Owner(Mutex::new(None)));
                let waker = Waker::from(owner.clone());
                let mut reader = reader;
                let mut buffer = [0; 8];
                let mut task = Task::new(reader.read(&mut buffer));
                assert!(task.poll_with(&waker).is_pending());
                drop(task);
                *owner.0.lock().unwrap() = Some(reader);
                drop(waker);
                writer.try_write(b"go").unwrap();
                assert!(owner.0.lock().unwrap().is_none(), "it was woken, and went");
                let stats = channel.stats();
                assert_eq!((stats.strong_readers, stats.weak_readers), (0, 0));
                // The slot is used again, by somebody who waits and is woken.
                let mut next = channel.new_weak_reader_at(overfall::StartAt::Now);
                let task = Task::parked(next.read(&mut buffer));
                writer.try_write(b"next").unwrap();
                assert_eq!(task.wakes(), 1);
                assert_eq!(task.result().unwrap(), 4);
            }
        });
    }
}
