//! The handle that looks on, and the way to it from each endpoint.

use crate::channel::handle::handle_methods;
#[cfg(feature = "metrics")]
use crate::channel::metrics::ChannelMetrics;
use crate::channel::reader::{Read, Reader, StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::stats::ChannelStats;
use crate::channel::terms::{Backpressure, Ending, StartAt, TakesEffect};
use crate::channel::waiting::{Attended, Closed, Waiting};
use crate::channel::writer::{StrongWriter, WeakWriter, Writer};
use crate::error::{ChannelError, FailError, Failure, FlushError, WriteError};
use std::fmt;
use std::sync::Arc;

/// A handle of a channel that looks on: it does not keep the channel open.
///
/// [`Channel::downgrade`](crate::Channel::downgrade) makes one, and `channel` of each endpoint does,
/// also where there is no [`Channel`](crate::Channel) any more, as after [`pipe`](crate::pipe()). It shows
/// figures, ends the channel, and makes readers. It makes no writers, since these keep a channel open.
///
/// Two are equal if they are of the same channel.
///
/// It keeps the memory of the ring, for as long as it is there. A reader that it makes of a channel
/// that has ended reads what is left, and then comes to the end.
///
/// # A dashboard
///
/// ```
/// use overfall::Channel;
/// use std::{thread, time::Duration};
///
/// let channel = Channel::new(4096);
/// let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
/// let looks_on = channel.downgrade();
/// let dashboard = thread::spawn(move || {
///     while !looks_on.is_closed() {
///         println!("{} bytes so far", looks_on.stats().payload_bytes);
///         thread::sleep(Duration::from_millis(10));
///     }
/// });
///
/// writer.try_send(b"all there is")?;
/// drop((channel, writer)); // the dashboard keeps nothing open
/// assert_eq!(reader.try_recv()?.as_deref(), Some(&b"all there is"[..]));
/// assert!(reader.try_recv()?.is_none());
/// dashboard.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WeakChannel {
    shared: Arc<Shared>,
}

impl WeakChannel {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

handle_methods!(WeakChannel);

impl PartialEq for WeakChannel {
    /// Whether both are of the same channel.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for WeakChannel {}

macro_rules! endpoints {
    ($($endpoint:ident: |$this:ident| $core:expr;)*) => {$(
        impl $endpoint {
            /// The channel that it belongs to, as a handle that looks on and does not keep it open.
            ///
            /// ```
            /// let (writer, reader) = overfall::pipe(1024);
            /// assert!(writer.channel() == reader.channel());
            /// assert_eq!(reader.channel().stats().strong_writers, 1);
            /// ```
            #[doc(alias = "same_channel")]
            pub fn channel(&self) -> WeakChannel {
                let $this = self;
                WeakChannel::new($core.shared())
            }
        }
    )*};
}
endpoints! {
    StrongWriter: |writer| writer.core();
    WeakWriter: |writer| writer.core();
    Writer: |writer| writer.core();
    StrongReader: |reader| Read::core(reader);
    WeakReader: |reader| Read::core(reader);
    Reader: |reader| Read::core(reader);
}
