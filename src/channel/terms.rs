//! Words that all parts of a channel share.

/// What happens to a write when the ring is full of bytes that strong readers have not read yet.
///
/// A channel has one, and its writers begin with that. Each may be given
/// [another](crate::Writer::set_backpressure), so that errors wait and debug lines do not. To wait for a
/// while and then drop, use `send_or_drop` of the [writers](crate::Writer::send_or_drop), and of those
/// that [park the thread](crate::Blocking::send_or_drop).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Backpressure {
    /// The writer waits.
    #[default]
    Block,
    /// The whole write or message is discarded. `send` tells so by [`Sent::Dropped`]. The io traits
    /// cannot tell it: they report success. The writer and the channel count it, as one slice and in
    /// bytes, and with the feature `tracing` there are events. `try_write`, `try_send` and `reserve`
    /// fail with `Full` instead, and count nothing.
    ///
    /// A message that was dropped has smaller ones of other writers leave it room for a while, so that
    /// large messages [get their share](crate::guide::loss#large-messages-among-small-ones).
    ///
    /// A write is never split: it is one slice or none. One that is longer than the longest slice is
    /// always discarded by the io traits. `try_write` and `send` fail with `TooLong`.
    Drop,
}

/// What became of a message that was sent.
///
/// With [`Backpressure::Block`] it is always `Delivered`, except within an event of the feature
/// `tracing`, where nobody waits. So who has no use for the answer may ignore it.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::{Backpressure, Channel, Sent};
///
/// let channel = Channel::with_parameters(64, Backpressure::Drop); // room for one message
/// let _reader = channel.new_strong_reader();
/// let mut writer = channel.new_writer();
/// assert_eq!(writer.send(b"one").await?, Sent::Delivered);
/// assert_eq!(writer.send(b"two").await?, Sent::Dropped);
/// # Ok::<(), overfall::error::SendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It is in the ring. Strong readers get it, and weak ones unless they are overrun.
    Delivered,
    /// There was no room for it. It is counted as dropped, and readers learn of it from the next
    /// message of its writer.
    Dropped,
}

/// Where a new reader starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum StartAt {
    /// At the oldest slice that is left. For a weak reader that is the oldest one that was not
    /// overwritten, for a strong reader the oldest one that was not given back to the writers.
    #[default]
    Oldest,
    /// At the next slice to be reserved.
    Now,
    /// At most this many payload bytes back, in whole slices. With slices of 40 bytes, `Back(100)`
    /// starts two slices back. The search takes time in proportion to the slices in the ring.
    Back(u64),
}

/// When [`Channel::take_hold`](crate::Channel::take_hold) and
/// [`Channel::end_reader`](crate::Channel::end_reader) take effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakesEffect {
    /// At once. Writers no longer wait for the reader.
    Now,
    /// With the reader's next call, or the end of what it lends: it is in the middle of a read, or lends
    /// bytes or messages, which must not be overwritten. Writers wait for it until then.
    AfterLend,
}

/// Whether, and how, the channel has come to its end. It only ever rises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Open,
    /// No more slices; what is there may be read to the end.
    Drained,
    /// Everybody fails.
    Terminated,
}

/// Which kind of endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strength {
    Strong,
    Weak,
}
