//! Threads and tasks that are started once and then run one round after the other.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A round takes a fraction of a second. When one does not end, that is said, and not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be done next.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) messages: u64,
    /// Every byte is to be looked at; the time does not count.
    pub(crate) check: bool,
}

/// The two kinds of tokio's runtime.
#[derive(Clone, Copy)]
pub(crate) enum Runtime {
    CurrentThread,
    /// With two threads.
    MultiThread,
}

/// Parties that take part in each round, on threads or as tasks.
#[derive(Default)]
pub(crate) struct Team {
    parties: Vec<(UnboundedSender<Round>, Receiver<Span>)>,
    threads: Vec<JoinHandle<()>>,
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// When a party began a round, and when it was done.
type Span = (Instant, Instant);

impl Team {
    fn orders(&mut self) -> Orders {
        let (to_party, rounds) = unbounded_channel();
        let (spans, from_party) = mpsc::channel();
        self.parties.push((to_party, from_party));
        Orders { rounds, spans, begun: Instant::now() }
    }

    /// Adds a party on a thread of its own. It is to end when its orders do.
    pub(crate) fn thread(&mut self, party: impl FnOnce(Orders) + Send + 'static) {
        let orders = self.orders();
        self.threads.push(thread::spawn(move || party(orders)));
    }

    /// Adds parties that are tasks of one runtime: each is made of the orders it gets.
    pub(crate) fn tasks(
        &mut self,
        runtime: Runtime,
        parties: impl IntoIterator<Item = Box<dyn FnOnce(Orders) -> Task>>,
    ) {
        let tasks: Vec<Task> = parties.into_iter().map(|party| party(self.orders())).collect();
        // The runtime lives on a thread of its own, also the one that needs no more than that, so
        // that the thread that measures is in nobody's way.
        self.threads.push(thread::spawn(move || {
            let mut builder = match runtime {
                Runtime::CurrentThread => Builder::new_current_thread(),
                Runtime::MultiThread => Builder::new_multi_thread(),
            };
            let runtime = builder.worker_threads(2).build().expect("a runtime");
            runtime.block_on(async {
                let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
                for task in running {
                    task.await.expect("a party failed");
                }
            });
        }));
    }

    /// Lets everybody do a round, and tells how long it took: from when the first party begins to
    /// when the last one is done. What it takes to wake the first is left out of that, and
    /// so is what follows the last.
    pub(crate) fn round(&mut self, round: Round) -> Duration {
        for (to_party, _) in &self.parties {
            assert!(to_party.send(round).is_ok(), "a party is gone");
        }
        let spans: Vec<Span> = (self.parties.iter())
            .map(|(_, from_party)| match from_party.recv_timeout(PATIENCE) {
                Ok(span) => span,
                Err(error) => panic!("a party failed or hangs: {error}"),
            })
            .collect();
        let begun = spans.iter().map(|&(begun, _)| begun).min();
        let done = spans.iter().map(|&(_, done)| done).max();
        done.zip(begun).map_or(Duration::ZERO, |(done, begun)| done - begun)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.parties.clear();
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
    spans: Sender<Span>,
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
