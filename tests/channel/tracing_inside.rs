//! Subscribers that use channels of ours from within an event of the feature `tracing`.
#![cfg(all(feature = "tracing", feature = "futures", feature = "tokio", feature = "rkyv"))]

use futures::{SinkExt, StreamExt};
use overfall::error::{ReadError, ReserveError, TryReadError, TryReserveError, TryWriteError};
use overfall::{
    AfterLast, Backpressure, Channel, Sent, StrongReader, StrongWriter, WeakReader, typed,
};
use overfall_tests::{LIMIT, Task, block_on, counting_waker, overwriting, waiting_writers, within};
use std::cell::{Cell, RefCell};
use std::fmt::{Debug, Write as _};
use std::io::{BufRead, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Far longer than any test takes.
const HOUR: Duration = Duration::from_secs(3600);

/// Gives each event, as a line of text, to what its thread has asked for.
struct Lines;

type Handler = &'static dyn Fn(&str);

thread_local! {
    /// Without a destructor, so that it is there while those of other thread-locals run.
    static HANDLER: Cell<Option<Handler>> = const { Cell::new(None) };
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        struct Done(bool);
        impl Drop for Done {
            fn drop(&mut self) {
                IS_BUSY.set(self.0);
            }
        }
        let Some(handler) = HANDLER.get() else { return };
        let mut line = Line(String::new());
        event.record(&mut line);
        // Events of the program itself are not ours to keep apart.
        let is_ours = event.metadata().target() == "overfall";
        let done = Done(IS_BUSY.get());
        assert!(!(is_ours && IS_BUSY.replace(is_ours)), "{} from within an event", line.0);
        handler(&line.0);
        drop(done);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// From now on each event of this thread is given to `handler`. One subscriber serves the whole process:
/// with those of threads, tracing itself lets no event come from within another.
fn on_each_event(handler: impl Fn(&str) + 'static) {
    static ONE: OnceLock<()> = OnceLock::new();
    ONE.get_or_init(|| tracing::subscriber::set_global_default(Lines).expect("the only one"));
    HANDLER.set(Some(Box::leak(Box::new(handler))));
}

fn listen_no_more() {
    HANDLER.set(None);
}

/// Notes each event, and does `work` from within it.
fn noting(work: impl Fn() + 'static) -> Rc<RefCell<Vec<String>>> {
    let lines = Rc::<RefCell<Vec<String>>>::default();
    let noted = lines.clone();
    on_each_event(move |line| {
        noted.borrow_mut().push(line.to_string());
        work();
    });
    lines
}

/// A ring of four slices that is full, its reader, and a tap that was overrun.
struct Full {
    channel: Arc<Channel>,
    _writer: StrongWriter,
    _reader: StrongReader,
    tap: WeakReader,
}

impl Full {
    fn new(backpressure: Backpressure) -> Self {
        let channel = Channel::with_parameters(256, backpressure);
        let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
        let tap = channel.new_weak_reader();
        for _ in 0..2 {
            while reader.try_read(&mut [0; 256]).is_ok() {}
            while writer.try_send(b"whatever").is_ok() {}
        }
        Self { channel, _writer: writer, _reader: reader, tap }
    }

    fn dropped(&self) -> u64 {
        self.channel.stats().dropped_slices
    }
}

/// What is an event, but for the ends, and how many it is.
const CAUSES: [(&str, usize, fn(&mut Full)); 8] = [
    ("a channel is made", 1, |_| std::mem::forget(Channel::new(64))),
    ("a writer comes", 1, |full| std::mem::forget(full.channel.new_writer())),
    ("a writer comes and goes", 2, |full| drop(full.channel.new_weak_writer())),
    ("a reader comes and goes", 2, |full| drop(full.channel.new_weak_reader())),
    ("a writer turns", 4, |full| drop(full.channel.new_weak_writer().into_strong().into_weak())),
    ("a reader turns", 3, |full| drop(full.channel.new_strong_reader().into_weak())),
    ("a tap has fallen behind", 1, |full| {
        assert!(matches!(full.tap.try_read(&mut [0; 64]), Err(TryReadError::Lagged(_))));
    }),
    ("a silent tap has fallen behind", 1, |full| {
        full.tap.set_silent(true);
        assert_eq!(full.tap.try_recv().unwrap().unwrap().len(), 8);
    }),
];

/// The ways to write one slice, and to wait for room.
const WAYS: [(&str, fn(&Arc<Channel>)); 16] = [
    ("write", |channel| channel.new_weak_writer().blocking().write_all(b"an event").unwrap()),
    ("write of a strong one", |channel| {
        channel.new_writer().blocking().write_all(b"an event").unwrap();
    }),
    ("write_timeout", |channel| {
        let mut writer = channel.new_weak_writer().blocking();
        assert_eq!(writer.write_timeout(b"an event", HOUR).unwrap(), 8);
    }),
    ("blocking send", |channel| {
        channel.new_weak_writer().blocking().send(b"an event").map(drop).unwrap()
    }),
    ("blocking send_timeout", |channel| {
        channel.new_weak_writer().blocking().send_timeout(b"an event", HOUR).unwrap();
    }),
    ("blocking send_many", |channel| {
        channel.new_weak_writer().blocking().send_many(&[b"an event"]).unwrap();
    }),
    ("send", |channel| block_on(channel.new_weak_writer().send(b"an event")).map(drop).unwrap()),
    ("blocking send_or_drop", |channel| {
        channel.new_weak_writer().blocking().send_or_drop(b"an event", HOUR).unwrap();
    }),
    ("send_or_drop", |channel| {
        let forever = std::future::pending::<()>();
        block_on(channel.new_weak_writer().send_or_drop(b"an event", forever)).map(drop).unwrap()
    }),
    ("send_many", |channel| {
        block_on(channel.new_weak_writer().send_many(&[b"an event"])).map(drop).unwrap()
    }),
    ("futures", |channel| {
        let mut writer = channel.new_weak_writer();
        block_on(futures::AsyncWriteExt::write_all(&mut writer, b"an event")).unwrap();
    }),
    ("tokio", |channel| {
        let mut writer = channel.new_weak_writer();
        block_on(tokio::io::AsyncWriteExt::write_all(&mut writer, b"an event")).unwrap();
    }),
    ("sink", |channel| {
        block_on(channel.new_weak_writer().into_sink().send("an event".into())).unwrap();
    }),
    ("fed sink", |channel| {
        block_on(channel.new_weak_writer().into_sink().feed("an event".into())).unwrap();
    }),
    ("typed send", |channel| {
        let mut writer = typed::Writer::<u64, _>::new(channel.new_weak_writer());
        block_on(writer.send(&7)).unwrap();
    }),
    ("blocking typed send", |channel| {
        let mut writer = typed::Writer::<u64, _>::new(channel.new_weak_writer()).blocking();
        writer.send(&7).unwrap();
    }),
];

#[test]
fn a_write_from_within_an_event_into_the_full_ring_is_dropped_and_counted() {
    within(LIMIT, || {
        for backpressure in [Backpressure::Block, Backpressure::Drop] {
            for (way, write) in WAYS {
                for (cause, count, causing) in CAUSES {
                    let mut full = Full::new(backpressure);
                    let channel = full.channel.clone();
                    let lines = noting(move || write(&channel));
                    causing(&mut full);
                    listen_no_more();
                    let lines = lines.take();
                    let drops = lines.iter().filter(|line| line.contains("slices dropped"));
                    // Each event was written, and what was told of drops as well.
                    assert_eq!(lines.len() - drops.count(), count, "{cause}, {way}: {lines:?}");
                    assert_eq!(full.dropped(), lines.len() as u64, "{cause}, {way}: {lines:?}");
                    assert_eq!(waiting_writers(&full.channel), 0);
                }
            }
        }
    });
}

#[test]
fn a_write_from_within_an_event_into_another_full_ring_does_not_wait_either() {
    within(LIMIT, || {
        for (way, write) in WAYS {
            for (cause, count, causing) in CAUSES {
                let (mut told, full) =
                    (Full::new(Backpressure::Block), Full::new(Backpressure::Block));
                let channel = full.channel.clone();
                let lines = noting(move || write(&channel));
                causing(&mut told);
                listen_no_more();
                assert_eq!(lines.borrow().len(), count, "{cause}, {way}: {lines:?}");
                assert_eq!(full.dropped(), count as u64, "{cause}, {way}");
                assert_eq!(told.dropped(), 0, "{cause}, {way}");
            }
        }
    });
}

#[test]
fn what_there_is_room_for_is_written_from_within_an_event() {
    within(LIMIT, || {
        for (way, write) in WAYS {
            let channel = Channel::new(4096);
            let mut reader = channel.new_strong_reader();
            let (to, dropped) = (channel.clone(), channel.new_weak_reader());
            let lines = noting(move || write(&to));
            drop(dropped);
            listen_no_more();
            assert_eq!(lines.borrow().len(), 1, "{way}");
            assert_eq!(reader.try_recv().unwrap().unwrap().len(), 8, "{way}");
            assert_eq!(channel.stats().dropped_slices, 0);
        }
    });
}

#[test]
fn a_long_write_from_within_an_event_is_dropped_whole() {
    within(LIMIT, || {
        let channel = Channel::new(256);
        let mut reader = channel.new_strong_reader();
        let lines = {
            let channel = channel.clone();
            noting(move || {
                let mut writer = channel.new_weak_writer();
                // The first piece of it would find room.
                let refused = writer.try_write(&[7; 257]);
                assert_eq!(refused, Err(TryWriteError::TooLong { len: 257, max: 256 }));
                writer.blocking().write_all(&[7; 257]).unwrap();
            })
        };
        drop(channel.new_weak_reader());
        listen_no_more();
        assert!(lines.take().len() >= 2, "it came, and it went");
        let stats = channel.stats();
        assert_eq!(stats.dropped_bytes, 257 * stats.dropped_slices);
        assert!(stats.dropped_slices >= 2 && stats.slices == 0, "{stats:?}");
        assert!(matches!(reader.try_recv(), Err(TryReadError::Empty)));
    });
}

#[test]
fn a_reservation_from_within_an_event_fails_where_there_is_no_room() {
    within(LIMIT, || {
        let full = Full::new(Backpressure::Block);
        let channel = full.channel.clone();
        let lines = noting(move || {
            let mut writer = channel.new_weak_writer();
            assert_eq!(block_on(writer.reserve(1)).unwrap_err(), ReserveError::Full);
            assert_eq!(block_on(channel.reserve_slice(1)).unwrap_err(), ReserveError::Full);
            let mut writer = writer.blocking();
            assert_eq!(writer.reserve(1).unwrap_err(), ReserveError::Full);
            let now = std::time::Instant::now();
            let error = writer.reserve_deadline(1, now + HOUR).unwrap_err();
            assert_eq!(error, TryReserveError::Full);
        });
        drop(full.channel.new_weak_reader());
        listen_no_more();
        assert_eq!(lines.borrow().len(), 2);
        assert_eq!(full.dropped(), 0, "nobody has given anything to be dropped");
    });
}

#[test]
fn a_read_from_within_an_event_fails_where_there_is_nothing() {
    fn would_block<T: Debug>(result: Result<T, impl Into<std::io::Error>>) {
        assert_eq!(result.map_err(Into::into).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    const READS: [fn(&Arc<Channel>); 14] = [
        |channel| would_block(channel.new_strong_reader().blocking().read(&mut [0; 9])),
        |channel| would_block(channel.new_weak_reader().blocking().read(&mut [0; 9])),
        |channel| would_block(channel.new_weak_reader().blocking().read_timeout(&mut [0; 9], HOUR)),
        |channel| would_block(channel.new_strong_reader().blocking().fill_buf()),
        |channel| would_block(channel.new_strong_reader().blocking().recv()),
        |channel| would_block(channel.new_weak_reader().blocking().recv_timeout(HOUR)),
        |channel| would_block(channel.new_weak_reader().blocking().recv_many(7)),
        |channel| {
            let mut reader = channel.new_strong_reader();
            assert_eq!(block_on(reader.recv()).unwrap_err(), ReadError::Empty);
            assert_eq!(block_on(reader.recv_into(&mut vec![])).unwrap_err(), ReadError::Empty);
        },
        |channel| {
            let mut reader = channel.new_weak_reader();
            assert_eq!(block_on(reader.recv_many(7)).unwrap_err(), ReadError::Empty);
        },
        |channel| {
            let mut stream = channel.new_weak_reader().into_stream();
            assert!(matches!(block_on(stream.next()), Some(Err(ReadError::Empty))));
            assert!(matches!(block_on(stream.next()), Some(Err(ReadError::Empty))), "no end");
        },
        |channel| {
            let mut reader = channel.new_strong_reader();
            would_block(block_on(futures::AsyncReadExt::read(&mut reader, &mut [0; 9])));
            would_block(block_on(futures::AsyncBufReadExt::fill_buf(&mut reader)));
        },
        |channel| {
            let mut reader = channel.new_weak_reader();
            would_block(block_on(tokio::io::AsyncReadExt::read(&mut reader, &mut [0; 9])));
        },
        |channel| {
            let mut reader = typed::Reader::<u64, _>::new(channel.new_strong_reader());
            assert!(matches!(block_on(reader.recv()), Err(typed::RecvError::Empty)));
        },
        |channel| {
            let mut reader = typed::Reader::<u64, _>::new(channel.new_weak_reader()).blocking();
            would_block(reader.recv());
        },
    ];
    within(LIMIT, || {
        for read in READS {
            let channel = overwriting(64);
            let to_read = channel.clone();
            let lines = noting(move || read(&to_read));
            drop(channel.new_writer());
            listen_no_more();
            assert_eq!(lines.borrow().len(), 2);
        }
    });
}

#[test]
fn a_writer_for_each_event_of_every_kind_makes_no_more_events() {
    within(LIMIT, || {
        let log = overwriting(64 * 1024);
        let mut reader = log.new_strong_reader();
        let to = log.clone();
        on_each_event(move |line| {
            to.new_weak_writer().blocking().write_all(line.as_bytes()).unwrap()
        });
        let heard = |reader: &mut StrongReader| {
            let mut lines = Vec::new();
            while let Ok(Some(line)) = reader.try_recv() {
                let line = String::from_utf8(line.to_vec()).unwrap();
                lines.push(line.split(" channel=").next().unwrap().to_string());
            }
            lines
        };
        let channel = Channel::with_parameters(64, Backpressure::Drop);
        let (mut writer, recorder) =
            (channel.new_strong_writer().blocking(), channel.new_strong_reader());
        let mut tap = channel.new_weak_reader();
        assert_eq!(
            heard(&mut reader),
            ["channel made", "endpoint came", "endpoint came", "endpoint came"]
        );
        (0..2).for_each(|_| writer.send(b"something").map(drop).unwrap());
        assert_eq!(heard(&mut reader), ["slices dropped"]);
        let tapping = recorder.into_weak();
        assert_eq!(heard(&mut reader), ["endpoint turned"]);
        writer.write_all(b"something").unwrap();
        assert!(tap.try_read(&mut [0; 64]).is_err());
        assert_eq!(heard(&mut reader), ["weak reader overrun"]);
        channel.drain().unwrap();
        channel.terminate();
        assert_eq!(heard(&mut reader), ["channel ended", "channel ended"]);
        drop((writer, tap, tapping));
        assert_eq!(heard(&mut reader), ["endpoint went"; 3]);

        // An event of the program: now what makes the writer is told, once.
        tracing::info!("hello");
        let lines = heard(&mut reader);
        assert_eq!(lines, ["endpoint came", "hello", "endpoint went"]);
    });
}

#[test]
fn events_of_ends_and_of_the_last_endpoints_do_not_wait() {
    within(LIMIT, || {
        // The subscriber keeps a writer, as one behind a mutex does.
        let ends: [(&str, usize, fn(Full)); 4] = [
            ("drained", 1, |full| {
                full.channel.drain().unwrap();
                listen_no_more();
            }),
            ("terminated", 1, |full| {
                full.channel.terminate();
                listen_no_more();
            }),
            ("the last handle", 3, |full| {
                let Full { channel, _writer, _reader, tap } = full;
                drop((_reader, tap));
                drop(channel);
                listen_no_more();
            }),
            ("all of them", 4, |full| {
                drop(full);
                listen_no_more();
            }),
        ];
        for (end, count, ending) in ends {
            let full = Full::new(Backpressure::Block);
            let writer = RefCell::new(full.channel.new_weak_writer().blocking());
            let lines = noting(move || {
                // Closed, or dropped, or there is room by now.
                let _ = writer.borrow_mut().write_all(b"an event");
            });
            ending(full);
            let lines = lines.take();
            let drops = lines.iter().filter(|line| line.contains("slices dropped")).count();
            assert_eq!(lines.len() - drops, count, "{end}: {lines:?}");
        }
    });
}

#[test]
fn a_look_of_a_silent_tap_comes_to_an_end_though_its_event_overruns_it_again() {
    within(LIMIT, || {
        let channel = Channel::new(64);
        let (mut writer, mut tap) = (channel.new_writer(), channel.new_weak_reader());
        tap.set_silent(true);
        let events = Rc::new(Cell::new(0));
        let (counted, mut log) = (events.clone(), channel.new_weak_writer().blocking());
        let log = RefCell::new(move || (0..3).for_each(|_| log.write_all(b"an event").unwrap()));
        (0..3).for_each(|_| writer.try_send(b"whatever").unwrap());
        on_each_event(move |_| {
            counted.set(counted.get() + 1);
            log.borrow_mut()();
        });
        assert_eq!(tap.try_read(&mut [0; 9]), Ok(8));
        assert_eq!(events.get(), 1);
        assert_eq!(tap.try_recv().unwrap().unwrap().len(), 8);
        assert_eq!(tap.try_recv_into(&mut vec![]).unwrap().unwrap().len, 8);
        assert_eq!(tap.try_recv_many(9).unwrap().unwrap().len(), 1);
        assert_eq!(events.get(), 4);
        assert_eq!(tap.stats().gaps, 4);
        listen_no_more();
    });
}

#[test]
fn what_was_dropped_within_an_event_is_told_behind_it() {
    within(LIMIT, || {
        let full = Full::new(Backpressure::Block);
        let to = full.channel.clone();
        // Five slices each time: they are not told one by one, nor for ever.
        let lines = noting(move || {
            (0..5).for_each(|_| to.new_weak_writer().blocking().write_all(b"event").unwrap());
        });
        drop(full.channel.new_weak_writer());
        listen_no_more();
        let lines = lines.take();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[1].contains("slices dropped"), "{lines:?}");
        assert!(lines[1].contains("slices=5 bytes=25"), "{lines:?}");
        assert!(lines[3].contains("slices=15 bytes=75"), "{lines:?}");
        assert_eq!(full.dropped(), 20);
    });
}

#[test]
fn what_was_dropped_in_another_channel_is_told_with_its_next_event() {
    within(LIMIT, || {
        let told = Channel::builder().size(64).name("told").build().unwrap();
        let full = Full::new(Backpressure::Block);
        let to = full.channel.clone();
        let lines = noting(move || to.new_weak_writer().blocking().write_all(b"event").unwrap());
        drop(told.new_weak_writer());
        assert_eq!(lines.take().len(), 2);
        drop(full.channel.new_weak_writer());
        listen_no_more();
        let lines = lines.take();
        assert!(lines[1].contains("slices dropped"), "{lines:?}");
        assert!(lines[1].contains("slices=3 "), "{lines:?}");
    });
}

#[test]
fn after_an_event_writes_and_reads_wait_again() {
    within(LIMIT, || {
        let soon = Duration::from_millis(1);
        let full = Full::new(Backpressure::Block);
        let mut writer = full.channel.new_weak_writer().blocking();
        on_each_event(|_| panic_any("the subscriber panics"));
        let channel = full.channel.clone();
        catch_unwind(AssertUnwindSafe(|| channel.new_weak_writer())).unwrap_err();
        listen_no_more();
        assert_eq!(writer.write_timeout(b"late", soon).unwrap_err().kind(), ErrorKind::TimedOut);
        let mut future = Task::parked(writer.get_mut().send(b"late"));
        assert!(future.poll().is_pending());
        drop(future);
        assert_eq!(full.dropped(), 0);
        let mut reader = Channel::new(64).new_weak_reader().blocking();
        assert!(reader.read_timeout(&mut [0; 9], soon).is_ok_and(|read| read == 0), "it has ended");
        let channel = Channel::new(64);
        let mut reader = channel.new_weak_reader().blocking();
        let error = reader.read_timeout(&mut [0; 9], soon).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn who_waits_already_and_is_asked_from_within_an_event_gives_up_its_place() {
    within(LIMIT, || {
        let full = Full::new(Backpressure::Block);
        let empty = Channel::new(64);
        let writer = Box::leak(Box::new(full.channel.new_weak_writer()));
        let reader = Box::leak(Box::new(empty.new_weak_reader()));
        let write = RefCell::new(Task::parked(async { writer.send(b"an event").await }));
        let read = RefCell::new(Task::parked(async { reader.recv().await.map(|_| ()) }));
        assert_eq!(waiting_writers(&full.channel), 1);
        let waiting = full.channel.clone();
        let done = Rc::new(Cell::new(false));
        let is_done = done.clone();
        on_each_event(move |_| {
            if !is_done.replace(true) {
                let (_, waker) = counting_waker();
                assert!(matches!(
                    write.borrow_mut().poll_with(&waker),
                    std::task::Poll::Ready(Ok(Sent::Dropped))
                ));
                assert_eq!(waiting_writers(&waiting), 0);
                let read = read.borrow_mut().poll_with(&waker);
                assert!(matches!(read, std::task::Poll::Ready(Err(ReadError::Empty))));
            }
        });
        drop(full.channel.new_weak_writer());
        listen_no_more();
        assert!(done.get());
        assert_eq!(full.dropped(), 1);
    });
}

#[test]
fn a_spent_budget_of_tokio_does_not_hold_an_event_up() {
    within(LIMIT, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = Channel::new(64 * 1024);
            let (to, full) = (log.clone(), Full::new(Backpressure::Block));
            let other = full.channel.clone();
            let lines = noting(move || {
                let mut writer = to.new_weak_writer();
                // Far more than a task may do at once.
                for _ in 0..300 {
                    block_on(writer.send(b"1")).unwrap();
                }
                block_on(tokio::io::AsyncWriteExt::write_all(&mut writer, b"2")).unwrap();
                block_on(other.new_weak_writer().send(b"3")).unwrap();
            });
            drop(log.new_weak_reader());
            listen_no_more();
            assert_eq!(lines.borrow().len(), 2);
            assert_eq!(log.stats().slices, 602);
            assert_eq!(full.dropped(), 2);
        });
    });
}

#[test]
fn endpoints_that_a_subscriber_makes_keeps_and_drops_are_not_told() {
    within(LIMIT, || {
        let channel = Channel::new(1024);
        let kept = RefCell::new(vec![channel.new_writer()]);
        let to = channel.clone();
        let lines = noting(move || {
            let mut kept = kept.borrow_mut();
            kept.push(to.new_writer());
            drop(kept.remove(0));
            drop(to.new_strong_reader().into_weak());
            drop(Channel::new(64));
        });
        drop(channel.new_weak_reader());
        listen_no_more();
        assert_eq!(lines.borrow().len(), 2);
        assert_eq!(channel.stats().strong_writers, 1);
    });
}

#[test]
fn threads_that_exit_with_endpoints_in_thread_locals_do_not_wait() {
    thread_local! {
        static KEPT: RefCell<Option<(StrongWriter, WeakReader, StrongReader)>> =
            const { RefCell::new(None) };
    }
    within(LIMIT, || {
        let full = Full::new(Backpressure::Block);
        let told = Arc::new(AtomicUsize::new(0));
        let (channel, counted) = (full.channel.clone(), told.clone());
        let thread = thread::spawn(move || {
            let to = channel.clone();
            on_each_event(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                to.new_weak_writer().blocking().write_all(b"an event").unwrap();
            });
            let (writer, tap) = (channel.new_strong_writer(), channel.new_weak_reader());
            KEPT.set(Some((writer, tap, channel.new_strong_reader())));
        });
        thread.join().unwrap();
        let stats = full.channel.stats();
        let told = told.load(Ordering::Relaxed);
        assert!(told >= 6, "each came and went");
        assert_eq!(stats.dropped_slices, told as u64);
        assert_eq!((stats.strong_writers, stats.weak_readers, stats.strong_readers), (1, 1, 1));
    });
}

/// Listens, and panics in events that have `part` in them.
fn panicking(part: &'static str) {
    on_each_event(move |line| {
        if line.contains(part) {
            panic_any("the subscriber panics");
        }
    });
}

#[test]
fn a_subscriber_that_panics_leaves_the_counts_right() {
    within(LIMIT, || {
        let builder = Channel::builder().size(256).fail_on_panic(false);
        let builder = builder.after_last_strong_reader(AfterLast::Overwrite);
        let channel = builder.build().unwrap();
        let counts = || {
            let stats = channel.stats();
            let readers = [stats.strong_readers, stats.weak_readers, stats.readers.len()];
            (stats.strong_writers, stats.weak_writers, readers)
        };
        let panics = |part: &'static str, work: &mut dyn FnMut()| {
            panicking(part);
            let panic = catch_unwind(AssertUnwindSafe(work));
            listen_no_more();
            assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the subscriber panics"), "{part}");
        };
        let none = (0, 0, [0, 0, 0]);
        let came = "endpoint came";
        panics(came, &mut || drop(channel.new_strong_writer()));
        panics(came, &mut || drop(channel.new_weak_writer()));
        panics(came, &mut || drop(channel.new_strong_reader()));
        panics(came, &mut || drop(channel.new_weak_reader()));
        assert_eq!(counts(), none);

        let went = "endpoint went";
        panics(went, &mut || drop(channel.new_strong_writer()));
        panics(went, &mut || drop(channel.new_weak_writer()));
        panics(went, &mut || drop(channel.new_strong_reader()));
        panics(went, &mut || drop(channel.new_weak_reader()));
        assert_eq!(counts(), none);

        let turned = "endpoint turned";
        panics(turned, &mut || drop(channel.new_strong_writer().into_weak()));
        panics(turned, &mut || drop(channel.new_weak_writer().into_strong()));
        panics(turned, &mut || drop(channel.new_strong_reader().into_weak()));
        panics(turned, &mut || drop(channel.new_weak_reader().into_strong()));
        panics(turned, &mut || channel.new_strong_writer().shut_down());
        panics(turned, &mut || channel.new_strong_writer().terminate());
        panics(went, &mut || channel.new_strong_reader().terminate());
        assert_eq!(counts(), none);

        // The clones of one that has come to its end.
        let mut reader = channel.new_weak_reader();
        reader.terminate();
        panics(came, &mut || drop(reader.clone()));
        panics(went, &mut || drop(reader.clone()));
        drop(reader);
        assert_eq!(counts(), none);

        // Nobody holds the writers up, and slots are used again.
        let mut writer = channel.new_writer();
        for _ in 0..100 {
            writer.try_send(&[7; 200]).unwrap();
        }
    });
}

#[test]
fn a_subscriber_that_panics_at_a_gap_or_a_drop_leaves_it_counted() {
    within(LIMIT, || {
        let mut full = Full::new(Backpressure::Drop);
        panicking("weak reader overrun");
        catch_unwind(AssertUnwindSafe(|| full.tap.try_read(&mut [0; 64]))).unwrap_err();
        listen_no_more();
        assert_eq!((full.tap.stats().gaps, full.tap.stats().skipped_ring_bytes), (1, 256));
        // That read could not tell it: the next one does.
        let told = full.tap.try_read(&mut [0; 64]);
        assert!(
            matches!(told, Err(TryReadError::Lagged(gap)) if gap.ring_bytes == 256),
            "{told:?}"
        );
        assert_eq!(full.tap.try_read(&mut [0; 64]), Ok(32));
        assert_eq!(full.channel.stats().skipped_ring_bytes, 256);

        let mut writer = full.channel.new_weak_writer();
        panicking("slices dropped");
        let send = |writer: &mut _| {
            block_on(overfall::WeakWriter::send_many(writer, &[b"one", b"and", b"all"])).unwrap();
        };
        catch_unwind(AssertUnwindSafe(|| send(&mut writer))).unwrap_err();
        listen_no_more();
        assert_eq!((writer.stats().dropped_slices, writer.stats().dropped_bytes), (3, 9));
        send(&mut writer);
        assert_eq!(full.dropped(), 6);
    });
}

#[test]
fn a_subscriber_that_panics_at_the_end_keeps_nobody_from_waking() {
    within(LIMIT, || {
        let ends: [fn(&Channel); 2] = [|channel| channel.drain().unwrap(), Channel::terminate];
        for end in ends {
            let full = Full::new(Backpressure::Block);
            let (mut late, mut reader) =
                (full.channel.new_writer(), full.channel.new_weak_reader());
            while reader.try_read(&mut [0; 256]).is_ok() {}
            let mut tasks = [
                Task::parked(async { assert!(late.send(b"late").await.is_err()) }),
                Task::parked(async { drop(reader.recv().await) }),
                Task::parked(full.channel.closed()),
            ];
            panicking("channel ended");
            catch_unwind(AssertUnwindSafe(|| end(&full.channel))).unwrap_err();
            listen_no_more();
            for task in &mut tasks {
                assert_eq!(task.wakes(), 1);
                assert!(task.poll().is_ready());
            }
        }
    });
}

#[test]
fn a_subscriber_that_panics_while_the_thread_unwinds_does_not_end_the_process() {
    within(LIMIT, || {
        let full = Full::new(Backpressure::Block);
        let channel = full.channel.clone();
        panicking("");
        let panic = catch_unwind(AssertUnwindSafe(|| {
            // Each of them goes, and the channel ends.
            let _dropped_by_the_panic = full;
            panic_any("the first panic");
        }));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the first panic"));
        listen_no_more();
        let stats = channel.stats();
        assert_eq!((stats.strong_writers, stats.strong_readers, stats.weak_readers), (0, 0, 0));
    });
}
