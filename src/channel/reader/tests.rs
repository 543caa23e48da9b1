//! Readers that are made, cloned and turned, and stopped at each of their steps, while others go on by
//! several rings of slices that they give up, and write.

use super::{Receive, StrongReader, WeakReader};
use crate::channel::reader::Reader;
use crate::channel::shared::Shared;
use crate::channel::terms::Backpressure;
use crate::channel::terms::StartAt;
use crate::channel::writer::{HasCore, StrongWriter};
use crate::ring::position::{Geometry, Position};
use crate::sync::asymmetric::Abilities;
use crate::sync::pause;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

const CAPACITY: u64 = 1024;

fn shared(start: u64) -> Arc<Shared> {
    let (geometry, start) = (Geometry::new(CAPACITY), Position::labelled(start));
    Arc::new(Shared::new(geometry, start, Backpressure::Block, Abilities::NONE).unwrap())
}

/// Gives up several rings, writes a message, and gives up what there is room for.
fn go_on(shared: &Arc<Shared>, writer: &mut StrongWriter) {
    for _ in 0..5 * CAPACITY / 256 {
        let _given_up = writer.writer_core().try_reserve(256).map(|_| writer.writer_core().abort());
    }
    let _sent = writer.try_send(b"meanwhile");
    while writer.writer_core().try_reserve(64).is_ok() {
        writer.writer_core().abort();
        if shared.ring.reserved().granule() % 7 == 0 {
            break;
        }
    }
}

/// The messages that are there, and no more.
fn receive_all(reader: &mut impl Receive) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Ok(true) = reader.take() {
        all.push(reader.message().to_vec());
    }
    all
}

/// Makes a reader, stopped at each of the steps that this takes, and checks that it goes on from there.
fn at_every_step(make: impl Fn(&Arc<Shared>) -> Reader) {
    // With nothing that a hold would keep, and with what makes the end of a lap come near.
    for (start, messages) in [(0, 0), (0, 9), ((1 << 63) - 2048, 0), ((1 << 63) - 2048, 9)] {
        for nth in 0.. {
            let shared = shared(start);
            let mut writer = StrongWriter::new(&shared);
            (0..messages).for_each(|_| writer.try_send(&[7; 64]).unwrap());
            // It is there before: endpoints come and go one after the other, behind a lock.
            let another = Rc::new(RefCell::new(StrongWriter::new(&shared)));
            let (others, kept) = (shared.clone(), another.clone());
            let work = move || go_on(&others, &mut another.borrow_mut());
            let (mut reader, was_stopped) = pause::at(nth, work, || make(&shared));
            drop(kept);
            while let Reader::Weak(weak) = &mut reader {
                // Gaps are told.
                let told = weak.try_recv();
                if matches!(told, Ok(None) | Err(crate::error::TryReadError::Empty)) {
                    break;
                }
            }
            // What came before may be there or not; what comes now is.
            if let Reader::Strong(strong) = &mut reader {
                receive_all(strong);
            }
            writer.try_send(b"at last").unwrap();
            let last = match &mut reader {
                Reader::Strong(reader) => receive_all(reader),
                Reader::Weak(reader) => receive_all(reader),
            };
            assert_eq!(last, [b"at last"], "step {nth}");
            if !was_stopped {
                break;
            }
        }
    }
}

#[test]
fn a_strong_reader_that_is_made_goes_on_from_where_it_starts() {
    for from in [StartAt::Oldest, StartAt::Now, StartAt::Back(100), StartAt::Back(0)] {
        at_every_step(|shared| StrongReader::new(shared, from).into());
    }
}

#[test]
fn a_weak_reader_that_is_made_goes_on_from_where_it_starts() {
    for from in [StartAt::Oldest, StartAt::Now, StartAt::Back(100), StartAt::Back(0)] {
        at_every_step(|shared| WeakReader::new(shared, from).into());
    }
}

#[test]
fn a_reader_that_is_turned_goes_on_from_where_it_stands() {
    at_every_step(|shared| {
        // Only the turn is to be stopped: the reader is made before anything else is there to do.
        let weak = WeakReader::new(shared, StartAt::Now);
        match weak.into_strong() {
            Ok(strong) => strong.into(),
            Err(error) => error.reader.into(),
        }
    });
    at_every_step(|shared| StrongReader::new(shared, StartAt::Now).into_weak().into());
}

#[test]
fn a_clone_that_is_made_goes_on_from_where_its_original_stands() {
    at_every_step(|shared| {
        let original = StrongReader::new(shared, StartAt::Now);
        original.clone().into()
    });
}

/// A late reader is made, from a place that a hold of its own keeps, while a writer moves the gate: each is stopped at
/// any of its steps while the other one goes on. Who joins behind the announcement of a move that the hold keeps from
/// being made begins after what the hold keeps, for as long as it keeps that.
#[test]
#[cfg(feature = "process")]
fn a_late_reader_is_made_whatever_move_of_the_gate_was_announced() {
    use std::sync::mpsc::channel;
    use std::thread;
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

    for step in 0..2 * 12 * 24 {
        let (is_of_last, step) = (step % 2 == 1, step / 2);
        let make = move |history: &WeakReader| match is_of_last {
            true => history.strong_of_last(1000),
            false => history.strong_beside(),
        };
        let shared = shared(0);
        let history = WeakReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        (0..40).for_each(|_| writer.try_send(&[1; 64]).unwrap());
        let ((stop, stopped), (go, goes_on)) = (channel(), channel::<()>());
        let ((done, is_done), (tell, told)) = (channel(), channel());
        thread::spawn(move || {
            let wait = move || {
                stop.send(()).unwrap();
                let _the_other_has_no_such_step = goes_on.recv_timeout(LIMIT);
            };
            let sent = pause::at(step / 24, wait, || writer.try_send(&[2; 64])).0;
            done.send(40 + u64::from(sent.is_ok())).unwrap();
        });
        let _no_such_step = stopped.recv_timeout(LIMIT);
        let (sent, ended) = channel();
        thread::spawn(move || {
            let let_it_end = move || {
                let _has_ended = go.send(());
                sent.send(is_done.recv_timeout(LIMIT).unwrap()).unwrap();
            };
            tell.send(pause::at(step % 24, let_it_end, || make(&history)).0).unwrap();
        });
        let mut late = told.recv_timeout(LIMIT).expect("it is made");
        // If the reader has no such step, the writer was let go on behind it.
        let Ok(sent) = ended.recv_timeout(LIMIT) else { continue };
        let missed = late.missed().bytes;
        let received =
            receive_all(&mut late).iter().map(|message| message.len() as u64).sum::<u64>();
        // If there is less than was asked for, it starts with what is kept.
        let is_all = missed + received == 64 * sent;
        // Behind the last bytes a message may have come.
        let is_last = is_of_last && matches!(received, 1000 | 1064);
        assert!(
            is_all || is_last,
            "step {step}: {received} bytes of {sent} messages, {missed} missed"
        );
    }
}
