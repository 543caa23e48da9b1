//! What endpoints cost that do nothing.

use super::*;
use overfall::{Channel, StartAt};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use tokio::io::{AsyncRead, ReadBuf};

pub(super) const RUNS: Runs = &[(64, run), (1024, run)];

/// Makes idle endpoints, which what is done before each batch of messages owns.
type Idle = fn(&Arc<Channel>) -> Prepare;

fn run(options: &Options, size: usize) {
    let kinds: [(&str, Idle); 3] = [
        ("1000 weak writers", |channel| keep(1000, || channel.new_weak_writer())),
        ("1000 parked weak readers", parked_readers),
        ("100 strong writers", |channel| keep(100, || channel.new_strong_writer())),
    ];
    for (name, idle) in kinds {
        let name = format!("{name}, {}", length(size));
        options
            .group(name, Setup::of(size), one_thread, move |_| beside(idle))
            .goal(1.0 / 1.1)
            .against("none of them", one_thread, |_| beside(|_| Box::new(|| {})));
    }
}

/// A writer and a reader beside endpoints that are idle.
fn beside(idle: Idle) -> Ends<impl Sender, impl Receiver> {
    let channel = Channel::new(RING);
    let (writer, reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    let ends = Ends::one(ours::try_write(writer), ours::try_read(reader));
    Ends { prepare: Some(idle(&channel)), ..ends }
}

fn keep<E: Send + 'static>(number: usize, new: impl Fn() -> E) -> Prepare {
    let idle = Vec::from_iter((0..number).map(|_| new()));
    Box::new(move || _ = black_box(&idle))
}

/// New ones each time, at the end: the old ones have a ring to read first.
fn parked_readers(channel: &Arc<Channel>) -> Prepare {
    let channel = channel.clone();
    let mut readers = Vec::from_iter((0..1000).map(|_| channel.new_weak_reader()));
    Box::new(move || {
        let mut context = Context::from_waker(Waker::noop());
        for reader in &mut readers {
            *reader = channel.new_weak_reader_at(StartAt::Now);
            let read = Pin::new(reader).poll_read(&mut context, &mut ReadBuf::new(&mut [0; 64]));
            assert!(read.is_pending(), "there is nothing to read");
        }
    })
}
