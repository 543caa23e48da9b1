//! Figure 8: what endpoints cost that do nothing.

use super::{Cell, Session, Sheet};
use crate::contestants::ours::Polled;
use crate::cores;
use crate::pair::Cores;
use crate::report::{self, Table, Target};
use crate::rounds::{Here, PassOn, RING, Rounds};
use overfall::{Channel, StartAt, StrongReader, StrongWriter, WeakReader, WeakWriter};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

const SIZES: [usize; 2] = [64, 1024];
/// How many messages go by between two times that readers are parked.
const BATCH: u64 = 10_000;
const ABOUT: &str = "One thread writes a message and reads it, on a channel that has idle endpoints \
besides, against one that has none: ours against ours. The parked readers each have a waker \
registered; what they are parked for is the next write, which wakes them all, and then they are not \
parked any more. So they are parked anew, untimed, before every batch of 10 000 messages; that the \
first write of each wakes a thousand is in the figure.";

pub(super) fn run(session: &Session) -> Table {
    let title = "Idle endpoints";
    cores::pinned(|| {
        let mut sheet = Sheet::new(session, Cores::One, "idle", title, ABOUT);
        for size in session.sizes(&SIZES) {
            row(&mut sheet, size, "1000 weak writers", |channel| {
                Idle::WeakWriters((0..1000).map(|_| channel.new_weak_writer()).collect())
            });
            row(&mut sheet, size, "1000 parked weak readers", |channel| {
                Idle::ParkedReaders((0..1000).map(|_| channel.new_weak_reader()).collect())
            });
            row(&mut sheet, size, "100 strong writers", |channel| {
                Idle::StrongWriters((0..100).map(|_| channel.new_strong_writer()).collect())
            });
        }
        sheet.table
    })
}

fn row(sheet: &mut Sheet<'_>, size: usize, name: &'static str, idle: fn(&Channel) -> Idle) {
    let name_and_size = format!("{name}, {}", report::bytes(size));
    let target = Some(Target::Cost(1.1));
    let cell = Cell { name: name_and_size, rival: "none of them", size, target };
    let ours = || Beside::new("ours", size, idle);
    sheet.row(cell, ours, || Beside::new("ours alone", size, |_| Idle::WeakWriters(Vec::new())));
}

/// Endpoints that do nothing.
enum Idle {
    #[allow(dead_code, reason = "they do nothing")]
    WeakWriters(Vec<WeakWriter>),
    #[allow(dead_code, reason = "they do nothing")]
    StrongWriters(Vec<StrongWriter>),
    ParkedReaders(Vec<WeakReader>),
}

/// A writer and a reader beside them.
struct Beside {
    channel: Arc<Channel>,
    idle: Idle,
    here: Here<(Polled<StrongWriter>, Polled<StrongReader>)>,
}

impl Beside {
    fn new(name: &'static str, size: usize, idle: fn(&Channel) -> Idle) -> Self {
        let channel = Channel::new(RING);
        let ends = (Polled(channel.new_strong_writer()), Polled(channel.new_strong_reader()));
        Self { idle: idle(&channel), here: pass_on(name, size, ends), channel }
    }

    /// Parks all readers that are idle. New ones, at the end: the old ones have a ring to read first.
    fn park(&mut self) {
        let Idle::ParkedReaders(readers) = &mut self.idle else { return };
        let mut context = Context::from_waker(Waker::noop());
        for reader in readers {
            *reader = self.channel.new_weak_reader_at(StartAt::Now);
            let read = Pin::new(reader).poll_read(&mut context, &mut ReadBuf::new(&mut [0; 64]));
            assert!(read.is_pending(), "there is nothing to read");
        }
    }
}

fn pass_on<P: PassOn>(name: &'static str, size: usize, ends: P) -> Here<P> {
    Here::new(name, size, ends)
}

impl Rounds for Beside {
    fn check(&mut self) {
        self.park();
        self.here.check();
    }

    /// Both contestants do the same batches, with or without readers to park.
    fn time(&mut self, messages: u64) -> Duration {
        let batches = messages.div_ceil(BATCH);
        let batch = |_| {
            self.park();
            self.here.time(BATCH)
        };
        let time: Duration = (0..batches).map(batch).sum();
        time.mul_f64(messages as f64 / (batches * BATCH) as f64)
    }
}
