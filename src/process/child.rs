//! A child that was started.

use super::command::{Drain, REST};
use super::driver;
use super::group;
use super::input::Feed;
use super::job::Job;
use super::leader::Leader;
use super::outcome::{Outcome, OutputOutcome, Process};
use super::output::Output;
use super::shut_down::{ShutDown, Took};
use super::signal::Signal;
use super::spawn::{Captive, Captured};
use super::status::{Exit, Status};
use super::system;
use super::trace;
use crate::channel::writer::StrongWriter;
use crate::io::layers::Source;
use crate::pump::Pump;
use crate::sync::{AtomicBool, Ordering};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// A child process, the leader of a process group, or on Windows of a job. Made by
/// [`Command::spawn`](super::Command::spawn).
///
/// All methods take `&self`: one task can wait while another one sends a signal. What waits does so on
/// whatever runtime there is, or none. The work is done on a thread of this crate.
///
/// # Dropped
///
/// A child that was neither waited for nor ended nor [detached](Self::detach) is killed with its group, or
/// [shut down](super::Command::shut_down_on_drop), and reaped, in the background. With the feature `tracing`
/// a warning says so. Members of the group that outlive a child that was waited for live on.
///
/// # Readers of outputs
///
/// These are endpoints of their own. They live on when the child is dropped, and read to the end.
#[derive(Debug)]
pub struct Child {
    inner: Arc<Inner>,
    on_drop: Option<ShutDown>,
}

/// What jobs on the thread of children need.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) leader: Arc<Leader>,
    pub(super) captured: Captured,
    pub(super) stdin: Option<Feed>,
    pub(super) started_at: Instant,
    pub(super) drain: Drain,
    /// Somebody has waited to the end, or has let go of it: nothing is to be killed.
    pub(super) is_done: AtomicBool,
}

impl Child {
    pub(super) fn new(inner: Inner, on_drop: Option<ShutDown>) -> Self {
        Self { inner: Arc::new(inner), on_drop }
    }

    /// The number of the process, and of its group. The system gives it to others once the child has been
    /// waited for: to end it, use the methods here.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// What it is [called](super::Command::name).
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its stdout, if that is captured alone.
    pub fn stdout(&self) -> Option<&Output> {
        self.inner.captured.stdout.as_ref().map(|captive| &captive.output)
    }

    /// Its stderr, if that is captured alone.
    pub fn stderr(&self) -> Option<&Output> {
        self.inner.captured.stderr.as_ref().map(|captive| &captive.output)
    }

    /// Stdout and stderr, if they are [captured together](super::Command::merged).
    pub fn output(&self) -> Option<&Output> {
        self.inner.captured.merged.as_ref().map(|captive| &captive.output)
    }

    /// Takes the writer of stdin, if that is an [`Input::pipe`](super::Input::pipe), and nobody has taken or
    /// closed it. Stdin is at its end when the writer is dropped, and the child has read what was written.
    ///
    /// A child that reads no more closes the writer: its writes fail with
    /// [`Closed`](crate::error::WriteError::Closed), as `BrokenPipe` of the io traits. No more than that
    /// happens.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use overfall::process::{Command, Input};
    ///
    /// let child = Command::new("cat").stdin(Input::pipe()).spawn()?;
    /// let mut stdin = child.take_stdin().unwrap();
    /// stdin.send(b"to and fro").await?;
    /// drop(stdin);
    /// let outcome = child.wait().await;
    /// assert_eq!(outcome.stdout.unwrap().stats.payload_bytes, 10);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn take_stdin(&self) -> Option<StrongWriter> {
        self.inner.stdin.as_ref()?.take()
    }

    /// A pump from `source` into stdin, or nothing, as for [`take_stdin`](Self::take_stdin). It does
    /// nothing until it is [run](Pump::run), or [spawned](Pump::spawn) on a thread of its own, which a file
    /// may block. Stdin is at its end when the source is. A broken pipe is
    /// [`PumpError::Sink`](crate::pump::PumpError::Sink).
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use overfall::process::{Command, Input};
    ///
    /// let (mut writer, reader) = overfall::pipe(1024);
    /// let child = Command::new("cat").stdin(Input::pipe()).spawn()?;
    /// let feeding = child.feed(reader).unwrap().spawn()?;
    /// writer.send(b"out of a ring").await?;
    /// drop(writer);
    /// assert!(feeding.join().unwrap().1.is_ok());
    /// assert!(child.wait().await.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn feed<S: Source>(&self, source: S) -> Option<Pump<S, StrongWriter>> {
        Some(Pump::new(source, self.take_stdin()?))
    }

    /// Its status, if it has exited. Does not wait, and does not count as a wait.
    pub fn status(&self) -> Option<Status> {
        Some(self.inner.leader.look()?.status)
    }

    /// Waits for the exit, and then until the outputs have ended, or the [time to
    /// drain](super::Command::drain) is up. Closes stdin first, unless somebody has taken that.
    ///
    /// When the time is up, strong consumers that stand still are turned weak, so that others get what is
    /// left. The outcome names them, and says which processes still have an output open.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has done nothing but closed stdin: wait again.
    pub async fn wait(&self) -> Outcome {
        self.waiting().await
    }

    pub(super) fn waiting(&self) -> Job<Outcome> {
        self.job(|inner| async move { inner.wait().await })
    }

    /// As [`wait`](Self::wait), on this thread, for at most `timeout`; `None` if that was not enough.
    /// [`Duration::MAX`] is for ever, and zero looks once.
    ///
    /// ```
    /// use overfall::process::Command;
    /// use std::time::Duration;
    ///
    /// let child = Command::new("sleep").arg("100").spawn()?;
    /// assert!(child.wait_timeout(Duration::from_millis(10)).is_none());
    /// # Ok::<(), overfall::process::SpawnError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// On a thread that drives the tasks of a tokio runtime, as all that parks: [`wait`](Self::wait) there.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Outcome> {
        self.job(move |inner| async move { tokio::time::timeout(timeout, inner.wait()).await.ok() })
            .park()
    }

    /// Shuts the child's group down: phase after phase of `policy`, until the group is empty, and then waits as
    /// [`wait`](Self::wait) does. [`Outcome::shut_down`] says which phase it took.
    ///
    /// *Empty* means that no member is left that is not a zombie, also where the leader has exited before.
    /// Processes that have left the group are not reached.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it sends no more signals. The next one begins with the first phase.
    pub async fn shut_down(&self, policy: &ShutDown) -> Outcome {
        self.shutting_down(policy).await
    }

    pub(super) fn shutting_down(&self, policy: &ShutDown) -> Job<Outcome> {
        let policy = policy.clone();
        self.job(|inner| async move { inner.shut_down(&policy).await })
    }

    /// Waits as [`wait`](Self::wait) does, and if the child has not exited by then, shuts it down.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use overfall::process::{Command, ShutDown};
    /// use std::time::Duration;
    ///
    /// let child = Command::new("sleep").arg("100").spawn()?;
    /// let outcome = child.wait_or_shut_down(Duration::ZERO, &ShutDown::default()).await;
    /// assert!(outcome.shut_down.is_some());
    /// # Ok::<(), overfall::process::SpawnError>(())
    /// # }).unwrap();
    /// ```
    pub async fn wait_or_shut_down(&self, timeout: Duration, policy: &ShutDown) -> Outcome {
        let policy = policy.clone();
        self.job(move |inner| async move {
            inner.close_stdin();
            match tokio::time::timeout(timeout, inner.leader.exited()).await {
                Ok(_) => inner.wait().await,
                Err(_) => inner.shut_down(&policy).await,
            }
        })
        .await
    }

    /// Kills the child's group, and waits as [`wait`](Self::wait) does. If it has exited, that is no error.
    pub async fn kill(&self) -> Outcome {
        self.shut_down(&ShutDown::at_once()).await
    }

    /// Sends a signal to the child's group. `false` if nobody is left there.
    ///
    /// # Errors
    ///
    /// If the system forbids it, for all members of the group.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        self.inner.leader.signal(Some(signal))
    }

    /// Lets go of the child, which may live on. As long as this program runs, its captured outputs are
    /// read as before, and it is reaped when it exits.
    ///
    /// After that nobody reads the pipes, and the child ends by SIGPIPE with the next bytes that it writes
    /// there. One that is to outlive this program needs a [file](super::Capture::file), or
    /// [nothing](super::Capture::null), for its outputs.
    pub fn detach(self) {
        self.inner.is_done.store(true, Ordering::Relaxed);
    }

    fn job<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Inner>) -> F,
    ) -> Job<T> {
        Job::start(work(self.inner.clone()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Relaxed: who has set it has handed the child over to here.
        if self.inner.is_done.load(Ordering::Relaxed) {
            self.inner.leader.release();
            return;
        }
        let leader = self.inner.leader.clone();
        let somebody_is_left = leader.look().is_none() || !group::survivors(&leader).is_empty();
        let policy = self.on_drop.take();
        let gently = policy.is_some();
        if !gently {
            let _nobody_is_left = leader.signal(Some(Signal::Kill));
        }
        // There is a thread of children: this one was spawned.
        if let Ok(handle) = driver::handle() {
            handle.spawn(async move {
                policy.unwrap_or_else(ShutDown::at_once).run(&leader).await;
                leader.release();
            });
        }
        if somebody_is_left {
            trace::killed(&self.inner.name, self.inner.id(), gently);
        }
    }
}

impl Inner {
    fn id(&self) -> u32 {
        self.leader.id()
    }

    fn close_stdin(&self) {
        drop(self.stdin.as_ref().map(Feed::take));
    }

    async fn wait(&self) -> Outcome {
        self.close_stdin();
        self.leader.exited().await;
        self.outcome(None).await
    }

    async fn shut_down(&self, policy: &ShutDown) -> Outcome {
        self.close_stdin();
        let shut_down = policy.run(&self.leader).await;
        self.outcome(Some(shut_down)).await
    }

    /// Waits for the outputs of a child that has exited.
    async fn outcome(&self, shut_down: Option<(Took, Vec<Process>)>) -> Outcome {
        // SIGKILL need not have ended it.
        let exit = match &shut_down {
            Some((Took::Kill, _)) => self.leader.look().unwrap_or_else(Exit::not_yet),
            _ => self.leader.exited().await,
        };
        let Captured { stdout, stderr, merged } = &self.captured;
        let apart = both(self.drained(stdout, exit.at), self.drained(stderr, exit.at));
        let ((stdout, stderr), output) = both(apart, self.drained(merged, exit.at)).await;
        if exit.status != Status::Running {
            self.leader.release();
            self.is_done.store(true, Ordering::Relaxed);
        }
        let (shut_down, survivors) = match shut_down {
            Some((took, survivors)) => (Some(took), survivors),
            None => (None, Vec::new()),
        };
        let drained = exit.at.elapsed();
        let stdin = match &self.stdin {
            Some(feed) => Some(feed.outcome().await),
            None => None,
        };
        Outcome {
            name: self.name.clone(),
            status: exit.status,
            ran: exit.at - self.started_at,
            drained,
            stdout,
            stderr,
            output,
            stdin,
            shut_down,
            survivors,
        }
    }

    async fn drained(&self, captive: &Option<Captive>, exit: Instant) -> Option<OutputOutcome> {
        let Captive { output, pipes } = captive.as_ref()?;
        let Drain { quiet, at_most } = self.drain;
        let mut ended = output.ended(quiet, at_most.saturating_sub(exit.elapsed())).await;
        let mut held_by = Vec::new();
        if !ended {
            held_by = output.take_holds();
            if !held_by.is_empty() {
                // What they held up comes now, for the others.
                ended = output.ended(quiet.min(REST), REST).await;
            }
        }
        let mut open_in = Vec::new();
        if !ended {
            let are_started;
            (open_in, are_started) = system::holders(pipes.clone()).await;
            // A child that another thread is starting has a copy until its `exec`, which comes soon. Others may
            // have gone since it was looked at.
            let rest = if are_started { REST } else { Duration::ZERO };
            ended = output.ended(Duration::MAX, rest).await;
            if ended {
                open_in = Vec::new();
            } else if are_started {
                (open_in, _) = system::holders(pipes.clone()).await;
            }
        }
        Some(OutputOutcome { ended, open_in, held_by, stats: output.stats() })
    }
}

/// Both, at the same time.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    fn poll<T>(done: &mut Option<T>, poll: impl FnOnce() -> Poll<T>) {
        if done.is_none() {
            if let Poll::Ready(value) = poll() {
                *done = Some(value);
            }
        }
    }
    let (mut a, mut b, mut done_a, mut done_b) = (pin!(a), pin!(b), None, None);
    poll_fn(|context| {
        poll(&mut done_a, || a.as_mut().poll(context));
        poll(&mut done_b, || b.as_mut().poll(context));
        match (done_a.take(), done_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (done_a, done_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
