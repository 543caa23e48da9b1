use super::*;
use crate::channel::reader::{Read, StrongReader, WeakReader};
use crate::channel::terms::StartAt;
use crate::channel::waiting::{Closed, Waiting};
use crate::channel::writer::HasCore;
use crate::channel::writer::StrongWriter;
use crate::error::TrySendError;
use crate::sync::asymmetric::{has_heavy_fences, prepare};
use crate::sync::pause;
use crate::wait::line::Never;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

#[test]
fn numbers_of_writers_start_over_and_are_nobody_elses() {
    let shared =
        Shared::new(Geometry::new(64), Position::new(0), Backpressure::Block, Abilities::NONE)
            .unwrap();
    let (first, id) = shared.add_writer(Some(Strength::Strong));
    assert_eq!(id, 1);
    let (_second, id) = shared.add_writer(Some(Strength::Weak));
    assert_eq!(id, 2);
    shared.remove_writer(&first, 1, Some(Strength::Strong));
    shared.writer_ids.store(u64::from(u32::MAX) - 1, Ordering::Relaxed);
    let mut ids = Vec::new();
    for _ in 0..3 {
        assert_eq!(shared.first_newer_writer(), [u32::MAX, 0, 2][ids.len()]);
        let (_seat, id) = shared.add_writer(Some(Strength::Strong));
        ids.push(id);
    }
    // 0 is nobody's, 1 has gone, 2 is there still.
    assert_eq!(ids, [u32::MAX, 1, 3]);
    let (_seat, of_handle) = shared.add_writer(None);
    assert_eq!(of_handle, 0);
}

/// Counts how many times it was woken.
#[derive(Default)]
struct Wakes(AtomicU32);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Does `work` on a full ring of two granules while another thread, so to say, has the locks of
/// both lines; a writer waits for room, and somebody for the end. Tells how often they were woken.
fn with_both_locked(work: impl FnOnce(&mut StrongWriter, &mut StrongReader)) -> [u32; 2] {
    let geometry = Geometry::new(128);
    let shared =
        Shared::new(geometry, Position::new(0), Backpressure::Block, Abilities::NONE).unwrap();
    let shared = Arc::new(shared);
    let mut reader = StrongReader::new(&shared, StartAt::Oldest);
    let [mut waiting, mut writer] = [(); 2].map(|()| StrongWriter::new(&shared));
    (0..2).for_each(|_| writer.try_send(&[1; 64]).unwrap());
    let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
    let wakers = wakes.clone().map(Waker::from);
    let [mut of_room, mut of_end] = [&wakers[0], &wakers[1]].map(Context::from_waker);
    let mut send = std::pin::pin!(waiting.send(&[2; 64]));
    assert!(send.as_mut().poll(&mut of_room).is_pending());
    let mut closed = std::pin::pin!(Waiting::new(&shared, Closed));
    assert!(closed.as_mut().poll(&mut of_end).is_pending());
    shared.room.while_locked(&shared.ring, || {
        shared.closing.while_locked(&Never, || work(&mut writer, &mut reader));
        assert_eq!(wakes[0].0.load(Ordering::Relaxed), 0);
    });
    wakes.map(|wakes| wakes.0.load(Ordering::Relaxed))
}

#[test]
fn what_wakes_writers_does_not_wait_for_who_has_the_lock_of_the_line() {
    let woken = with_both_locked(|writer, reader| {
        assert_eq!(writer.try_send(b"full"), Err(TrySendError::Full));
        assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
    });
    assert_eq!(woken, [1, 0]);
}

#[test]
fn a_line_whose_lock_is_never_let_go_keeps_nobody_out_who_does_not_wait() {
    with_both_locked(|writer, reader| {
        // A fork has left it behind. What the line claims is left to it for a while.
        assert_eq!(reader.try_read(&mut [0; 128]), Ok(128));
        assert!((0..5000).any(|_| writer.try_send(&[3; 128]).is_ok()));
        assert_eq!(reader.try_read(&mut [0; 128]), Ok(128));
        let mut another = writer.clone();
        assert_eq!(another.try_send(&[3; 128]), Ok(()));
    });
}

#[test]
fn an_end_does_not_wait_for_who_has_the_lock_of_the_line() {
    for ending in [Ending::Drained, Ending::Terminated] {
        let woken = with_both_locked(|writer, _reader| writer.writer_core().shared().end(ending));
        assert_eq!(woken, [1, 1]);
    }
}

fn channel(size: u64, abilities: Abilities) -> Arc<Shared> {
    let start = Position::new(0);
    Arc::new(Shared::new(Geometry::new(size), start, Backpressure::Block, abilities).unwrap())
}

fn waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), Waker::from(wakes))
}

#[test]
fn a_writer_comes_to_room_that_was_given_back_while_clones_were_made() {
    let shared = channel(1024, Abilities::NONE);
    let holds_all = StrongReader::new(&shared, StartAt::Oldest);
    let mut writer = StrongWriter::new(&shared);
    while writer.try_send(&[1; 64]).is_ok() {}
    let original = StrongReader::new(&shared, StartAt::Now);
    let (wakes, waker) = waker();
    let mut send = std::pin::pin!(writer.send(&[2; 64]));
    assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // Who gives it back never gets as far as to see it.
    let clones = Rc::new(RefCell::new(vec![original]));
    let others = clones.clone();
    let clone = move || {
        let another = others.borrow()[0].clone();
        others.borrow_mut().push(another);
    };
    pause::each(clone, || drop(holds_all));
    assert!(clones.borrow().len() > 2);
    assert!(shared.ring.has_room_for(1024, 0));
    assert!(wakes.0.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_writer_that_is_stopped_while_it_ends_the_watch_keeps_nobody_asleep() {
    prepare();
    if !has_heavy_fences() {
        return;
    }
    let shared = channel(1 << 16, Abilities { sections: false, ..Abilities::ALL });
    // A reader goes to sleep, and another writer commits, at any two points of it.
    let points = Rc::new(Cell::new(0));
    let count = points.clone();
    pause::each(move || count.set(count.get() + 1), || shared.end_watch());
    assert!(points.get() > 2);
    for sleeps_at in 0..points.get() {
        for commits_at in sleeps_at..points.get() {
            let shared = channel(1 << 16, Abilities { sections: false, ..Abilities::ALL });
            let mut reader = StrongReader::new(&shared, StartAt::Oldest);
            let mut other = StrongWriter::new(&shared);
            let (wakes, waker) = waker();
            let (woken, mut point) = (wakes.clone(), 0);
            let work = move || {
                if point == sleeps_at {
                    let mut context = Context::from_waker(&waker);
                    let read = Read::poll_read(&mut reader, &mut context, &mut [0; 64]);
                    assert!(read.is_pending());
                }
                if point == commits_at {
                    other.try_send(b"there").unwrap();
                    assert_eq!(woken.0.load(Ordering::Relaxed), 1, "{sleeps_at} {commits_at}");
                }
                point += 1;
            };
            pause::each(work, || shared.end_watch());
        }
    }
}

#[test]
fn of_a_writer_whose_number_another_one_had_nothing_is_missed_that_was_not_sent() {
    let shared = channel(1024, Abilities::NONE);
    let mut reader = StrongReader::new(&shared, StartAt::Oldest);
    let mut first = StrongWriter::new(&shared);
    (0..3).for_each(|_| first.try_send(&[1; 10]).unwrap());
    (0..3).for_each(|_| drop(reader.try_recv().unwrap().unwrap()));
    drop(first);
    shared.writer_ids.store(u64::from(u32::MAX) + 1, Ordering::Relaxed);
    let mut again = StrongWriter::new(&shared);
    assert_eq!(again.id(), 1);
    for _ in 0..2 {
        again.try_send(b"one").unwrap();
        assert!(reader.try_recv().unwrap().unwrap().header().missed.is_none());
    }
    assert!(reader.missed().is_none());
}

#[test]
fn writers_come_and_go_however_long_a_named_one_has_been_gone() {
    for granules in [1, 1 << 4, 1 << 20, 1 << 57, 1 << 58, 1 << 59, 1 << 60] {
        let shared = channel(1024, Abilities::NONE);
        let mut named = StrongWriter::new(&shared);
        named.set_name("named");
        named.try_send(b"one").unwrap();
        let id = named.id();
        drop(named);
        let reader = StrongReader::new(&shared, StartAt::Now);
        assert_eq!(reader.writer_name(id).as_deref(), Some("named"));
        drop(reader.into_weak());
        shared.ring.leap(granules);
        drop(StrongWriter::new(&shared));
        let is_known = shared.writer_name(id).is_some();
        assert_eq!(is_known, granules < 15, "{granules} granules on");
        assert_eq!(shared.stats().strong_writers, 0);
    }
}

#[test]
fn figures_of_readers_that_idled_for_long_add_up() {
    let shared = channel(1024, Abilities::NONE);
    let mut writer = StrongWriter::new(&shared);
    let mut readers: Vec<_> = (0..3).map(|_| WeakReader::new(&shared, StartAt::Now)).collect();
    writer.try_send(b"one").unwrap();
    shared.ring.leap((1 << 57) - 1);
    let core = writer.writer_core();
    let _given_up = core.try_reserve(1024).unwrap();
    core.abort();
    for reader in &mut readers {
        assert!(reader.try_recv().is_err());
    }
    let stats = shared.stats();
    assert!(stats.readers.iter().all(|reader| reader.skipped_ring_bytes > 1 << 62));
    drop(readers);
    assert_eq!(shared.stats().weak_readers, 0);
}

/// Weak readers that are alone may be right ahead of the writer, which must not take their lines.
#[test]
fn writers_ask_for_lines_ahead_while_there_are_strong_readers_however_these_come_and_go() {
    let shared = channel(1024, Abilities::NONE);
    let _writer = StrongWriter::new(&shared);
    let asks = || shared.ring.asks_ahead();
    let weak = WeakReader::new(&shared, StartAt::Oldest);
    assert!(!asks(), "a weak one is alone");
    let strong = weak.into_strong().unwrap();
    assert!(asks(), "it was turned");
    let clone = strong.clone();
    drop(strong);
    assert!(asks(), "its clone is there");
    let weak = clone.into_weak();
    assert!(!asks(), "it was turned back");
    let strong = StrongReader::new(&shared, StartAt::Oldest);
    assert!(asks(), "one came");
    drop(strong);
    assert!(!asks(), "it has gone");
    let strong = StrongReader::new(&shared, StartAt::Oldest);
    assert!(shared.take_hold(strong.stats().id, false).is_some());
    assert!(!asks(), "its hold was taken");
    drop((strong, weak));
}
