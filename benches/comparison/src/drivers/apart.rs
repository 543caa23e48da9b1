//! Each endpoint on a thread of its own, or as a task: the readers first, and then the writers.

use super::team::{Task, Team};
use crate::endpoints::*;
use crate::message::{Round, Source};

impl Wait {
    /// Makes attempts until one is successful.
    #[inline]
    pub(super) fn until(self, mut attempt: impl FnMut() -> bool) {
        let mut attempts = 0_u32;
        while !attempt() {
            attempts = attempts.wrapping_add(1);
            match self {
                Self::Yield if attempts.is_multiple_of(128) => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }

    /// Receives one message at least.
    #[inline]
    pub(super) fn for_messages(self, sink: &mut Sink, receive: &mut impl Receiver) {
        let left = sink.left;
        self.until(|| {
            receive(sink);
            sink.left < left
        });
    }
}

pub(crate) fn threads(setup: Setup, ends: Ends<impl Sender, impl Receiver>) -> Team {
    let mut team = Team::new(setup);
    for mut receive in ends.receivers {
        let mut sink = Sink::new(setup, false);
        team.thread(move |round| {
            sink.begin(round);
            while sink.left > 0 {
                setup.wait.for_messages(&mut sink, &mut receive);
            }
            sink.finish();
        });
    }
    for (writer, mut send) in ends.senders.into_iter().enumerate() {
        let mut source = Source::new(setup, writer);
        team.thread(move |round| {
            for number in 0..source.begin(round) {
                let message = source.message(round, number);
                setup.wait.until(|| send(message));
            }
        });
    }
    team
}

pub(crate) fn tasks(setup: Setup, ends: Ends<impl AsyncSender, impl AsyncReceiver>) -> Team {
    let mut team = Team::new(setup);
    for receiver in ends.receivers {
        team.task(Read(Sink::new(setup, false), receiver));
    }
    for (writer, sender) in ends.senders.into_iter().enumerate() {
        team.task(Write(Source::new(setup, writer), sender));
    }
    team
}

struct Read<R>(Sink, R);

impl<R: AsyncReceiver> Task for Read<R> {
    async fn round(&mut self, round: Round) {
        let Self(sink, receiver) = self;
        sink.begin(round);
        while sink.left > 0 {
            receiver.receive(sink).await;
        }
        sink.finish();
    }
}

struct Write<S>(Source, S);

impl<S: AsyncSender> Task for Write<S> {
    async fn round(&mut self, round: Round) {
        let Self(source, sender) = self;
        for number in 0..source.begin(round) {
            sender.send(source.message(round, number)).await;
        }
    }
}
