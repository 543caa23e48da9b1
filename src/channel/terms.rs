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
    /// At the newest message that is there; if there is none, at the next one.
    Newest,
    /// At a position that was noted, in ring bytes: [`Header::position`](crate::Header::position), to
    /// read that message again, or [`ReaderStats::position`](crate::stats::ReaderStats::position), to go
    /// on where a reader stood, also in the middle of a slice that it had read in part.
    ///
    /// If what was there is gone, the reader starts at the oldest slice that is left. A weak reader tells
    /// the gap by its first read, as [`Lagged`](crate::error::Lagged). What was sent before the reader
    /// started is no part of what it [missed](crate::WeakReader::missed). A position that the channel has
    /// not come to stands for `Now`. One within a slice in flight, or in what was given up, stands for
    /// the start of that, or for what comes behind. Positions of another channel mean nothing.
    ///
    /// ```
    /// use overfall::{Channel, StartAt};
    ///
    /// let channel = Channel::new(4096);
    /// let (mut writer, mut first) = (channel.new_writer(), channel.new_weak_reader());
    /// writer.try_send_many(&["one", "two", "three"])?;
    /// first.try_recv()?;
    /// let noted = first.stats().position;
    /// drop(first);
    ///
    /// let mut second = channel.new_weak_reader_at(StartAt::Position(noted));
    /// assert_eq!(second.try_recv()?.unwrap(), b"two");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Position(u64),
}

/// What becomes of a channel when its last strong reader has gone, until another one comes:
/// [`Builder::after_last_strong_reader`](crate::Builder::after_last_strong_reader).
///
/// A reader goes when it is dropped or [terminated](crate::StrongReader::terminate), or when its thread
/// panics. One that is [turned weak](crate::StrongReader::into_weak) does not go: it says that from now
/// on the ring may overwrite, and so it does, whatever is set here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum AfterLast {
    /// The channel ends, as by [`drain`](crate::Channel::drain): writers learn that nobody keeps what
    /// they write.
    #[default]
    Close,
    /// Nothing is overwritten: writers wait, once the ring is full. The next strong reader goes on where
    /// the last one stopped, at the slice that this one had not read to its end.
    Wait,
    /// Writers never wait, and overwrite the oldest slices. What is lost so is counted
    /// ([`ChannelStats::overwritten_slices`](crate::stats::ChannelStats::overwritten_slices)).
    Overwrite,
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

/// Whether, and how, the channel has come to its end. The first of the middle two stays,
/// and the last one overrides all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Open,
    /// No more slices; what is there may be read to the end.
    Drained,
    /// The same, but that an error comes in place of the end.
    Failed,
    /// Everybody fails.
    Terminated,
}

/// Which kind of endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strength {
    Strong,
    Weak,
}
