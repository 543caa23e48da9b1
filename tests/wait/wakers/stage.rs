//! Those who wait, some of them with wakers that panic, and what comes of it.

use super::trouble::{Moment, Outer, Trouble, caught, panic_of};
use overfall::{Channel, StartAt, StrongReader, StrongWriter, WeakReader, WeakWriter};
use overfall_tests::Task;
use std::any::Any;
use std::panic::resume_unwind;
use std::sync::Arc;

/// What somebody waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Strong,
    Weak,
    /// Through the io traits.
    #[cfg(feature = "futures")]
    Read,
    /// As a stream.
    #[cfg(feature = "futures")]
    Next,
    Send,
    Reserve,
    ReserveSlice,
    #[cfg(feature = "futures")]
    Write,
    ClosedOfChannel,
    ClosedOfReader,
    ClosedOfWriter,
}

pub(crate) const READERS: &[Kind] = &[
    Kind::Strong,
    Kind::Weak,
    #[cfg(feature = "futures")]
    Kind::Read,
    #[cfg(feature = "futures")]
    Kind::Next,
];

pub(crate) const WRITERS: &[Kind] = &[
    Kind::Send,
    Kind::Reserve,
    Kind::ReserveSlice,
    #[cfg(feature = "futures")]
    Kind::Write,
];

pub(crate) const WAITERS: &[Kind] = &[
    Kind::Strong,
    Kind::Weak,
    #[cfg(feature = "futures")]
    Kind::Read,
    #[cfg(feature = "futures")]
    Kind::Next,
    Kind::Send,
    Kind::Reserve,
    Kind::ReserveSlice,
    #[cfg(feature = "futures")]
    Kind::Write,
    Kind::ClosedOfChannel,
    Kind::ClosedOfReader,
    Kind::ClosedOfWriter,
];

impl Kind {
    pub(crate) fn is_writer(self) -> bool {
        WRITERS.contains(&self)
    }

    /// Whether it waits by way of a trait that a task may forget without a trace.
    pub(crate) fn may_be_forgotten(self) -> bool {
        !matches!(self, Self::Send | Self::Reserve | Self::ReserveSlice)
    }

    /// A waiter with an endpoint of its own. Whatever it is ready with, it has come to its turn, or to
    /// the end.
    pub(crate) fn wait(self, channel: &Arc<Channel>, now: bool) -> Task<'static, ()> {
        let start = if now { StartAt::Now } else { StartAt::Oldest };
        match self {
            Self::Strong => {
                let mut reader = channel.new_strong_reader_at(start);
                Task::new(async move { drop(reader.recv().await) })
            }
            Self::Weak => {
                let mut reader = channel.new_weak_reader_at(start);
                Task::new(async move { drop(reader.recv().await) })
            }
            #[cfg(feature = "futures")]
            Self::Read => {
                let mut reader = channel.new_strong_reader_at(start);
                Task::new(async move {
                    drop(futures::AsyncReadExt::read(&mut reader, &mut [0]).await);
                })
            }
            #[cfg(feature = "futures")]
            Self::Next => {
                let mut stream = channel.new_weak_reader_at(start).into_stream();
                Task::new(async move { drop(futures::StreamExt::next(&mut stream).await) })
            }
            Self::Send => {
                let mut writer = channel.new_weak_writer();
                Task::new(async move { writer.send(b"x").await.map_or((), drop) })
            }
            Self::Reserve => {
                let mut writer = channel.new_weak_writer();
                Task::new(async move { writer.reserve(1).await.map_or((), |slice| slice.commit()) })
            }
            Self::ReserveSlice => {
                let channel = channel.clone();
                Task::new(async move {
                    channel.reserve_slice(1).await.map_or((), |slice| slice.commit())
                })
            }
            #[cfg(feature = "futures")]
            Self::Write => {
                let mut writer = channel.new_weak_writer();
                Task::new(async move {
                    drop(futures::AsyncWriteExt::write(&mut writer, b"x").await);
                })
            }
            Self::ClosedOfChannel => Task::new(channel.closed()),
            Self::ClosedOfReader => {
                let reader = channel.new_weak_reader();
                Task::new(async move { reader.closed().await })
            }
            Self::ClosedOfWriter => {
                let writer = channel.new_weak_writer();
                Task::new(async move { writer.closed().await })
            }
        }
    }
}

/// Does `work`, and tells the panic that comes of it; in a panic, `work` is done in a drop meanwhile.
pub(crate) fn act<T>(
    in_a_panic: bool,
    work: impl FnOnce() -> T,
) -> Result<(), Box<dyn Any + Send>> {
    struct InADrop<T, F: FnOnce() -> T>(Option<F>);
    impl<T, F: FnOnce() -> T> Drop for InADrop<T, F> {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            if let Some(work) = self.0.take() {
                work();
            }
        }
    }
    caught(|| {
        if in_a_panic {
            let _in_a_drop = InADrop(Some(work));
            resume_unwind(Box::new(Outer));
        }
        work();
    })
}

struct Waiter {
    kind: Kind,
    task: Task<'static, ()>,
    /// Nothing for those whose wakers are good.
    trouble: Option<Arc<Trouble>>,
}

impl Waiter {
    fn wakes(&self) -> usize {
        self.trouble.as_ref().map_or(self.task.wakes(), |trouble| trouble.woken())
    }
}

/// Waiters on a channel of 4 KiB, in their order.
pub(crate) struct Stage {
    channel: Option<Arc<Channel>>,
    plan: Vec<(Kind, bool)>,
    in_a_panic: bool,
    start_now: bool,
    waiters: Vec<Waiter>,
    has_acted: bool,
    /// To the end.
    kept: Option<StrongReader>,
    /// Has the slice in flight for which readers and writers wait alike.
    blocker: Option<WeakWriter>,
    /// Somebody to write for.
    audience: Option<WeakReader>,
}

impl Stage {
    /// The kinds of those who wait, and whose wakers panic.
    pub(crate) fn new(plan: impl IntoIterator<Item = (Kind, bool)>, in_a_panic: bool) -> Self {
        Self {
            channel: Some(Channel::new(4096)),
            plan: plan.into_iter().collect(),
            in_a_panic,
            start_now: false,
            waiters: Vec::new(),
            has_acted: false,
            kept: None,
            blocker: None,
            audience: None,
        }
    }

    pub(crate) fn channel(&self) -> Arc<Channel> {
        self.channel.clone().unwrap()
    }

    pub(crate) fn take_channel(&mut self) -> Arc<Channel> {
        self.channel.take().unwrap()
    }

    /// Readers are to start at the next slice.
    pub(crate) fn start_now(&mut self) {
        self.start_now = true;
    }

    /// Keeps a reader to the end.
    pub(crate) fn keep(&mut self, reader: StrongReader) {
        self.kept = Some(reader);
    }

    /// Fills the ring with a slice in flight, up to `left` bytes: readers wait for it, and writers for
    /// room.
    pub(crate) fn block(&mut self, left: usize) {
        let mut blocker = self.channel().new_weak_writer();
        std::mem::forget(blocker.try_reserve(4096 - left).unwrap());
        self.blocker = Some(blocker);
    }

    /// A ring that is full of what a reader has yet to read.
    pub(crate) fn fill(&self) -> StrongReader {
        let channel = self.channel();
        let (reader, mut writer) = (channel.new_strong_reader(), channel.new_writer());
        writer.try_send_many(&[&[1; 1024][..]; 4]).unwrap();
        reader
    }

    /// Lets all of them wait.
    #[track_caller]
    pub(crate) fn park(&mut self) {
        let channel = self.channel();
        for (number, &(kind, panics)) in self.plan.iter().enumerate() {
            let mut task = kind.wait(&channel, self.start_now);
            let trouble = panics.then(|| Trouble::new(Moment::Wake, number));
            let poll = match &trouble {
                Some(trouble) => task.poll_with(&trouble.waker()),
                None => task.poll(),
            };
            assert!(poll.is_pending(), "{kind:?} has nothing to wait for");
            if let Some(trouble) = &trouble {
                trouble.arm();
            }
            self.waiters.push(Waiter { kind, task, trouble });
        }
    }

    /// None of them with a handle of the channel.
    #[track_caller]
    pub(crate) fn park_without_handle(&mut self) {
        for (kind, _) in &mut self.plan {
            if *kind == Kind::ReserveSlice {
                *kind = Kind::Reserve;
            }
        }
        self.park();
    }

    /// The only writer that keeps the channel open; they wait.
    #[track_caller]
    pub(crate) fn last_writer(&mut self) -> StrongWriter {
        let writer = self.channel().new_strong_writer();
        self.audience = Some(self.channel().new_weak_reader());
        self.block(0);
        self.park_without_handle();
        drop(self.take_channel());
        writer
    }

    /// The only reader, of a full ring for which they wait, and a writer that keeps the channel open.
    #[track_caller]
    pub(crate) fn last_reader(&mut self) -> (StrongReader, StrongWriter) {
        let reader = self.fill();
        let writer = self.channel().new_strong_writer();
        self.park_without_handle();
        drop(self.take_channel());
        (reader, writer)
    }

    /// Does what wakes them.
    #[track_caller]
    pub(crate) fn act<T>(&mut self, work: impl FnOnce() -> T) {
        let panic = act(self.in_a_panic, work).err().and_then(panic_of);
        self.has_acted = true;
        // Writers have their turn one after the other, unless it is the end.
        let has_ended = self.channel.as_ref().is_none_or(|channel| channel.is_closed());
        for waiter in &self.waiters {
            let expected = if has_ended || !waiter.kind.is_writer() { 1 } else { 0 };
            assert!((expected..=1).contains(&waiter.wakes()), "{:?}", waiter.kind);
        }
        let bad = self.waiters.iter().enumerate().filter(|(_, waiter)| waiter.trouble.is_some());
        let mut woken = bad.filter(|(_, waiter)| waiter.wakes() > 0);
        match panic {
            Some(number) => {
                // The first one of its kind.
                let kind = self.waiters[number].kind;
                let first = woken.find(|(_, waiter)| waiter.kind == kind);
                assert_eq!(first.map(|(first, _)| first), Some(number));
            }
            None => assert!(self.in_a_panic || woken.next().is_none(), "the panic went nowhere"),
        }
    }

    /// Lets those who have been woken go on, until nobody can, and tells who is left.
    fn go_on(&mut self, may_go_on: impl Fn(&Waiter) -> bool) -> Vec<Kind> {
        loop {
            let before = self.waiters.len();
            self.waiters.retain_mut(|waiter| {
                if !may_go_on(waiter) || waiter.wakes() == 0 {
                    return true;
                }
                if let Some(trouble) = &waiter.trouble {
                    trouble.disarm();
                }
                match caught(|| waiter.task.poll()) {
                    Ok(poll) => poll.is_pending(),
                    // It has woken the next one, and that one's waker panicked.
                    Err(panic) => panic_of(panic).is_none(),
                }
            });
            if self.waiters.len() == before {
                return self
                    .waiters
                    .iter()
                    .filter(|one| may_go_on(one))
                    .map(|one| one.kind)
                    .collect();
            }
        }
    }

    /// Lets `way` wake them, and sees that all come to their turn, those whose wakers panicked last of
    /// all, and that nothing is left behind.
    #[track_caller]
    pub(crate) fn play(mut self, way: fn(&mut Self)) {
        way(&mut self);
        assert!(self.has_acted);
        let is_good = |waiter: &Waiter| waiter.trouble.is_none();
        let left = self.go_on(is_good);
        assert!(left.iter().all(|kind| READERS.contains(kind)), "{left:?} wait for ever");
        // Readers that found nothing yet wait for the next message, or for the end behind the slice in
        // flight.
        drop(self.blocker.take());
        if let Some(channel) = self.channel.clone().filter(|channel| !channel.is_closed()) {
            let _room = self.kept.as_mut().map(|reader| reader.try_read(&mut [0; 4096]));
            let _ = caught(|| channel.new_writer().try_write(b"for all"));
        }
        assert_eq!(self.go_on(is_good), []);
        assert_eq!(self.go_on(|_| true), []);
        drop(self.kept);
        let Some(channel) = self.channel else { return };
        let stats = channel.stats();
        assert_eq!((stats.strong_writers, stats.weak_writers), (0, 0), "counted for ever");
        assert_eq!((stats.strong_readers, stats.weak_readers), (0, 0), "counted for ever");
        let closed = Task::new(channel.closed());
        drop(channel);
        closed.result();
    }
}
