//! The outlet of a spool: from a stream that is kept to a stream of the engine.

mod core;
#[cfg(test)]
mod tests;

pub(crate) use core::Core;

use crate::engine::nats::NatsPublisher;
use crate::error::{Ended, OutletError};
use crate::figures::{OutletProbe, OutletStats};
use overfall::spool::SpoolReader;
use std::sync::Arc;
use std::time::Duration;

/// Publishes a spool to a subject, and goes on where it stopped, also in another process.
///
/// A spool is kept, so nothing of it is gone with a process. An outlet that comes again under the same name,
/// with a reader of the same stream ([`Builder::resume`](overfall::spool::Builder::resume), or
/// [`Spool::open`](overfall::spool::Spool::open)), goes on at the first byte that was not stored, in the same
/// epoch: for the inlet nothing has happened but silence. It asks the stream for that, and keeps nothing of its
/// own. The name belongs to the stream of bytes: a new recording takes a new one.
///
/// It goes by JetStream, and reliably. A stream must store the subject, and keep what was read: one that throws
/// away, or forgets, cannot tell where to go on. One message of the engine is in flight at a time, with up to
/// 256 KiB, so that what was stored never has gaps. The engine stores it behind the last one or not at all. So none
/// is there twice, even if an outlet that was thought to be dead is not.
///
/// Until the next one comes, an inlet waits for as long as its [`silence`](crate::Inlet::silence) says, then fails
/// with [`Silent`](crate::InletError::Silent), and goes on when it is run again.
///
/// A spool has no messages. Its bytes come out of the inlet as messages of one writer, of at most 4 KiB each.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use overfall::spool::Spool;
///
/// let spool = Spool::builder().resume("gps.log").or_else(|_| Spool::create("gps.log"))?;
/// let client = overfall_nats::connect("127.0.0.1:4222").await?;
/// let mut outlet = overfall_nats::SpoolOutlet::new(client, "lab.gps", "gps 7 May", spool.reader()?);
/// let sent = tokio::spawn(async move { outlet.run().await });
///
/// let mut writer = spool.writer()?;
/// writer.try_write(b"52.5 N 13.4 E\n")?;
/// writer.finish()?;
/// println!("{:?}", sent.await??);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SpoolOutlet {
    core: Core<NatsPublisher>,
}

impl SpoolOutlet {
    /// An outlet of this spool to this subject. If the last message on the subject is of an outlet of this
    /// name, it goes on behind that one, wherever the reader stands; else it begins where the reader stands.
    ///
    /// One outlet at a time on a subject. Where the spool keeps its last bytes alone, take a strong reader: what
    /// is not stored is kept for it.
    pub fn new(
        client: async_nats::Client,
        subject: impl Into<String>,
        name: impl AsRef<str>,
        reader: SpoolReader,
    ) -> Self {
        let subject = subject.into();
        let publisher = NatsPublisher::new(client, subject.clone());
        Self { core: Core::new(publisher, subject, name.as_ref(), reader) }
    }

    /// How often the inlet is told how far we are, when nothing else tells it. One second if nothing is
    /// said. Heartbeats are stored in the stream.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.core.heartbeat = every;
        self
    }

    /// How long an engine that takes nothing is asked again, before [`run`](Self::run) fails with
    /// [`OutletError::Stuck`]. A minute if nothing is said.
    pub fn patience(mut self, time: Duration) -> Self {
        self.core.patience = time;
        self
    }

    /// Tells the figures while the outlet runs.
    pub fn probe(&self) -> OutletProbe {
        OutletProbe(Arc::clone(&self.core.figures))
    }

    /// What this outlet has done so far, and at which position of the spool it stands. What is acknowledged counts from
    /// the beginning of the epoch, by whatever outlets.
    pub fn stats(&self) -> OutletStats {
        self.core.figures.read()
    }

    /// Publishes until the spool has ended, and that end is stored. What was published before, up to a clean
    /// end, is not published again.
    ///
    /// # Errors
    ///
    /// See [`OutletError`]. It may be called again, and goes on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost, and it may be called again.
    pub async fn run(&mut self) -> Result<Ended, OutletError> {
        self.core.run().await
    }
}
