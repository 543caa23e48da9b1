//! What both handles of a channel can do: the one that keeps it open, and the one that only looks on.

/// The methods that both handles have. Each has a field `shared`.
macro_rules! handle_methods {
    ($handle:ident) => {
        impl $handle {
            /// The size of the ring in bytes: what was asked for, rounded up to a power of two.
            ///
            /// Writers go at most this far past a strong reader that stands still. A weak reader that is
            /// further behind than this is overrun. A slice takes whole granules of 64 bytes.
            pub fn capacity(&self) -> usize {
                self.shared.ring.capacity() as usize
            }

            /// What happens to a write when the ring is full, unless its writer was
            /// [given](crate::Writer::set_backpressure) another backpressure.
            pub fn backpressure(&self) -> Backpressure {
                self.shared.backpressure
            }

            /// The name that the [`Builder`](crate::Builder) gave the channel, if it did.
            pub fn name(&self) -> Option<&str> {
                self.shared.name.as_deref()
            }

            /// The longest slice, in payload bytes: the capacity, or 4 GiB less 64 if that is less. A
            /// longer write becomes several slices, each of a quarter of the capacity.
            pub fn max_slice(&self) -> usize {
                self.shared.ring.geometry().max_slice() as usize
            }

            /// A new reader that writers wait for. It starts at the oldest slice that is left.
            ///
            /// Make it before the first write, or have writers
            /// [wait for it](crate::Builder::wait_for_strong_reader). What was overwritten earlier is lost
            /// to it, and counted in the [statistics](crate::stats::ChannelStats::overwritten_slices).
            ///
            /// # Panics
            ///
            /// If the channel has 16 777 212 readers already.
            #[track_caller]
            pub fn new_strong_reader(&self) -> StrongReader {
                self.new_strong_reader_at(StartAt::Oldest)
            }

            /// A new reader that writers wait for.
            ///
            /// # Panics
            ///
            /// If the channel has 16 777 212 readers already.
            #[track_caller]
            pub fn new_strong_reader_at(&self, start: StartAt) -> StrongReader {
                let reader = StrongReader::new(&self.shared, start);
                #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
                let reader = crate::channel::reader::only::unless_second(reader);
                reader
            }

            /// A new reader that can be overrun. It starts at the oldest slice that is left.
            ///
            /// # Panics
            ///
            /// If the channel has 16 777 212 readers already.
            #[track_caller]
            pub fn new_weak_reader(&self) -> WeakReader {
                self.new_weak_reader_at(StartAt::Oldest)
            }

            /// A new reader that can be overrun.
            ///
            /// # Panics
            ///
            /// If the channel has 16 777 212 readers already.
            #[track_caller]
            pub fn new_weak_reader_at(&self, start: StartAt) -> WeakReader {
                let reader = WeakReader::new(&self.shared, start);
                #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
                let reader = crate::channel::reader::only::unless_second(reader);
                reader
            }

            /// Takes the hold of a strong reader that keeps writers back, so that they no longer wait for it.
            /// [`stats`](Self::stats) tells the numbers of readers, and how far each is behind.
            ///
            /// From then on all calls of that reader fail with
            /// [`HoldTaken`](crate::error::ReadError::HoldTaken), also one that waits. It can be overrun, and
            /// counts as a weak reader. [`into_weak`](StrongReader::into_weak) goes on from where it stands. If
            /// there is no other strong reader, writers [overwrite](crate::guide::loss#strong-readers) what is
            /// oldest.
            ///
            /// What the reader lends is never overwritten. Messages, and bytes that
            /// [`try_fill_buf`](StrongReader::try_fill_buf) or a peek has lent, hold writers back until the
            /// reader drops or consumes them, or does something else. Then the hold is taken [after
            /// that](TakesEffect::AfterLend).
            ///
            /// Returns `None` if there is no strong reader with this number, or its hold was taken before.
            ///
            /// It looks at each granule of the ring that the reader has not come to: some nanoseconds for each.
            /// Meanwhile it has a lock that endpoints take when they come and go. A reader that reads does not
            /// wait for it.
            ///
            /// ```
            /// use overfall::error::TryReadError;
            /// use overfall::{Channel, TakesEffect};
            ///
            /// let channel = Channel::new(64); // room for one message
            /// let mut writer = channel.new_writer();
            /// let mut stuck = channel.new_strong_reader();
            /// stuck.set_name("printer");
            /// writer.try_send(b"one")?;
            /// assert!(writer.try_send(b"two").is_err());
            ///
            /// let stats = channel.stats();
            /// let slowest = stats.slowest_reader().unwrap();
            /// assert_eq!(slowest.name.as_deref(), Some("printer"));
            /// assert_eq!(channel.take_hold(slowest.id), Some(TakesEffect::Now));
            /// writer.try_send(b"two")?;
            ///
            /// assert_eq!(stuck.try_recv().unwrap_err(), TryReadError::HoldTaken);
            /// let mut weak = stuck.into_weak();
            /// assert!(matches!(weak.try_recv(), Err(TryReadError::Lagged(_))));
            /// assert_eq!(*weak.try_recv()?.unwrap(), *b"two");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn take_hold(&self, reader: u32) -> Option<TakesEffect> {
                self.shared.take_hold(reader, false)
            }

            /// Ends a strong reader, as its own [`terminate`](StrongReader::terminate) does. Its calls fail with
            /// `Terminated`, also one that waits, and it counts as gone.
            ///
            /// When this takes effect, and what it returns, is as for [`take_hold`](Self::take_hold).
            pub fn end_reader(&self, reader: u32) -> Option<TakesEffect> {
                self.shared.take_hold(reader, true)
            }

            /// Closes the channel for writers, and lets readers read what is there.
            ///
            /// Writes fail with `Closed` ([`std::io::ErrorKind::BrokenPipe`]). Slices in flight can still
            /// be committed, and readers wait for them. After the last slice, reads return `Ok(0)` and
            /// receives `Ok(None)`. Draining again does nothing.
            ///
            /// # Errors
            ///
            /// [`ChannelError::Terminated`] if the channel was terminated before, [`ChannelError::Failed`]
            /// if it failed. Nothing changes then.
            pub fn drain(&self) -> Result<(), ChannelError> {
                if self.shared.ending() == Ending::Terminated {
                    return Err(ChannelError::Terminated);
                }
                self.shared.end(Ending::Drained);
                // It may have been terminated since, by a waker too: then this came before.
                let has_failed = self.shared.ending() == Ending::Failed;
                if has_failed { Err(ChannelError::Failed) } else { Ok(()) }
            }

            /// Closes the channel for writers, as [`drain`](Self::drain), but with an error: every reader
            /// reads what is there, and then gets [`ReadError::Failed`](crate::error::ReadError::Failed)
            /// in place of the end. So do readers that come later, each time that they read.
            ///
            /// Slices in flight can still be committed, and are read before the error. Writes fail with
            /// `Closed`, as after a drain: what the channel failed with is told by
            /// [`failure`](Self::failure).
            ///
            /// The first of `drain` and `fail` counts. [`terminate`](Self::terminate) overrides both.
            ///
            /// # Errors
            ///
            /// [`FailError`] if the channel had ended before. Nothing changes then.
            pub fn fail(
                &self,
                error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
            ) -> Result<(), FailError> {
                self.shared.fail(Failure::new(error))
            }

            /// What the channel failed with; nothing if it has not, or was terminated since.
            pub fn failure(&self) -> Option<Failure> {
                self.shared.failure()
            }

            /// Ends the channel at once, also while it drains. What was unread is gone.
            ///
            /// All operations of all endpoints fail with `Terminated`
            /// ([`std::io::ErrorKind::ConnectionAborted`]), those that wait too. Terminating again does
            /// nothing.
            pub fn terminate(&self) {
                self.shared.end(Ending::Terminated);
            }

            /// Whether the channel takes no more slices. Once true, it stays true.
            pub fn is_closed(&self) -> bool {
                self.shared.ending() != Ending::Open
            }

            /// Waits until the channel takes no more slices.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, nothing is lost. It does not borrow the handle, and does not keep
            /// the channel open.
            pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
                Waiting::new(&self.shared, Closed)
            }

            /// Waits until all strong readers have read what was sent so far: until they
            /// have given back the room of it. What is sent while it waits does not count.
            /// Slices that are in flight at the call count as well.
            /// A strong reader that goes is not waited for any more, while another one is there.
            ///
            /// # Errors
            ///
            /// - [`FlushError::Unread`] if there is no strong reader to read it, and none is
            ///   [waited for](crate::AfterLast::Wait): the last one went before it had, or none came in
            ///   time. This stays so, also if a later reader starts at the oldest slice and finds it.
            /// - [`FlushError::Terminated`] if the channel was terminated.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, nothing is lost. It does not borrow the handle, and does not keep
            /// the channel open.
            pub fn flushed(&self) -> impl Future<Output = Result<(), FlushError>> + Send + 'static {
                Waiting::new(&self.shared, self.shared.everything())
            }

            /// Waits until there is a reader, strong or weak; at once, if there is one.
            ///
            /// With [`reader_absent`](Self::reader_absent) a producer works only while somebody listens.
            /// The channel needs a [`Channel`](crate::Channel) meanwhile: without that it closes when its
            /// last reader goes.
            ///
            /// ```
            /// # futures::executor::block_on(async {
            /// use overfall::{AfterLast, Channel};
            ///
            /// let builder = Channel::builder().size(1024);
            /// let channel = builder.after_last_strong_reader(AfterLast::Overwrite).build()?;
            /// let mut writer = channel.new_writer();
            /// let mut listener = channel.new_strong_reader();
            /// let produce = async {
            ///     while writer.reader_present().await.is_ok() {
            ///         let gone = writer.reader_absent();
            ///         // ... until `gone` is ready:
            ///         writer.send(b"news").await?;
            ///         gone.await;
            ///     }
            ///     Ok::<(), overfall::error::SendError>(())
            /// };
            /// let listen = async {
            ///     assert_eq!(listener.recv().await.unwrap().as_deref(), Some(&b"news"[..]));
            ///     drop(listener);
            ///     channel.drain()
            /// };
            /// let (produced, drained) = futures::future::join(produce, listen).await;
            /// # (produced?, drained?);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// [`WriteError`] if the channel takes no more slices.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, nothing is lost. It does not borrow the handle, and does not keep
            /// the channel open.
            pub fn reader_present(
                &self,
            ) -> impl Future<Output = Result<(), WriteError>> + Send + 'static {
                Waiting::new(&self.shared, Attended(true))
            }

            /// Waits until there is no reader, neither strong nor weak, or until the channel takes no
            /// more slices.
            ///
            /// # Cancel safety
            ///
            /// As for [`reader_present`](Self::reader_present).
            pub fn reader_absent(&self) -> impl Future<Output = ()> + Send + 'static {
                let absent = Waiting::new(&self.shared, Attended(false));
                async move {
                    let _whether_it_is_closed = absent.await;
                }
            }

            /// The name of the writer with this number, if it has one. It is known for as long as the ring
            /// holds a message of that writer, even after the writer is dropped.
            pub fn writer_name(&self, writer: u32) -> Option<Arc<str>> {
                self.shared.writer_name(writer)
            }

            /// What the channel has done so far. This adds up the figures of all endpoints, in time
            /// proportional to their number, and slows none of them. While the ring overwrites because no
            /// strong reader is there, it also looks at each slice of the ring.
            pub fn stats(&self) -> ChannelStats {
                self.shared.stats()
            }

            /// Records these as counters and gauges, each time that it is told to.
            #[cfg(feature = "metrics")]
            #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
            pub fn metrics(&self) -> ChannelMetrics {
                ChannelMetrics::new(self.shared.clone())
            }
        }

        impl fmt::Debug for $handle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct(stringify!($handle));
                debug.field("name", &self.name());
                debug.field("stats", &self.stats()).field("ending", &self.shared.ending()).finish()
            }
        }
    };
}
pub(super) use handle_methods;
