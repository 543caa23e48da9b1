//! The parties of `parties.rs` as tasks: the same loops, which the language does not let be written
//! once for both.

use crate::parties::Terms;
use crate::payload::{self, Aligned, Seen};
use crate::team::TaskParty;
use crate::transport::{AsyncEnds, AsyncReceiver, AsyncSender};
use std::hint::black_box;

/// Writes all messages of each round.
pub(crate) fn write(terms: Terms, mut sender: impl AsyncSender) -> TaskParty {
    Box::new(move |mut orders| {
        Box::pin(async move {
            let mut message = payload::message(terms.size, 0);
            while let Some(round) = orders.next().await {
                if round.check {
                    for number in 0..round.messages {
                        payload::stamp(&mut message, 0, number);
                        sender.send(&message).await;
                    }
                    payload::stamp(&mut message, 0, 0);
                } else {
                    for _ in 0..round.messages {
                        sender.send(black_box(&message)).await;
                    }
                }
                orders.done();
            }
        })
    })
}

/// Reads all messages of each round.
pub(crate) fn read(terms: Terms, mut receiver: impl AsyncReceiver) -> TaskParty {
    Box::new(move |mut orders| {
        Box::pin(async move {
            let mut buffer = Aligned::new(terms.size);
            while let Some(round) = orders.next().await {
                if round.check {
                    let mut seen = Seen::new(terms.name, terms.size, 1);
                    for _ in 0..round.messages {
                        receiver.receive(&mut buffer).await;
                        seen.message(&buffer);
                    }
                    orders.done();
                    seen.finish(round.messages);
                } else {
                    buffer.fill(0);
                    for _ in 0..round.messages {
                        receiver.receive(black_box(&mut buffer)).await;
                        black_box(&mut buffer[..]);
                    }
                    orders.done();
                    payload::expect_timed(terms.name, &buffer, 1);
                }
            }
        })
    })
}

/// Sends messages, each after the answer to the last one, which must be the same.
pub(crate) fn ask(terms: Terms, mut ends: impl AsyncEnds) -> TaskParty {
    Box::new(move |mut orders| {
        Box::pin(async move {
            let (mut message, mut buffer) =
                (payload::message(terms.size, 0), Aligned::new(terms.size));
            while let Some(round) = orders.next().await {
                for number in 0..round.messages {
                    if round.check {
                        payload::stamp(&mut message, 0, number);
                    }
                    ends.send(black_box(&message)).await;
                    ends.receive(black_box(&mut buffer)).await;
                    if round.check {
                        assert!(message[..] == buffer[..], "{}: a wrong answer", terms.name);
                    }
                }
                orders.done();
                payload::stamp(&mut message, 0, 0);
            }
        })
    })
}

/// Answers each message with itself.
pub(crate) fn answer(terms: Terms, mut ends: impl AsyncEnds) -> TaskParty {
    Box::new(move |mut orders| {
        Box::pin(async move {
            let mut buffer = Aligned::new(terms.size);
            while let Some(round) = orders.next().await {
                for _ in 0..round.messages {
                    ends.receive(black_box(&mut buffer)).await;
                    ends.send(black_box(&buffer)).await;
                }
                orders.done();
            }
        })
    })
}
