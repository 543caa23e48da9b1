//! Threads and tasks that are started once and then do one round after the other.

use crate::cores;
use crate::payload::laps;
use crate::rounds::{RING, Rounds};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::coop::unconstrained;

/// A round takes a fraction of a second. When one does not end, that is said, and not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a team panics with whose round does not end: somebody was not woken.
#[derive(Debug)]
pub(crate) struct Stuck(pub(crate) &'static str);

/// What is to be done next.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) messages: u64,
    /// Every byte is to be looked at; the time does not count.
    pub(crate) check: bool,
}

/// When a party began a round, and when it was done.
type Span = (Instant, Instant);

/// Somebody on a thread of its own, which ends when its orders do.
pub(crate) type Party = Box<dyn FnOnce(Orders) + Send>;

/// A party that is a task.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What makes a task of the orders it gets.
pub(crate) type TaskParty = Box<dyn FnOnce(Orders) -> Task>;

/// Parties that take part in each round.
pub(crate) struct Team {
    name: &'static str,
    size: usize,
    parties: Vec<(UnboundedSender<Round>, mpsc::Receiver<Span>)>,
    threads: Vec<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Team {
    fn new(name: &'static str, size: usize) -> Self {
        Self { name, size, parties: Vec::new(), threads: Vec::new(), runtime: None }
    }

    fn orders(&mut self) -> Orders {
        let (to_party, rounds) = unbounded_channel();
        let (spans, from_party) = mpsc::channel();
        self.parties.push((to_party, from_party));
        Orders { rounds, spans, begun: Instant::now() }
    }

    /// A team of threads, the first of which is pinned to the first core, the second to the second,
    /// and so on round robin.
    pub(crate) fn threads(name: &'static str, size: usize, parties: Vec<Party>) -> Self {
        let mut team = Self::new(name, size);
        for (number, party) in parties.into_iter().enumerate() {
            let orders = team.orders();
            let thread = thread::Builder::new().name(name.into()).spawn(move || {
                cores::pin(number);
                party(orders);
            });
            team.threads.push(thread.expect("a thread"));
        }
        team
    }

    /// A team of tasks, on a runtime with so many worker threads, each of which is pinned.
    ///
    /// All of them run without tokio's co-operative budget: ours and tokio's own take part in it, the
    /// other rivals do not, and so nobody does.
    pub(crate) fn tasks(
        name: &'static str,
        size: usize,
        workers: usize,
        parties: Vec<TaskParty>,
    ) -> Self {
        let mut team = Self::new(name, size);
        let started = AtomicUsize::new(0);
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .thread_name(name)
            .on_thread_start(move || cores::pin(started.fetch_add(1, Ordering::Relaxed)))
            .build()
            .expect("a runtime");
        for party in parties {
            runtime.spawn(unconstrained(party(team.orders())));
        }
        team.runtime = Some(runtime);
        team
    }

    fn round(&mut self, round: Round) -> Duration {
        let name = self.name;
        for (to_party, _) in &self.parties {
            assert!(to_party.send(round).is_ok(), "{name}: a party is gone");
        }
        let spans: Vec<Span> = (self.parties.iter())
            .map(|(_, from_party)| match from_party.recv_timeout(PATIENCE) {
                Ok(span) => span,
                Err(RecvTimeoutError::Timeout) => panic_any(Stuck(name)),
                Err(RecvTimeoutError::Disconnected) => panic!("{name}: a party failed"),
            })
            .collect();
        let begun = spans.iter().map(|&(begun, _)| begun).min();
        let done = spans.iter().map(|&(_, done)| done).max();
        done.zip(begun).map_or(Duration::ZERO, |(done, begun)| done - begun)
    }
}

impl Rounds for Team {
    fn check(&mut self) {
        let messages = laps(RING, self.size);
        self.round(Round { messages, check: true });
    }

    /// From when the first party begins to when the last one is done. What it takes to wake the
    /// first is left out of that, and so is what follows the last.
    fn time(&mut self, messages: u64) -> Duration {
        self.round(Round { messages, check: false })
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.parties.clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        for thread in self.threads.drain(..) {
            // After a failure somebody may hang, and the failure is to be seen.
            if !thread::panicking() {
                thread.join().expect("a party failed");
            }
        }
    }
}

/// How a party gets to know of rounds.
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

    /// This party is done with the round.
    pub(crate) fn done(&self) {
        // Nobody listens any more after another party's failure.
        let _ = self.spans.send((self.begun, Instant::now()));
    }
}
