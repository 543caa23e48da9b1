//! Ending a group: gently, phase after phase, and then at once.

use super::group;
use super::leader::Leader;
use super::outcome::Process;
use super::signal::Signal;
use std::time::Duration;
use tokio::time::timeout;

/// So long after SIGKILL the members of a group are waited for. What is there then stands in a system call
/// that cannot be interrupted, or belongs to another user.
const AFTER_KILL: Duration = Duration::from_secs(3);

/// How a child and its group are shut down: a list of phases, each a signal and how long to wait until the
/// group is empty, and then SIGKILL.
///
/// On Windows that is Ctrl-Break, and then the end of the job ([`Signal`]).
///
/// After each signal the group gets SIGCONT, so that members that are stopped notice. A wait of
/// [`Duration::MAX`] never ends, and one of zero looks once.
///
/// The default is SIGTERM, and ten seconds. Begin with another one with care: a child ignores what this
/// program ignores, and blocks what the thread blocks that starts it, and a shell has what it starts in the background
/// ignore SIGINT.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::{Command, ShutDown, Signal, Took};
/// use std::time::Duration;
///
/// let child = Command::new("sleep").arg("100").spawn()?;
/// let policy = ShutDown::first(Signal::Terminate, Duration::from_secs(10))
///     .then(Signal::Quit, Duration::from_secs(2));
/// let outcome = child.shut_down(&policy).await;
/// assert_eq!(outcome.shut_down, Some(Took::Phase(0)));
/// assert_eq!(outcome.status.signal(), Some(15)); // SIGTERM
/// # Ok::<(), overfall::process::SpawnError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShutDown {
    phases: Vec<(Signal, Duration)>,
}

/// What it took to shut a group down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Took {
    /// Nothing: the group was empty before.
    Nothing,
    /// The phase of this index, from 0 on.
    Phase(usize),
    /// SIGKILL.
    Kill,
}

impl ShutDown {
    /// Without phases: SIGKILL at once.
    pub fn at_once() -> Self {
        Self { phases: Vec::new() }
    }

    /// First `signal`, and `wait` to end.
    pub fn first(signal: Signal, wait: Duration) -> Self {
        Self::at_once().then(signal, wait)
    }

    /// SIGTERM, and `wait` to end.
    pub fn terminate(wait: Duration) -> Self {
        Self::first(Signal::Terminate, wait)
    }

    /// Adds a phase: if the group is not empty by then, it gets `signal`, and `wait` to end.
    pub fn then(mut self, signal: Signal, wait: Duration) -> Self {
        self.phases.push((signal, wait));
        self
    }

    /// Ends the group. Tells what it took, and who is left all the same.
    pub(super) async fn run(&self, leader: &Leader) -> (Took, Vec<Process>) {
        // An `Err` of a signal is that of the system, for all members. The next phase tries again, and who is
        // left is told at the end.
        if timeout(Duration::ZERO, group::emptied(leader)).await.is_ok() {
            return (Took::Nothing, Vec::new());
        }
        for (index, (signal, wait)) in self.phases.iter().enumerate() {
            let _told_at_the_end = leader.signal(Some(*signal));
            let _told_at_the_end = leader.signal(Some(Signal::Continue));
            if timeout(*wait, group::emptied(leader)).await.is_ok() {
                return (Took::Phase(index), Vec::new());
            }
        }
        let _told_at_the_end = leader.signal(Some(Signal::Kill));
        match timeout(AFTER_KILL, group::emptied(leader)).await {
            Ok(()) => (Took::Kill, Vec::new()),
            Err(_) => (Took::Kill, group::survivors(leader)),
        }
    }
}

impl Default for ShutDown {
    fn default() -> Self {
        Self::terminate(Duration::from_secs(10))
    }
}
