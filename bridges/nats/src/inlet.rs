//! The inlet: from an engine into a ring.
//!
//! `core.rs` has the loop, and `local.rs` the writers that stand for those of the other side.

mod core;
mod local;
#[cfg(test)]
mod tests;

pub(crate) use core::Core;

use crate::engine::nats::NatsSubscription;
use crate::error::{Ended, InletError};
use crate::figures::{InletProbe, InletStats};
use overfall::Writer;
use std::sync::Arc;
use std::time::Duration;

/// Writes what an [`Outlet`](crate::Outlet) publishes into a ring.
///
/// Each writer of the other side has a local writer, of the same name if it has one, so that readers of the
/// local channel learn of each what they missed, exactly, in [`missed`](overfall::WeakReader::missed) and in
/// headers: on the other side, on the way, or here. When the channel on the other side ends, the local one
/// ends as it did: drained, failed with the text of its error, or terminated.
///
/// From [JetStream](Self::durable) each frame is acknowledged once it is in the ring. A ring that is full
/// stops the consumer. From [core NATS](Self::core) whoever does not keep up loses messages, and is told
/// which.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let channel = overfall::Channel::new(1 << 20);
/// let mut reader = channel.new_strong_reader();
/// let client = overfall_nats::connect("127.0.0.1:4222").await?;
/// let mut inlet = overfall_nats::Inlet::durable(client, "lab.gps", "recorder", channel.new_writer());
/// tokio::spawn(async move { inlet.run().await });
/// drop(channel);
/// while let Some(message) = reader.recv().await? {
///     println!("{} bytes, missed before: {:?}", message.len(), message.header().missed);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Inlet {
    core: Core<NatsSubscription>,
}

impl Inlet {
    /// From the stream that stores this subject, by a durable pull consumer of this name, which is made if
    /// it is not there. An inlet that comes again under the same name goes on where the last one stopped. Two at
    /// the same time under one name share the frames, and wait for each other's.
    ///
    /// The channel that the writer belongs to ends when the one on the other side does. The inlet gives its
    /// clones the writer's strength and [backpressure](overfall::Writer::set_backpressure).
    pub fn durable(
        client: async_nats::Client,
        subject: impl Into<String>,
        name: impl Into<String>,
        writer: impl Into<Writer>,
    ) -> Self {
        let subject = subject.into();
        let subscription = NatsSubscription::durable(client, subject.clone(), name.into());
        Self { core: Core::new(subscription, subject, writer.into()) }
    }

    /// From a subscription to the subject: what is published while the inlet runs.
    pub fn core(
        client: async_nats::Client,
        subject: impl Into<String>,
        writer: impl Into<Writer>,
    ) -> Self {
        let subject = subject.into();
        let subscription = NatsSubscription::core(client, subject.clone());
        Self { core: Core::new(subscription, subject, writer.into()) }
    }

    /// How long nothing may come, heartbeats included, before [`run`](Self::run) fails with
    /// [`InletError::Silent`]. A minute if nothing is said. Before the first frame it waits for as long as
    /// it takes, and a ring that is full is no silence. Take more than [`redeliver_after`](Self::redeliver_after):
    /// after a cut all that comes may be what is delivered again.
    pub fn silence(mut self, time: Duration) -> Self {
        self.core.silence = time;
        self
    }

    /// After how long JetStream delivers a frame again that was not acknowledged. Thirty seconds if nothing
    /// is said. It counts when the consumer is made.
    pub fn redeliver_after(mut self, time: Duration) -> Self {
        self.core.subscription.redeliver_after(time);
        self
    }

    /// Tells the figures while the inlet runs.
    pub fn probe(&self) -> InletProbe {
        InletProbe(Arc::clone(&self.core.figures))
    }

    /// What the inlet has done so far.
    pub fn stats(&self) -> InletStats {
        self.core.figures.read()
    }

    /// Writes until the channel on the other side has ended, and ends the local one in the same way.
    ///
    /// # Errors
    ///
    /// See [`InletError`]. It may be called again, and goes on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost, and it may be called again.
    pub async fn run(&mut self) -> Result<Ended, InletError> {
        self.core.run().await
    }
}
