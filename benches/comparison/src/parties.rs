//! What the threads of a team do: write, read, ask and answer.

use crate::payload::{self, Aligned, Seen};
use crate::team::Party;
use crate::transport::{ReceiveMany, Receiver, Sender, Wait};
use std::hint::black_box;

/// What all parties of a team have to know.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    pub(crate) writers: usize,
    pub(crate) wait: Wait,
}

/// Writes its share of each round.
pub(crate) fn write(terms: Terms, writer: usize, mut sender: impl Sender) -> Party {
    Box::new(move |mut orders| {
        let mut message = payload::message(terms.size, writer);
        while let Some(round) = orders.wait() {
            let share = payload::share(round.messages, writer, terms.writers);
            if round.check {
                for number in 0..share {
                    payload::stamp(&mut message, writer, number);
                    terms.wait.until(|| sender.send(&message));
                }
                payload::stamp(&mut message, writer, 0);
            } else {
                let timed = &message[..];
                for _ in 0..share {
                    terms.wait.until(|| sender.send(black_box(timed)));
                }
            }
            orders.done();
        }
    })
}

/// Reads all messages of each round, whoever wrote them.
pub(crate) fn read(terms: Terms, mut receiver: impl ReceiveMany) -> Party {
    Box::new(move |mut orders| {
        let mut buffer = Aligned::new(terms.size);
        let buffer = &mut buffer[..];
        while let Some(round) = orders.wait() {
            let mut left = round.messages;
            if round.check {
                let mut seen = Seen::new(terms.name, terms.size, terms.writers);
                while left > 0 {
                    terms.wait.until(|| {
                        let read = receiver.receive_many(buffer, left, |message| {
                            seen.message(message);
                        });
                        left -= read;
                        read > 0
                    });
                }
                orders.done();
                seen.finish(round.messages);
            } else {
                buffer.fill(0);
                while left > 0 {
                    terms.wait.until(|| {
                        let buffer = black_box(&mut *buffer);
                        let read = receiver.receive_many(buffer, left, |message| {
                            black_box(message);
                        });
                        left -= read;
                        read > 0
                    });
                }
                orders.done();
                payload::expect_timed(terms.name, buffer, terms.writers);
            }
        }
    })
}

/// Sends messages, each after the answer to the last one, which must be the same.
pub(crate) fn ask(terms: Terms, mut sender: impl Sender, mut receiver: impl Receiver) -> Party {
    Box::new(move |mut orders| {
        let (mut message, mut buffer) = (payload::message(terms.size, 0), Aligned::new(terms.size));
        while let Some(round) = orders.wait() {
            for number in 0..round.messages {
                if round.check {
                    payload::stamp(&mut message, 0, number);
                }
                terms.wait.until(|| sender.send(black_box(&message)));
                terms.wait.until(|| receiver.receive(black_box(&mut buffer)));
                if round.check {
                    assert!(message[..] == buffer[..], "{}: a wrong answer", terms.name);
                }
            }
            orders.done();
            payload::stamp(&mut message, 0, 0);
        }
    })
}

/// Answers each message with itself.
pub(crate) fn answer(terms: Terms, mut sender: impl Sender, mut receiver: impl Receiver) -> Party {
    Box::new(move |mut orders| {
        let mut buffer = Aligned::new(terms.size);
        while let Some(round) = orders.wait() {
            for _ in 0..round.messages {
                terms.wait.until(|| receiver.receive(black_box(&mut buffer)));
                terms.wait.until(|| sender.send(black_box(&buffer)));
            }
            orders.done();
        }
    })
}
