//! Sending messages: the methods of every kind of writer.

/// The methods for messages that every kind of writer has.
macro_rules! send_methods {
    ($writer:ident) => {
        /// Messages. Each is sent as one slice, or not at all.
        impl $writer {
            /// Sends a message without waiting. It may be empty. Readers of bytes do not see an
            /// empty one.
            ///
            /// ```
            /// let (mut writer, mut reader) = overfall::pipe(4096);
            /// writer.try_send("text")?;
            /// writer.try_send(b"bytes")?;
            /// writer.try_send(vec![1, 2, 3])?;
            /// assert_eq!(reader.try_recv()?.unwrap(), b"text");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            ///
            /// # Errors
            ///
            /// - [`TrySendError::Full`] if there is no room, or if others wait for it or have a
            ///   [claim](crate::guide::loss#large-messages-among-small-ones) to it. Nothing was sent,
            ///   and nothing is counted as dropped.
            /// - [`TrySendError::TooLong`] if no slice can be that long.
            /// - [`TrySendError::Closed`] if the channel takes no more slices, or this writer was
            ///   shut down.
            /// - [`TrySendError::Terminated`] if the channel or this writer was terminated.
            #[inline(always)]
            pub fn try_send(&mut self, message: impl AsRef<[u8]>) -> Result<(), TrySendError> {
                self.core_mut().try_send(message.as_ref())
            }

            /// Sends a message, and waits for room if need be.
            ///
            /// With [`Backpressure::Drop`](crate::Backpressure::Drop), and from within an event of
            /// the feature `tracing`, it does not wait. A message for which there is no room is
            /// then dropped and counted, and this returns [`Sent::Dropped`]. The message uses up
            /// its sequence number, so readers learn of it from the next message of this writer.
            ///
            /// # Errors
            ///
            /// As for [`try_send`](Self::try_send), except `Full`.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, nothing was sent, nothing is counted as
            /// dropped, and the next writer in the line moves up.
            pub async fn send(&mut self, message: impl AsRef<[u8]>) -> Result<Sent, SendError> {
                self.core_mut().send(message.as_ref()).await
            }

            /// Sends a message, and waits for room until `until` is ready. Then the message is dropped
            /// and counted, as with [`Backpressure::Drop`](crate::Backpressure::Drop).
            ///
            /// It waits whatever the [backpressure](Self::backpressure) of this writer, except from
            /// within an event of the feature `tracing`: there the message is dropped at once. What
            /// `until` returns does not matter. It is not polled if there is room at once.
            ///
            /// ```
            /// # futures::executor::block_on(async {
            /// use overfall::{Channel, Sent};
            /// use std::future::ready;
            ///
            /// let channel = Channel::new(64); // room for one message
            /// let _reader = channel.new_strong_reader();
            /// let mut writer = channel.new_writer();
            /// // With tokio, for instance, `tokio::time::sleep(Duration::from_millis(5))`.
            /// let time_is_up = ready(());
            /// assert_eq!(writer.send_or_drop(b"one", time_is_up.clone()).await?, Sent::Delivered);
            /// assert_eq!(writer.send_or_drop(b"two", time_is_up).await?, Sent::Dropped);
            /// assert_eq!(writer.stats().dropped_slices, 1);
            /// # Ok::<(), overfall::error::SendError>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// As for [`send`](Self::send).
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, nothing was sent, and nothing is counted as
            /// dropped.
            pub async fn send_or_drop(
                &mut self,
                message: impl AsRef<[u8]>,
                until: impl Future,
            ) -> Result<Sent, SendError> {
                self.core_mut().send_or_drop(message.as_ref(), until).await
            }

            /// Sends several messages without waiting, with one reservation and one wake-up.
            /// Readers see all of them, one right after the other, or none.
            ///
            /// The iterator is cloned, and gone through twice: for the room, and to write. Cheap to clone
            /// are those of references, as `&messages` and `messages.iter()`.
            ///
            /// ```
            /// let (mut writer, mut reader) = overfall::pipe(4096);
            /// writer.try_send_many(&["a", "few", "words"])?;
            /// let lines: Vec<Vec<u8>> = vec![b"and".to_vec(), b"lines".to_vec()];
            /// writer.try_send_many(&lines)?;
            /// writer.try_send_many(lines.iter().filter(|line| line.len() > 3))?;
            /// assert_eq!(reader.try_recv_many(9)?.unwrap().len(), 6);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            ///
            /// # Errors
            ///
            /// As for [`try_send`](Self::try_send). Together they must fit into one slice, where
            /// each message takes whole granules of 64 bytes. [`TrySendError::TooLong`] tells these
            /// ring bytes.
            ///
            /// # Panics
            ///
            /// If the messages become longer or shorter from one time to the next. None is sent then.
            pub fn try_send_many(
                &mut self,
                messages: impl IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
            ) -> Result<(), TrySendError> {
                self.core_mut().try_send_many(&messages.into_iter())
            }

            /// Like [`try_send_many`](Self::try_send_many), but waits for room as
            /// [`send`](Self::send) does. All of them are delivered, or all dropped.
            ///
            /// # Errors
            ///
            /// As for `try_send_many`, except `Full`.
            ///
            /// # Cancel safety
            ///
            /// As for `send`.
            pub async fn send_many(
                &mut self,
                messages: impl IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
            ) -> Result<Sent, SendError> {
                self.core_mut().send_many(&messages.into_iter()).await
            }

            /// Counts messages of another place as missed: this writer stands for one that is not of
            /// this channel, and so many of its messages, with so many payload bytes, were lost on the
            /// way here. To readers it is as if this writer had [dropped](crate::Backpressure::Drop)
            /// them here and now. They use up their sequence numbers, and count as dropped in the
            /// [figures](crate::stats::WriterStats::dropped_slices).
            ///
            /// All readers that are there miss them, strong and weak ones: the header of the next
            /// message of this writer tells it, and [`missed`](crate::StrongReader::missed) does from
            /// now on, also if no message follows. So what is reported before the channel ends is known
            /// to a reader that comes to the end.
            ///
            /// It takes no room and never waits, so that it has no other forms. No reader is woken for it.
            /// Of a write that was split, the rest is given up.
            ///
            /// ```
            /// use overfall::Channel;
            ///
            /// let channel = Channel::new(4096);
            /// let mut reader = channel.new_strong_reader();
            /// let mut far = channel.new_writer(); // stands for a writer on another machine
            /// far.try_send("its message 0")?;
            /// // Its message 3 arrives next. The network tells that 40 bytes are gone.
            /// far.report_missed(2, 40)?;
            /// far.try_send("its message 3")?;
            ///
            /// assert_eq!(reader.try_recv()?.unwrap().header().missed.messages, 0);
            /// let header = reader.try_recv()?.unwrap().header();
            /// assert_eq!((header.sequence, header.missed.messages, header.missed.bytes), (3, 2, 40));
            /// assert_eq!(reader.missed(), header.missed);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            ///
            /// # Errors
            ///
            /// Nothing is counted then.
            ///
            /// - [`ReportMissedError::NoMessage`] for bytes without a message.
            /// - [`ReportMissedError::TooMany`] if this writer had then sent and missed 2^61 messages, or
            ///   bytes, or more.
            /// - [`ReportMissedError::Closed`] if the channel takes no more slices, or this writer was
            ///   shut down.
            /// - [`ReportMissedError::Terminated`] if the channel or this writer was terminated.
            pub fn report_missed(
                &mut self,
                messages: u64,
                bytes: u64,
            ) -> Result<(), ReportMissedError> {
                self.core_mut().report_missed(messages, bytes)
            }

            /// The number of this writer, which the [`Header`](crate::Header) of its messages
            /// tells. Numbers count up from 1 as writers are made, and start over after 2^32. No
            /// two writers that live at the same time have the same.
            pub fn id(&self) -> u32 {
                self.core().id()
            }

            /// Gives this writer a name, which readers find by its number. Clones do not inherit
            /// it.
            pub fn set_name(&self, name: impl Into<std::sync::Arc<str>>) {
                self.core().shared().name_writer(self.id(), name.into());
            }
        }
    };
}
pub(super) use send_methods;
