//! There and back, over two channels of the same kind: a sender that waits for the answer, and a
//! receiver that answers each message with itself.

use crate::endpoints::*;
use crate::message::Round;

/// What answers are received with.
fn answers(setup: Setup) -> Sink {
    let mut sink = Sink::new(setup, false);
    sink.begin(Round { messages: u64::MAX, check: false });
    sink
}

pub(crate) fn round_trip<S: Sender, R: Receiver>(
    setup: Setup,
    make: impl Fn(Setup) -> Ends<S, R>,
) -> Ends<impl Sender, impl Receiver> {
    let [(mut send, mut receive), (mut send_back, mut receive_back)] =
        [(); 2].map(|()| make(setup).into_one());
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
    Ends::one(ask, answer)
}

/// The same as tasks.
pub(crate) fn round_trip_tasks<S: AsyncSender, R: AsyncReceiver>(
    setup: Setup,
    make: impl Fn(Setup) -> Ends<S, R>,
) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let [(send, receive), (send_back, receive_back)] = [(); 2].map(|()| make(setup).into_one());
    Ends::one(Ask(send, receive_back, answers(setup)), Answer(receive, send_back))
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
