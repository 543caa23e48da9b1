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
    fn for_messages(self, sink: &mut Sink, receive: &mut impl Receiver) {
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

/// There and back, over two channels of the same kind.
pub(crate) fn round_trip<S: Sender, R: Receiver>(
    setup: Setup,
    make: impl Fn(Setup) -> Ends<S, R>,
) -> Team {
    let ((mut send, mut receive), (mut send_back, mut receive_back)) =
        (make(setup).into_one(), make(setup).into_one());
    let mut answers = answers(setup);
    let ask = move |message: &[u8]| {
        setup.wait.until(|| send(message));
        setup.wait.for_messages(&mut answers, &mut receive_back);
        *answers.buffer() == *message || panic!("{}: another answer", setup.name)
    };
    let answer = move |sink: &mut Sink| {
        setup.wait.for_messages(sink, &mut receive);
        let message = sink.buffer();
        setup.wait.until(|| send_back(message));
    };
    threads(setup, Ends::one(ask, answer))
}

/// What answers are received with.
fn answers(setup: Setup) -> Sink {
    let mut sink = Sink::new(setup, false);
    sink.begin(Round { messages: u64::MAX, check: false });
    sink
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

/// There and back, as tasks.
pub(crate) fn round_trip_tasks<S: AsyncSender, R: AsyncReceiver>(
    setup: Setup,
    make: impl Fn(Setup) -> Ends<S, R>,
) -> Team {
    let ((sender, receiver), (sender_back, receiver_back)) =
        (make(setup).into_one(), make(setup).into_one());
    tasks(
        setup,
        Ends::one(Ask(sender, receiver_back, answers(setup)), Answer(receiver, sender_back)),
    )
}

struct Ask<S, R>(S, R, Sink);

impl<S: AsyncSender, R: AsyncReceiver> AsyncSender for Ask<S, R> {
    async fn send(&mut self, message: &[u8]) {
        let Self(sender, receiver, answers) = self;
        sender.send(message).await;
        receiver.receive(answers).await;
        assert!(*answers.buffer() == *message, "{}: another answer", answers.setup.name);
    }
}

struct Answer<R, S>(R, S);

impl<R: AsyncReceiver, S: AsyncSender> AsyncReceiver for Answer<R, S> {
    async fn receive(&mut self, sink: &mut Sink) {
        self.0.receive(sink).await;
        self.1.send(sink.buffer()).await;
    }
}
