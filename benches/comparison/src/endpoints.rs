//! What every contestant is made of: senders and receivers.
//!
//! On threads they are closures, and each driver is generic over these, so that no timed loop has a
//! dynamic call in it.

pub(crate) use crate::message::Sink;
use std::sync::Arc;

/// The ring of every contestant, in bytes.
pub(crate) const RING: usize = 64 * 1024;

/// What a contestant is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    /// The bytes of a message.
    pub(crate) size: usize,
    /// Messages become [events](crate::event).
    pub(crate) is_typed: bool,
    pub(crate) writers: usize,
    pub(crate) readers: usize,
    /// The threads of the runtime, where the endpoints are tasks.
    pub(crate) workers: usize,
    pub(crate) wait: Wait,
}

/// How a thread waits whose endpoint does not wait by itself.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// Spins, with a processor hint: for as many threads as there are cores.
    Spin,
    /// Spins, and lets others have the core now and then: they may be the ones it waits for.
    Yield,
}

impl Setup {
    /// One writer and one reader of messages of so many bytes.
    pub(crate) fn of(size: usize) -> Self {
        let (writers, readers, workers) = (1, 1, 2);
        Self { name: "", size, is_typed: false, writers, readers, workers, wait: Wait::Yield }
    }

    /// How many records there is room for.
    pub(crate) fn capacity(self) -> usize {
        RING / self.size
    }
}

/// Sends a message. Returns false if there is no room now; those that wait for it never do.
pub(crate) trait Sender: FnMut(&[u8]) -> bool + Send + 'static {}
impl<F: FnMut(&[u8]) -> bool + Send + 'static> Sender for F {}

/// Gives the sink what is there: one message, or several if it gets them in one go. Those that wait
/// give it one at least.
pub(crate) trait Receiver: FnMut(&mut Sink) + Send + 'static {}
impl<F: FnMut(&mut Sink) + Send + 'static> Receiver for F {}

/// [`Sender`] for tasks: waits for room.
pub(crate) trait AsyncSender: Send + 'static {
    fn send(&mut self, message: &[u8]) -> impl Future<Output = ()> + Send;
}

/// [`Receiver`] for tasks: waits for the next message, and gives it to the sink.
pub(crate) trait AsyncReceiver: Send + 'static {
    fn receive(&mut self, sink: &mut Sink) -> impl Future<Output = ()> + Send;
}

/// All endpoints of a contestant.
pub(crate) struct Ends<S, R> {
    pub(crate) senders: Vec<S>,
    pub(crate) receivers: Vec<R>,
    /// What is to be done, untimed, before each batch, by those drivers that have batches.
    pub(crate) prepare: Option<Prepare>,
}

pub(crate) type Prepare = Box<dyn FnMut() + Send>;

impl<S, R> Ends<S, R> {
    pub(crate) fn new(
        senders: impl IntoIterator<Item = S>,
        receivers: impl IntoIterator<Item = R>,
    ) -> Self {
        let (senders, receivers) = (Vec::from_iter(senders), Vec::from_iter(receivers));
        Self { senders, receivers, prepare: None }
    }

    pub(crate) fn one(sender: S, receiver: R) -> Self {
        Self::new([sender], [receiver])
    }

    /// The only sender and the only receiver.
    pub(crate) fn into_one(mut self) -> (S, R) {
        assert_eq!((self.senders.len(), self.receivers.len()), (1, 1), "one writer and one reader");
        (self.senders.remove(0), self.receivers.remove(0))
    }
}

/// A message as a channel of `T` passes it on.
pub(crate) trait Record: AsRef<[u8]> + Clone + Send + Sync + 'static {}
impl<T: AsRef<[u8]> + Clone + Send + Sync + 'static> Record for T {}

/// Makes a record of a message when it is sent.
pub(crate) trait Pack<T>: FnMut(&[u8]) -> T + Clone + Send + 'static {}
impl<T, F: FnMut(&[u8]) -> T + Clone + Send + 'static> Pack<T> for F {}

#[inline]
pub(crate) fn array<const N: usize>(message: &[u8]) -> [u8; N] {
    message.try_into().expect("messages are all of one length")
}

#[inline]
pub(crate) fn boxed(message: &[u8]) -> Box<[u8]> {
    message.into()
}

#[inline]
pub(crate) fn shared(message: &[u8]) -> Arc<[u8]> {
    message.into()
}

/// The ends of a channel of records, by its own calls. They fail only if it is closed.
pub(crate) fn records<T: Record, S: Send + 'static, R: Send + 'static>(
    senders: impl IntoIterator<Item = S>,
    receivers: impl IntoIterator<Item = R>,
    pack: impl Pack<T>,
    send: impl Fn(&mut S, T) -> bool + Copy + Send + 'static,
    receive: impl Fn(&mut R) -> Option<T> + Copy + Send + 'static,
) -> Ends<impl Sender, impl Receiver> {
    let sender = |mut sender: S| {
        let mut pack = pack.clone();
        move |message: &[u8]| send(&mut sender, pack(message)) || panic!("the channel is closed")
    };
    let receiver = |mut receiver: R| {
        move |sink: &mut Sink| {
            sink.accept(receive(&mut receiver).expect("the channel is open").as_ref());
        }
    };
    Ends::new(senders.into_iter().map(sender), receivers.into_iter().map(receiver))
}
