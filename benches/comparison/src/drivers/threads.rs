//! Each endpoint on a thread of its own: the readers first, and then the writers.

use super::Contestant;
use super::team::{Orders, Team};
use crate::endpoints::*;
use crate::message::Source;
use std::hint::black_box;

/// How a thread waits whose endpoint does not wait by itself.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    /// Spins, with a processor hint: for as many threads as there are cores.
    Spin,
    /// Spins, and lets others have the core now and then: they may be the ones it waits for.
    Yield,
}

impl Wait {
    #[inline]
    fn until(self, mut attempt: impl FnMut() -> bool) {
        let mut attempts = 0_u32;
        while !attempt() {
            attempts = attempts.wrapping_add(1);
            match self {
                Self::Yield if attempts.is_multiple_of(128) => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }
}

/// Threads that spin while there is nothing to do, each on a core of its own.
pub(crate) fn polling<M: Message + ?Sized>(
    setup: Setup,
    ends: Ends<impl Sender<M>, impl Receiver<M>>,
) -> Box<dyn Contestant> {
    team(setup, Wait::Spin, ends)
}

/// Threads whose endpoints wait. Those of endpoints that do not, yield.
pub(crate) fn waiting<M: Message + ?Sized>(
    setup: Setup,
    ends: Ends<impl Sender<M>, impl Receiver<M>>,
) -> Box<dyn Contestant> {
    team(setup, Wait::Yield, ends)
}

fn team<M: Message + ?Sized>(
    setup: Setup,
    wait: Wait,
    ends: Ends<impl Sender<M>, impl Receiver<M>>,
) -> Box<dyn Contestant> {
    let mut team = Team::of_threads(setup.name);
    for receive in ends.receivers {
        team.thread(move |orders| read(orders, Sink::new(setup), wait, receive));
    }
    for (writer, send) in ends.senders.into_iter().enumerate() {
        team.thread(move |orders| write(orders, Source::new(setup, writer), wait, send, || {}));
    }
    Box::new(team)
}

/// There and back, over two channels of the same kind.
pub(crate) fn round_trip<S: Sender, R: Receiver>(
    setup: Setup,
    make: impl Fn(Setup) -> Ends<S, R>,
) -> Box<dyn Contestant> {
    let (there, back) = (make(setup).into_one(), make(setup).into_one());
    let mut team = Team::of_threads(setup.name);
    team.thread(move |orders| ask(orders, setup, there.0, back.1));
    team.thread(move |orders| answer(orders, setup, back.0, there.1));
    Box::new(team)
}

/// Sends a writer's share of each round, and says when it has.
pub(super) fn write<M: Message + ?Sized>(
    mut orders: Orders,
    mut source: Source<M>,
    wait: Wait,
    mut send: impl Sender<M>,
    written: impl Fn(),
) {
    while let Some(round) = orders.wait() {
        for number in 0..source.begin(round) {
            let message = source.message(round, number);
            wait.until(|| send(message));
        }
        written();
        orders.done();
    }
}

/// Receives all messages of each round, whoever wrote them.
fn read<M: Message + ?Sized>(
    mut orders: Orders,
    mut sink: Sink<M>,
    wait: Wait,
    mut receive: impl Receiver<M>,
) {
    while let Some(round) = orders.wait() {
        sink.begin(round);
        while sink.left > 0 {
            receive_some(&mut sink, wait, &mut receive);
        }
        orders.done();
        sink.finish();
    }
}

#[inline]
fn receive_some<M: Message + ?Sized>(
    sink: &mut Sink<M>,
    wait: Wait,
    receive: &mut impl Receiver<M>,
) {
    let left = sink.left;
    wait.until(|| {
        receive(sink);
        sink.left < left
    });
}

/// Sends messages, each after the answer to the last one, which must be the same.
fn ask(mut orders: Orders, setup: Setup, mut send: impl Sender, mut receive: impl Receiver) {
    let (mut source, mut sink) = (Source::<[u8]>::new(setup, 0), Sink::new(setup));
    while let Some(round) = orders.wait() {
        sink.begin(round);
        for number in 0..source.begin(round) {
            let message = source.message(round, number);
            Wait::Yield.until(|| send(message));
            receive_some(&mut sink, Wait::Yield, &mut receive);
        }
        orders.done();
        sink.finish();
    }
}

/// Answers each message with itself.
fn answer(mut orders: Orders, setup: Setup, mut send: impl Sender, mut receive: impl Receiver) {
    let mut sink = Sink::new(setup);
    while let Some(round) = orders.wait() {
        sink.begin(round);
        for _ in 0..round.messages {
            receive_some(&mut sink, Wait::Yield, &mut receive);
            let message = black_box(sink.buffer());
            Wait::Yield.until(|| send(message));
        }
        orders.done();
    }
}
