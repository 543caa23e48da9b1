//! What endpoints cost that do nothing.

use super::*;
use crate::message::Round;
use overfall::{Channel, StartAt, WeakReader};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

pub(super) const CASE: Case = Case {
    name: "idle",
    title: "Idle endpoints",
    about: "One thread writes a message and reads it, on a channel that has idle endpoints \
besides, against one that has none: ours against ours. The parked readers each have a waker \
registered; what they are parked for is the next write, which wakes them all, and then they are not \
parked any more. So they are parked anew, untimed, before every batch of 10 000 messages; that the \
first write of each wakes a thousand is in the figure.",
    run,
};

/// How many messages go by between two times that readers are parked.
const BATCH: u64 = 10_000;

/// What is to be done before a batch. It owns the endpoints that are idle.
type Prepare = Box<dyn FnMut()>;
type Idle = fn(&Arc<Channel>) -> Prepare;

fn run(sheet: &mut Sheet<'_>) {
    let kinds: [(&str, Idle); 3] = [
        ("1000 weak writers", |channel| keep(1000, || channel.new_weak_writer())),
        ("1000 parked weak readers", parked_readers),
        ("100 strong writers", |channel| keep(100, || channel.new_strong_writer())),
    ];
    for size in sheet.sizes([64, 1024]) {
        for (name, idle) in kinds {
            let name = format!("{name}, {}", bytes(size));
            sheet
                .group(name, Cores::One, Setup::of(size), move |s| beside(s, idle))
                .goal(Target::Cost(1.1))
                .against("none of them", |s| beside(s, |_| Box::new(|| {})));
        }
    }
}

fn keep<E: 'static>(number: usize, new: impl Fn() -> E) -> Prepare {
    let idle: Vec<E> = (0..number).map(|_| new()).collect();
    Box::new(move || _ = black_box(&idle))
}

/// New ones each time, at the end: the old ones have a ring to read first.
fn parked_readers(channel: &Arc<Channel>) -> Prepare {
    let channel = channel.clone();
    let mut readers: Vec<WeakReader> = (0..1000).map(|_| channel.new_weak_reader()).collect();
    Box::new(move || {
        let mut context = Context::from_waker(Waker::noop());
        for reader in &mut readers {
            *reader = channel.new_weak_reader_at(StartAt::Now);
            let read = Pin::new(reader).poll_read(&mut context, &mut ReadBuf::new(&mut [0; 64]));
            assert!(read.is_pending(), "there is nothing to read");
        }
    })
}

/// A writer and a reader beside endpoints that are idle.
fn beside(setup: Setup, idle: Idle) -> Box<dyn Contestant> {
    let channel = Channel::new(RING);
    let (writer, reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    let ends = Ends::one(ours::try_write(writer), ours::try_read(reader));
    Box::new(Beside { prepare: idle(&channel), contestant: one_thread(setup, ends) })
}

struct Beside {
    prepare: Prepare,
    contestant: Box<dyn Contestant>,
}

impl Contestant for Beside {
    /// Both contestants do the same batches, with or without readers to park.
    fn round(&mut self, round: Round) -> Duration {
        let batches = round.messages.div_ceil(BATCH);
        let batch = |_| {
            (self.prepare)();
            self.contestant.round(Round { messages: BATCH, ..round })
        };
        let time: Duration = (0..batches).map(batch).sum();
        time.mul_f64(round.messages as f64 / (batches * BATCH) as f64)
    }
}
