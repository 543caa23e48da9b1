//! Threads and tasks that are started once and then do one round after the other.

use super::Contestant;
use crate::cores;
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

/// Threads or tasks that take part in each round.
pub(crate) struct Team {
    name: &'static str,
    members: Vec<(UnboundedSender<Round>, mpsc::Receiver<Span>)>,
    threads: Vec<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Team {
    pub(crate) fn of_threads(name: &'static str) -> Self {
        Self { name, members: Vec::new(), threads: Vec::new(), runtime: None }
    }

    /// A team of tasks, on a runtime with so many worker threads, each of which is pinned.
    pub(crate) fn of_tasks(name: &'static str, workers: usize) -> Self {
        let started = AtomicUsize::new(0);
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name(name)
            .on_thread_start(move || cores::pin(started.fetch_add(1, Ordering::Relaxed)))
            .build();
        let mut team = Self::of_threads(name);
        team.runtime = Some(runtime.expect("a runtime"));
        team
    }

    fn orders(&mut self) -> Orders {
        let (to_member, rounds) = unbounded_channel();
        let (spans, from_member) = mpsc::channel();
        self.members.push((to_member, from_member));
        Orders { rounds, spans, begun: Instant::now() }
    }

    /// Adds a thread: the first is pinned to the first core, the second to the second, and so on
    /// round robin.
    pub(crate) fn thread(&mut self, work: impl FnOnce(Orders) + Send + 'static) {
        let (orders, number) = (self.orders(), self.threads.len());
        let thread = thread::Builder::new().name(self.name.into()).spawn(move || {
            cores::pin(number);
            work(orders);
        });
        self.threads.push(thread.expect("a thread"));
    }

    /// Adds a task, which runs without tokio's co-operative budget: ours and tokio's own take part
    /// in it, the other rivals do not, and so nobody does.
    pub(crate) fn task<F>(&mut self, work: impl FnOnce(Orders) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = unconstrained(work(self.orders()));
        self.runtime.as_ref().expect("a team of tasks").spawn(task);
    }
}

impl Contestant for Team {
    /// From when the first member begins to when the last one is done. What it takes to wake the
    /// first is left out of that, and so is what follows the last.
    fn round(&mut self, round: Round) -> Duration {
        let name = self.name;
        for (to_member, _) in &self.members {
            assert!(to_member.send(round).is_ok(), "{name}: a member is gone");
        }
        let span = |(_, from_member): &(_, mpsc::Receiver<Span>)| {
            from_member.recv_timeout(TIMEOUT).unwrap_or_else(|error| match error {
                RecvTimeoutError::Timeout => panic_any(Stuck(name)),
                RecvTimeoutError::Disconnected => panic!("{name}: a member failed"),
            })
        };
        let spans: Vec<Span> = self.members.iter().map(span).collect();
        let begun = spans.iter().map(|&(begun, _)| begun).min();
        let done = spans.iter().map(|&(_, done)| done).max();
        done.zip(begun).map_or(Duration::ZERO, |(done, begun)| done - begun)
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

/// How a member gets to know of rounds.
pub(crate) struct Orders {
    rounds: UnboundedReceiver<Round>,
    spans: mpsc::Sender<Span>,
    begun: Instant,
}

impl Orders {
    /// The next round, for threads. Nothing at the end.
    pub(crate) fn wait(&mut self) -> Option<Round> {
        let round = self.rounds.blocking_recv()?;
        self.begun = Instant::now();
        Some(round)
    }

    /// The next round, for tasks.
    pub(crate) async fn next(&mut self) -> Option<Round> {
        let round = self.rounds.recv().await?;
        self.begun = Instant::now();
        Some(round)
    }

    /// This member is done with the round.
    pub(crate) fn done(&self) {
        // Nobody listens any more after another member's failure.
        let _ = self.spans.send((self.begun, Instant::now()));
    }
}
