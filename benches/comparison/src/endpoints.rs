//! What every contestant is made of: senders and receivers.
//!
//! On threads they are closures, and each driver is generic over these, so that no timed loop has a
//! dynamic call in it.

pub(crate) use crate::message::{Message, Sink};

/// The ring of every contestant, in bytes.
pub(crate) const RING: usize = 64 * 1024;

/// What a contestant is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    /// The bytes of a message.
    pub(crate) size: usize,
    pub(crate) writers: usize,
    pub(crate) readers: usize,
}

impl Setup {
    /// One writer and one reader of messages of so many bytes.
    pub(crate) fn of(size: usize) -> Self {
        Self { name: "", size, writers: 1, readers: 1 }
    }

    /// How many records there is room for.
    pub(crate) fn capacity(self) -> usize {
        RING / self.size
    }
}

/// Sends a message. Returns false if there is no room now; those that wait for it never do.
pub(crate) trait Sender<M: Message + ?Sized = [u8]>:
    FnMut(&M) -> bool + Send + 'static
{
}
impl<M: Message + ?Sized, F: FnMut(&M) -> bool + Send + 'static> Sender<M> for F {}

/// Gives the sink what is there: one message, or several if it gets them in one go. Those that wait
/// give it one at least.
pub(crate) trait Receiver<M: Message + ?Sized = [u8]>:
    FnMut(&mut Sink<M>) + Send + 'static
{
}
impl<M: Message + ?Sized, F: FnMut(&mut Sink<M>) + Send + 'static> Receiver<M> for F {}

/// [`Sender`] for tasks: waits for room.
pub(crate) trait AsyncSender: Send + 'static {
    fn send(&mut self, message: &[u8]) -> impl Future<Output = ()> + Send;
}

/// [`Receiver`] for tasks: waits for the next message, which is as long as `buffer`.
pub(crate) trait AsyncReceiver: Send + 'static {
    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = ()> + Send;
}

/// All endpoints of a contestant.
pub(crate) struct Ends<S, R> {
    pub(crate) senders: Vec<S>,
    pub(crate) receivers: Vec<R>,
    /// What is to be done, untimed, before readers that may be overrun have their turn.
    pub(crate) settle: Option<Box<dyn FnMut()>>,
}

impl<S, R> Ends<S, R> {
    pub(crate) fn new(senders: Vec<S>, receivers: Vec<R>) -> Self {
        Self { senders, receivers, settle: None }
    }

    pub(crate) fn one(sender: S, receiver: R) -> Self {
        Self::new(vec![sender], vec![receiver])
    }

    /// The only sender and the only receiver.
    pub(crate) fn into_one(mut self) -> (S, R) {
        assert_eq!((self.senders.len(), self.receivers.len()), (1, 1), "one writer and one reader");
        (self.senders.remove(0), self.receivers.remove(0))
    }
}

/// A message as a channel of `T` passes it on: made of it when it is sent, and looked at when it is
/// received.
pub(crate) trait Record<M: Message + ?Sized>:
    AsRef<[u8]> + Clone + Send + Sync + 'static
{
    fn pack(message: &M) -> Self;
}

impl<const N: usize> Record<[u8]> for [u8; N] {
    #[inline]
    fn pack(message: &[u8]) -> Self {
        message.try_into().expect("messages are all of one length")
    }
}

impl Record<[u8]> for Box<[u8]> {
    #[inline]
    fn pack(message: &[u8]) -> Self {
        message.into()
    }
}

impl Record<[u8]> for std::sync::Arc<[u8]> {
    #[inline]
    fn pack(message: &[u8]) -> Self {
        message.into()
    }
}

impl Record<[u8]> for bytes::Bytes {
    #[inline]
    fn pack(message: &[u8]) -> Self {
        Self::copy_from_slice(message)
    }
}

/// The ends of a channel of records, by its own calls. They fail only if it is closed.
pub(crate) fn records<M: Message + ?Sized, T: Record<M>, S: Send + 'static, R: Send + 'static>(
    senders: Vec<S>,
    receivers: Vec<R>,
    send: impl Fn(&mut S, T) -> bool + Copy + Send + 'static,
    receive: impl Fn(&mut R) -> Option<T> + Copy + Send + 'static,
) -> Ends<impl Sender<M>, impl Receiver<M>> {
    let sender = |mut sender: S| {
        move |message: &M| send(&mut sender, T::pack(message)) || panic!("the channel is closed")
    };
    let receiver = |mut receiver: R| {
        move |sink: &mut Sink<M>| {
            sink.accept(receive(&mut receiver).expect("the channel is open").as_ref());
        }
    };
    Ends::new(
        senders.into_iter().map(sender).collect(),
        receivers.into_iter().map(receiver).collect(),
    )
}
