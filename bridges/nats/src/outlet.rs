//! The outlet: from a reader of a ring to an engine.
//!
//! One loop does all of it, in `core.rs`: it receives, packs, publishes, and takes the engine's answers.
//! `source.rs` is what differs between a strong reader and a weak one.

mod core;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use core::Core;

use crate::engine::nats::NatsPublisher;
use crate::error::{Ended, OutletError};
use crate::figures::{OutletProbe, OutletStats};
use overfall::Reader;
use std::sync::Arc;
use std::time::Duration;

/// Publishes what a reader receives to a subject.
///
/// A [`StrongReader`](overfall::StrongReader) publishes *reliably*, to JetStream: a stream must store the
/// subject. At most a [window](Self::window) of messages is in flight, and the reader's room is given back
/// when the engine has stored what lay there. So backpressure reaches the writers, and nothing is lost when
/// the connection drops, the server restarts, or [`run`](Self::run) is dropped and called again.
///
/// A [`WeakReader`](overfall::WeakReader) publishes *lossily*, to core NATS. It never makes writers wait.
/// What it misses itself, and what is lost on the way, the reader behind the inlet learns of as
/// `missed`.
///
/// It carries messages: slices of any kind, values too. Give it the reader of a typed channel by
/// `into_inner`. The bytes of each writer stay in order, and writers keep their names. That messages are pieces of one
/// long write ([`Header::continues`](overfall::Header::continues)) is not carried.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let channel = overfall::Channel::new(1 << 20);
/// let client = overfall_nats::connect("127.0.0.1:4222").await?;
/// let mut outlet = overfall_nats::Outlet::new(client, "lab.gps", channel.new_strong_reader());
/// let probe = outlet.probe();
/// let sent = tokio::spawn(async move { outlet.run().await });
///
/// channel.new_writer().send(b"52.5 N 13.4 E").await?;
/// channel.drain()?;
/// println!("{:?}, {:?}", sent.await??, probe.stats());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Outlet {
    core: Core<NatsPublisher>,
}

impl Outlet {
    /// An outlet of what this reader receives from now on, to this subject.
    ///
    /// Each new outlet is a new epoch: the inlet begins to count anew. What a reader has missed that never
    /// received anything is told; what one has missed by now that received something is not.
    pub fn new(
        client: async_nats::Client,
        subject: impl Into<String>,
        reader: impl Into<Reader>,
    ) -> Self {
        let subject = subject.into();
        let publisher = NatsPublisher::new(client, subject.clone());
        Self { core: Core::new(publisher, subject, reader.into()) }
    }

    /// At most so many messages of the engine in flight. 256 if nothing is said.
    ///
    /// # Panics
    ///
    /// If it is 0, or more than 4096: the client stops at 5000 that are not acknowledged.
    pub fn window(mut self, messages: usize) -> Self {
        assert!(
            (1..=4096).contains(&messages),
            "a window is of 1 to 4096 messages, not {messages}"
        );
        self.core.state.settings.window = messages;
        self
    }

    /// Small messages travel together, up to so many payload bytes, and wait so long for others.
    ///
    /// 16 KiB and no time if nothing is said: what is there when the reader is read travels together,
    /// and nothing waits. With 0 bytes each message travels by itself.
    pub fn batch(mut self, bytes: usize, time: Duration) -> Self {
        self.core.state.set_batch(bytes, time);
        self
    }

    /// How often the inlet is told how far we are, when nothing else tells it. One second if nothing is
    /// said. While there is always something to send, it is told once a second, or as rarely as this says.
    ///
    /// A reliable outlet's heartbeats are stored in the stream.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.core.state.settings.heartbeat = every;
        self
    }

    /// How long an engine that takes nothing is asked again, before [`run`](Self::run) fails with
    /// [`OutletError::Stuck`]. A minute if nothing is said. Writers wait meanwhile.
    pub fn patience(mut self, time: Duration) -> Self {
        self.core.state.settings.patience = time;
        self
    }

    /// How long the end is sent again until it is answered, before [`run`](Self::run) fails with
    /// [`OutletError::EndUnanswered`]. 30 seconds if nothing is said.
    pub fn end_within(mut self, time: Duration) -> Self {
        self.core.state.settings.end_within = time;
        self
    }

    /// Refuses messages that are longer than the server's `max_payload` allows, with
    /// [`OutletError::TooLong`]. If nothing is said, they go in pieces and come out whole. An inlet
    /// acknowledges all pieces with the last of them, so a stream that is emptied by acknowledgements must have room
    /// for all pieces of a message.
    pub fn refuse_large(mut self) -> Self {
        self.core.state.settings.refuses_large = true;
        self
    }

    /// Publishes reliably to a stream that throws away what nobody has read, too. The reader behind the
    /// inlet then learns what that was.
    pub fn allow_discard(mut self) -> Self {
        self.core.state.publisher.allow_discard();
        self
    }

    /// Tells the figures while the outlet runs.
    pub fn probe(&self) -> OutletProbe {
        OutletProbe(Arc::clone(&self.core.state.figures))
    }

    /// What the outlet has done so far.
    pub fn stats(&self) -> OutletStats {
        self.core.state.figures.read()
    }

    /// Publishes until the channel ends, and that end is answered.
    ///
    /// # Errors
    ///
    /// See [`OutletError`]. It may be called again, and goes on in the same epoch: what was not
    /// acknowledged is published once more, and the inlet drops what comes twice. A reliable outlet that
    /// [refuses](Self::refuse_large) a message does so again, until that limit is raised.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost of a reliable outlet, and it may be called again. Of a lossy one
    /// the frame that is being sent may be; it is told as missed. Until then the engine is told nothing, so
    /// that the inlet may become [`Silent`](crate::InletError::Silent).
    pub async fn run(&mut self) -> Result<Ended, OutletError> {
        self.core.run().await
    }

    /// Stops for good, and returns the reader. A strong one stands at the first message that was not
    /// acknowledged: what the engine has stored and not acknowledged yet comes again, if another outlet takes it. The
    /// inlet gets no end: its epoch is broken off.
    pub fn into_reader(self) -> Reader {
        self.core.into_reader()
    }
}
