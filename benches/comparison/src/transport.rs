//! What the contestants have in common. Each case is generic over these, so that no timed loop has
//! a dynamic call in it.

/// The writing end of something that passes messages on.
pub(crate) trait Sender: Send + 'static {
    /// Sends a message. False if there is no room now, which those who wait for it never say.
    fn send(&mut self, message: &[u8]) -> bool;
}

/// The reading end.
pub(crate) trait Receiver: Send + 'static {
    /// Copies the next message, which is as long as `buffer`, into it. False if there is none now,
    /// which those who wait for it never say.
    fn receive(&mut self, buffer: &mut [u8]) -> bool;
}

/// Receives several messages at a time where a rival lends them like that.
pub(crate) trait ReceiveMany: Send + 'static {
    /// Copies the next messages into `buffer`, one by one, at most so many, and shows each. Tells how
    /// many there were.
    fn receive_many(&mut self, buffer: &mut [u8], most: u64, each: impl FnMut(&mut [u8])) -> u64;
}

impl<R: Receiver> ReceiveMany for R {
    #[inline]
    fn receive_many(
        &mut self,
        buffer: &mut [u8],
        _most: u64,
        mut each: impl FnMut(&mut [u8]),
    ) -> u64 {
        let is_there = self.receive(buffer);
        if is_there {
            each(buffer);
        }
        u64::from(is_there)
    }
}

/// [`Sender`] for tasks.
pub(crate) trait AsyncSender: Send + 'static {
    /// Sends a message, and waits for room if there is none.
    fn send(&mut self, message: &[u8]) -> impl Future<Output = ()> + Send;
}

/// [`Receiver`] for tasks.
pub(crate) trait AsyncReceiver: Send + 'static {
    /// Copies the next message into `buffer`, and waits for it if there is none.
    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = ()> + Send;
}

/// Both ends that one party of a conversation has.
pub(crate) trait AsyncEnds: Send + 'static {
    fn send(&mut self, message: &[u8]) -> impl Future<Output = ()> + Send;
    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = ()> + Send;
}

impl<S: AsyncSender, R: AsyncReceiver> AsyncEnds for (S, R) {
    fn send(&mut self, message: &[u8]) -> impl Future<Output = ()> + Send {
        self.0.send(message)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = ()> + Send {
        self.1.receive(buffer)
    }
}

/// A message as a channel of `T` passes it on.
pub(crate) trait Record: Clone + Send + Sync + 'static {
    fn pack(message: &[u8]) -> Self;
    fn bytes(&self) -> &[u8];
}

impl<const N: usize> Record for [u8; N] {
    #[inline]
    fn pack(message: &[u8]) -> Self {
        match message.try_into() {
            Ok(record) => record,
            Err(_) => panic!("messages are all of one length"),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }
}

macro_rules! allocated {
    ($($kind:ty)*) => {$(
        impl Record for $kind {
            #[inline]
            fn pack(message: &[u8]) -> Self {
                message.into()
            }

            #[inline]
            fn bytes(&self) -> &[u8] {
                self
            }
        }
    )*};
}
allocated!(Box<[u8]> std::sync::Arc<[u8]>);

impl Record for bytes::Bytes {
    #[inline]
    fn pack(message: &[u8]) -> Self {
        Self::copy_from_slice(message)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// What a party does while there is nothing to do. Those who wait by themselves never get here.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// Spins, with a processor hint: for as many threads as there are cores.
    Spin,
    /// Spins, and lets others have the core now and then: they may be the ones it waits for.
    Yield,
}

impl Wait {
    /// Tries until it works.
    #[inline]
    pub(crate) fn until(self, mut attempt: impl FnMut() -> bool) {
        let mut attempts = 0_u32;
        while !attempt() {
            attempts = attempts.wrapping_add(1);
            match self {
                Self::Yield if attempts.is_multiple_of(128) => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }
}
