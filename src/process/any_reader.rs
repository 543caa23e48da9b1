//! What consumers read: a reader of a channel, or of a spool.

use crate::channel::WeakChannel;
use crate::channel::reader::{Reader, StrongReader, WeakReader};
use crate::lines::{Feed, LineError, Source, Taken};
use crate::spool::SpoolReader;
use std::collections::HashSet;
use std::fmt;
use std::task::{Context, Poll};

/// A reader of any kind, of a channel or of a spool: what [`Collect`](super::Collect),
/// [`Forward`](super::Forward), [`EachLine`](super::EachLine) and
/// [`line_watch_of`](super::Output::line_watch_of) read. It is made of each by `into()`, which they do
/// themselves.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::{Capture, Collect, Command};
/// use overfall::spool::Spool;
///
/// let mut command = Command::new("seq");
/// command.arg("100000").stdout(Capture::ring(4096).with_spool(Spool::builder()));
/// let child = command.spawn()?;
/// child.wait().await;
/// // The ring has the last 4 KiB by now, and the spool has everything.
/// let everything = child.stdout().unwrap().spool().unwrap().reader()?;
/// let head = Collect::first(1000).at_most_lines(2).lines_of(everything)?.wait().await;
/// assert_eq!(head.kept, ["1", "2"]);
/// assert_eq!((head.left_out.lines, head.missed), (99_998, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct AnyReader(Kind);

enum Kind {
    Channel(Reader),
    Spool(SpoolReader),
}

impl AnyReader {
    /// Whether a read may wait for a disk.
    pub(super) fn may_block(&self) -> bool {
        matches!(self.0, Kind::Spool(_))
    }

    /// For the figures of a channel, if it has none.
    pub(super) fn set_name(&self, name: &str) {
        if let Kind::Channel(reader) = &self.0 {
            if reader.stats().name.is_none() {
                reader.set_name(name);
            }
        }
    }

    /// The channel, and its number there.
    pub(super) fn of_channel(&self) -> Option<(WeakChannel, u32)> {
        match &self.0 {
            Kind::Channel(reader) => Some((reader.channel(), reader.stats().id)),
            Kind::Spool(_) => None,
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn into_weak(self) -> Self {
        match self.0 {
            Kind::Channel(reader) => reader.into_weak().into(),
            spool @ Kind::Spool(_) => Self(spool),
        }
    }

    /// Whether so many bytes were sent, and it will get them later.
    pub(super) fn lags_behind(&self, sent: u64) -> bool {
        match &self.0 {
            Kind::Channel(_) => false,
            Kind::Spool(reader) => reader.len() < sent,
        }
    }
}

macro_rules! from {
    ($($reader:ident: $kind:ident),*) => {$(
        impl From<$reader> for AnyReader {
            fn from(reader: $reader) -> Self {
                Self(Kind::$kind(reader.into()))
            }
        }
    )*};
}
from!(Reader: Channel, StrongReader: Channel, WeakReader: Channel, SpoolReader: Spool);

macro_rules! inner {
    ($this:expr, $reader:ident => $call:expr) => {
        match &$this.0 {
            Kind::Channel($reader) => $call,
            Kind::Spool($reader) => $call,
        }
    };
}

macro_rules! inner_mut {
    ($this:expr, $reader:ident => $call:expr) => {
        match &mut $this.0 {
            Kind::Channel($reader) => $call,
            Kind::Spool($reader) => $call,
        }
    };
}

impl Feed for AnyReader {
    fn take(&mut self, input: &mut Vec<u8>) -> Result<Taken, LineError> {
        inner_mut!(self, reader => Feed::take(reader, input))
    }

    fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        input: &mut Vec<u8>,
    ) -> Poll<Result<Taken, LineError>> {
        inner_mut!(self, reader => reader.poll_take(context, input))
    }

    fn stop_waiting(&mut self) {
        inner_mut!(self, reader => Feed::stop_waiting(reader));
    }

    fn has_read(&self) -> bool {
        inner!(self, reader => reader.has_read())
    }

    fn living(&self) -> Option<(HashSet<u32>, u64)> {
        inner!(self, reader => reader.living())
    }

    fn position(&self) -> u64 {
        inner!(self, reader => Feed::position(reader))
    }

    fn missed(&self) -> Vec<(u32, u64)> {
        inner!(self, reader => Feed::missed(reader))
    }

    fn ahead(&self) -> (u64, u64) {
        inner!(self, reader => reader.ahead())
    }

    fn gone(&self) -> Option<u64> {
        inner!(self, reader => reader.gone())
    }
}

impl Source for AnyReader {}

impl fmt::Debug for AnyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        inner!(self, reader => reader.fmt(f))
    }
}
