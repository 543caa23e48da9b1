//! How an output of a child is kept.

use super::system::Descriptor;
use crate::spool;
use std::sync::Arc;

/// How an output of a child is kept: in a ring of 1 MiB, if nothing else is said.
///
/// ```
/// use overfall::process::{Capture, Command};
/// use overfall::spool::Spool;
///
/// # futures::executor::block_on(async {
/// // The last 64 KiB in a ring, and everything in memory, up to 1 MiB, and then in a temporary file.
/// let all = Spool::builder().spill_at(1 << 20);
/// let mut command = Command::new("echo");
/// command.arg("hello").stdout(Capture::ring(64 << 10).with_spool(all));
/// let child = command.spawn()?;
/// child.wait().await;
/// let spool = child.stdout().unwrap().spool().unwrap();
/// assert_eq!(spool.finished().await?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Capture(pub(super) Kind);

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Ring(Ring),
    Inherit,
    Null,
    File(Arc<Descriptor>),
}

/// What is said of a ring.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) capacity: usize,
    pub(super) spool: Option<spool::Builder>,
    pub(super) only_one_consumer: bool,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, spool: None, only_one_consumer: false }
    }
}

impl Capture {
    /// In a ring of `capacity` bytes, rounded up to a power of two, 4096 at least. It takes memory as it fills:
    /// 200 children that write little cost little.
    pub fn ring(capacity: usize) -> Self {
        Self(Kind::Ring(Ring::new(capacity)))
    }

    /// Everything in a spool as well, which [`Output::spool`](super::Output::spool) gives: in memory, or, with
    /// [`spill_at`](spool::Builder::spill_at), in a temporary file. If both outputs are merged, they are in
    /// there in the order in which they were read.
    ///
    /// A spool that keeps its [last](spool::Retain::Last) bytes alone has the child wait for its strong
    /// readers. One that fails, as the disk is full, is told so; the ring goes on.
    ///
    /// What is not kept in a ring has no spool.
    pub fn with_spool(mut self, spool: spool::Builder) -> Self {
        if let Kind::Ring(ring) = &mut self.0 {
            ring.spool = Some(spool);
        }
        self
    }

    /// At most one consumer at a time: another one is [refused](super::SecondConsumer), and told the name of
    /// the first. The claim is released when that is dropped.
    ///
    /// A clone of its reader is a second one, too, and so is what a handle of the
    /// [channel](crate::StrongReader::channel) makes. Those calls have no error to give: the reader is there, holds
    /// nobody up, and all its reads fail with [`Failed`](crate::error::ReadError::Failed), which has the error
    /// inside. Readers of a [spool](Self::with_spool) are no consumers.
    ///
    /// What is not kept in a ring has none.
    pub fn only_one_consumer(mut self) -> Self {
        if let Kind::Ring(ring) = &mut self.0 {
            ring.only_one_consumer = true;
        }
        self
    }

    /// Not at all: the child writes to where this program does.
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// Not at all.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// Into a file, which the child writes itself.
    pub fn file(file: impl Into<Descriptor>) -> Self {
        Self(Kind::File(Arc::new(file.into())))
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::ring(1 << 20)
    }
}
