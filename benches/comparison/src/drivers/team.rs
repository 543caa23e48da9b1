//! Threads and tasks that are started once and then do one round after the other.

use crate::cores;
use crate::endpoints::Setup;
use crate::message::Round;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::coop::unconstrained;

/// A round takes a fraction of a second. When one does not end, that is said, and not waited for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a team panics with whose round does not end: somebody was not woken.
#[derive(Debug)]
pub(crate) struct Stuck(pub(crate) &'static str);

/// When a member began a round, and when it was done.
type Span = (Instant, Instant);

/// A contestant: the threads or tasks that take part in each of its rounds.
pub(crate) struct Team {
    setup: Setup,
    members: Vec<(UnboundedSender<Round>, mpsc::Receiver<Span>)>,
    threads: Vec<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

/// What a task does in a round.
pub(crate) trait Task: Send + 'static {
    fn round(&mut self, round: Round) -> impl Future<Output = ()> + Send;
}

impl Team {
    pub(crate) fn new(setup: Setup) -> Self {
        Self { setup, members: Vec::new(), threads: Vec::new(), runtime: None }
    }

    fn member(&mut self) -> (UnboundedReceiver<Round>, mpsc::Sender<Span>) {
        let (to_member, rounds) = unbounded_channel();
        let (spans, from_member) = mpsc::channel();
        self.members.push((to_member, from_member));
        (rounds, spans)
    }

    /// Adds a thread, which is pinned to the next core.
    pub(crate) fn thread(&mut self, mut work: impl FnMut(Round) + Send + 'static) {
        self.timed_thread(move |round| {
            let begun = Instant::now();
            work(round);
            begun.elapsed()
        });
    }

    /// Adds a thread that says what counts of its time.
    pub(crate) fn timed_thread(
        &mut self,
        mut work: impl FnMut(Round) -> Duration + Send + 'static,
    ) {
        let ((mut rounds, spans), number) = (self.member(), self.threads.len());
        self.threads.push(thread::spawn(move || {
            cores::pin(number);
            while let Some(round) = rounds.blocking_recv() {
                let begun = Instant::now();
                // Nobody listens any more after another member's failure.
                let _ = spans.send((begun, begun + work(round)));
            }
        }));
    }

    /// Adds a task, on a runtime whose threads are pinned. It runs without tokio's co-operative
    /// budget: ours and tokio's own take part in it, the other rivals do not, and so nobody does.
    pub(crate) fn task(&mut self, mut task: impl Task) {
        let (mut rounds, spans) = self.member();
        let runtime = self.runtime.get_or_insert_with(|| {
            let started = AtomicUsize::new(0);
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(self.setup.workers);
            builder.on_thread_start(move || cores::pin(started.fetch_add(1, Ordering::Relaxed)));
            builder.build().expect("a runtime")
        });
        runtime.spawn(unconstrained(async move {
            while let Some(round) = rounds.recv().await {
                let begun = Instant::now();
                task.round(round).await;
                let _ = spans.send((begun, Instant::now()));
            }
        }));
    }

    /// If there is but one thread, it does not matter how far apart the cores are.
    pub(crate) fn is_one_thread(&self) -> bool {
        self.runtime.as_ref().map_or(self.threads.len(), |_| self.setup.workers) == 1
    }

    /// Has so many messages done, and returns how long they took: from when the first member begins
    /// to when the last one is done. What it takes to wake the first is left out of that, and so is
    /// what follows the last.
    pub(crate) fn round(&self, round: Round) -> Duration {
        let name = self.setup.name;
        for (to_member, _) in &self.members {
            assert!(to_member.send(round).is_ok(), "{name}: a member is gone");
        }
        let span = |(_, from_member): &(_, mpsc::Receiver<Span>)| {
            from_member.recv_timeout(TIMEOUT).unwrap_or_else(|error| match error {
                RecvTimeoutError::Timeout => panic_any(Stuck(name)),
                RecvTimeoutError::Disconnected => panic!("{name}: a member failed"),
            })
        };
        let (begun, done): (Vec<_>, Vec<_>) = self.members.iter().map(span).unzip();
        begun.into_iter().min().zip(done.into_iter().max()).map_or(Duration::ZERO, |(a, b)| b - a)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.members.clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        for thread in self.threads.drain(..) {
            // After a failure somebody may hang, and the failure is to be seen.
            if !thread::panicking() {
                thread.join().expect("a member failed");
            }
        }
    }
}
