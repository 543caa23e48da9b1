//! A look at the next message, which stays where it is until it is acknowledged.

use super::Receive;
use crate::channel::reader::message::Header;
use crate::channel::reader::message::compare::compare_with_bytes;
use crate::ring::descriptor::Description;
use std::fmt;
use std::ops::Deref;

/// The next message, which is not received yet. [`consume`](Self::consume) receives it. Dropped, it
/// changes nothing: the next receive, or peek, finds the same message.
///
/// Made by `peek` and `try_peek` of the readers. It dereferences to the bytes of the message: a strong
/// reader lends them where they lie in the ring, a weak one copies them.
///
/// So a message can be handed over in a way that may be cancelled, and is not lost by that:
///
/// ```
/// # futures::executor::block_on(async {
/// use futures::FutureExt;
/// use overfall::{StrongReader, StrongWriter};
///
/// /// Passes the next message on. Dropped while it waits, it has passed on nothing.
/// async fn pass_on(from: &mut StrongReader, to: &mut StrongWriter) -> std::io::Result<bool> {
///     let Some(message) = from.peek().await? else { return Ok(false) };
///     to.send(&message).await?;
///     message.consume();
///     Ok(true)
/// }
///
/// let (mut writer, mut from) = overfall::pipe(1024);
/// let (mut to, mut far) = overfall::pipe(64); // room for one message
/// writer.try_send("one")?;
/// writer.try_send("two")?;
///
/// assert!(pass_on(&mut from, &mut to).await?);
/// // As in a `select!` whose other branch was ready first: there is no room for the second one.
/// assert!(pass_on(&mut from, &mut to).now_or_never().is_none());
///
/// assert_eq!(far.recv().await?.unwrap(), b"one");
/// assert!(pass_on(&mut from, &mut to).await?);
/// assert_eq!(far.recv().await?.unwrap(), b"two");
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// What is peeked counts as unread, and a strong reader keeps its room. A weak reader that is overrun
/// before it consumes has its copy, and `consume` receives it. If it does not consume, the next look
/// tells the gap as usual.
#[must_use = "dropped without `consume`, the message is found again"]
pub struct Peeked<'a> {
    reader: &'a mut (dyn Receive + Send + Sync),
    description: Description,
}

impl<'a> Peeked<'a> {
    /// The message that `reader` has looked at.
    pub(crate) fn new(
        reader: &'a mut (dyn Receive + Send + Sync),
        description: Description,
    ) -> Self {
        Self { reader, description }
    }

    /// Who sent it, its number and position, and what was missed before it.
    pub fn header(&self) -> Header {
        self.reader.seen().0
    }

    /// Receives the message. Writers get its room back.
    pub fn consume(self) {
        self.reader.consume_seen(&self.description);
    }
}

impl Drop for Peeked<'_> {
    fn drop(&mut self) {
        self.reader.leave_seen();
    }
}

impl Deref for Peeked<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.reader.seen().1
    }
}

impl AsRef<[u8]> for Peeked<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

compare_with_bytes!(Peeked<'_>);

impl fmt::Debug for Peeked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeked")
            .field("header", &self.header())
            .field("bytes", &format_args!("b\"{}\"", self.escape_ascii()))
            .finish()
    }
}
