//! What code that is generic over endpoints asks of them.
//!
//! These traits stand in bounds. They are implemented for the endpoints of this crate, and cannot be for
//! other types. A function that parks the thread, whatever it receives from:
//!
//! ```
//! use overfall::endpoint::Receives;
//! use overfall::{Blocking, Channel};
//! use std::io::{self, Write};
//!
//! fn pump<R: Receives>(mut reader: Blocking<R>, to: &mut impl Write) -> io::Result<u64> {
//!     let mut messages = 0;
//!     while let Some(message) = reader.recv()? {
//!         to.write_all(&message)?;
//!         messages += 1;
//!     }
//!     Ok(messages)
//! }
//!
//! let channel = Channel::new(4096);
//! let (strong, weak) = (channel.new_strong_reader(), channel.new_weak_reader());
//! channel.new_writer().try_send("one")?;
//! channel.drain()?;
//! let mut all = Vec::new();
//! assert_eq!(pump(strong.blocking(), &mut all)? + pump(weak.blocking(), &mut all)?, 2);
//! assert_eq!(all, b"oneone");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! The other way is a parameter of `impl Into<Reader>`, or `impl Into<Writer>`: see
//! [`Reader`](crate::Reader).

use crate::channel::reader::{self, Lend, Read, Receive, StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::stats::{ReaderStats, WriterStats};
use crate::channel::waiting::Flushed;
use crate::channel::weak::WeakChannel;
use crate::channel::writer::{self, HasCore, StrongWriter, WeakWriter};
use std::sync::Arc;

/// What reads bytes: every reader, and an end of a [`duplex`](crate::duplex()).
#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
pub trait Reads: Read {}

/// What lends bytes where they lie: a [`StrongReader`], and an end of a [`duplex`](crate::duplex()).
#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
pub trait Lends: Reads + Lend {}

/// What receives messages: every reader.
#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
pub trait Receives:
    Endpoint<Stats = ReaderStats> + Reads + Receive + Send + Sync + 'static
{
}

/// What writes: every writer, and an end of a [`duplex`](crate::duplex()).
#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
pub trait Writes: HasCore {}

/// What sends, or stands for all that do: every writer, and a [`WeakChannel`].
#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
pub trait Sends: Sending {}

/// What every writer and every reader has. Their own methods of the same names do the same.
#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
pub trait Endpoint: Sealed {
    /// Its figures: those of a writer, or of a reader.
    type Stats;

    /// What it has done so far.
    fn stats(&self) -> Self::Stats;

    /// Whether the channel takes no more slices, or this writer writes no more.
    fn is_closed(&self) -> bool;

    /// Ends it at once.
    fn terminate(&mut self);

    /// The channel that it belongs to, as a handle that looks on and does not keep it open.
    fn channel(&self) -> WeakChannel;
}

pub(crate) trait Sealed {
    fn rename(&self, name: Arc<str>);
}

pub(crate) trait Sending {
    fn shared(&self) -> &Arc<Shared>;

    /// That what was sent so far is read.
    fn sent(&self) -> Flushed;
}

impl Sending for WeakChannel {
    fn shared(&self) -> &Arc<Shared> {
        self.shared()
    }

    fn sent(&self) -> Flushed {
        self.shared().everything()
    }
}

impl Sends for WeakChannel {}

macro_rules! sending {
    ($($writer:ty),*) => {$(
        impl Sending for $writer {
            fn shared(&self) -> &Arc<Shared> {
                self.core().shared()
            }

            fn sent(&self) -> Flushed {
                self.core().sent()
            }
        }

        impl Sends for $writer {}
    )*};
}
sending!(writer::Writer, StrongWriter, WeakWriter);

macro_rules! endpoints {
    ($stats:ident: $($endpoint:ty),*) => {$(
        impl Sealed for $endpoint {
            fn rename(&self, name: Arc<str>) {
                self.set_name(name);
            }
        }

        impl Endpoint for $endpoint {
            type Stats = $stats;

            fn stats(&self) -> $stats {
                self.stats()
            }

            fn is_closed(&self) -> bool {
                self.is_closed()
            }

            fn terminate(&mut self) {
                self.terminate();
            }

            fn channel(&self) -> WeakChannel {
                self.channel()
            }
        }
    )*};
}
endpoints!(ReaderStats: reader::Reader, StrongReader, WeakReader);
endpoints!(WriterStats: writer::Writer, StrongWriter, WeakWriter);

macro_rules! implemented {
    ($($trait:ident: $($endpoint:ty),*;)*) => {$($(
        impl $trait for $endpoint {}
    )*)*};
}
implemented! {
    Reads: reader::Reader, StrongReader, WeakReader;
    Receives: reader::Reader, StrongReader, WeakReader;
    Lends: StrongReader;
    Writes: writer::Writer, StrongWriter, WeakWriter;
}
