//! What the tests share.

pub mod sources;

use overfall::{AfterLast, Channel};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use std::{env, thread};

/// Far longer than any test takes, however busy the machine is: a hang becomes a failure.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Does `work` on a thread of its own and hands back what comes of it, panics too; fails if that
/// takes longer than `limit`.
#[track_caller]
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let value = work();
        // Nobody listens any more when the limit was passed.
        let _ = done.send(value);
    });
    match result.recv_timeout(limit) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs: not done within {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("it ended without a value"),
        },
    }
}

/// Lets others run until `condition` holds; fails if that takes longer than [`LIMIT`].
#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "it hangs: never came to pass: {what}");
        thread::yield_now();
    }
}

/// A channel that goes on without a strong reader.
#[track_caller]
pub fn overwriting(size: usize) -> Arc<Channel> {
    let builder = Channel::builder().size(size);
    builder.after_last_strong_reader(AfterLast::Overwrite).build().unwrap()
}

/// The writers that wait for room now, as the channel tells them.
pub fn waiting_writers(channel: &Channel) -> usize {
    channel.stats().waiting_writers
}

/// How many times a waker was woken.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    /// So far.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that counts.
pub fn counting_waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), Waker::from(wakes))
}

/// A future that is polled by hand.
#[allow(missing_debug_implementations, reason = "a future has none")]
pub struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    wakes: Arc<Wakes>,
}

impl<'a, T> Task<'a, T> {
    /// One that has not been polled.
    pub fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    /// One that has been polled, and waits.
    #[track_caller]
    pub fn parked(future: impl Future<Output = T> + 'a) -> Self {
        let mut task = Self::new(future);
        assert!(task.poll().is_pending(), "there was nothing to wait for");
        task
    }

    /// Polls it with a waker of its own.
    pub fn poll(&mut self) -> Poll<T> {
        self.poll_with(&Waker::from(self.wakes.clone()))
    }

    /// Polls it with `waker`.
    pub fn poll_with(&mut self, waker: &Waker) -> Poll<T> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    /// How many times it was woken.
    pub fn wakes(&self) -> usize {
        self.wakes.count()
    }

    /// What it is ready with.
    #[track_caller]
    pub fn result(mut self) -> T {
        match self.poll() {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it still waits"),
        }
    }
}

/// Runs `future` to its end on this thread, which sleeps meanwhile.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}

/// Numbers that look random and are the same every time.
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Those of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

/// Starts an example, which `cargo test` builds before it runs a test of it.
///
/// # Panics
///
/// If it was not built.
#[track_caller]
pub fn example(name: &str) -> Command {
    let mut example = env::current_exe().expect("a test has a path");
    example.pop();
    example.set_file_name("examples");
    example.push(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        example.exists(),
        "there is no {}: run `cargo build --all-features --example {name}` first, with the same profile",
        example.display()
    );
    Command::new(example)
}
