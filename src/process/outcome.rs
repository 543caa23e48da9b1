//! What became of a child.

use super::shut_down::Took;
use super::status::Status;
use crate::channel::stats::ChannelStats;
use std::sync::Arc;
use std::time::Duration;

/// What became of a child, from [`Child::wait`](super::Child::wait) and its like: how it ended, and what became
/// of its outputs. These are facts of their own: a child that has exited may leave a grandchild that goes on
/// writing.
///
/// Nothing is thrown away because of it: the [outputs](super::Child::stdout) are read as before.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The [name](super::Command::name) of the child.
    pub name: Arc<str>,
    /// How the leader of the group has ended; or, if not even SIGKILL has ended it, that.
    pub status: Status,
    /// From its start to its exit.
    pub ran: Duration,
    /// From its exit until its outputs had ended, or the [time to drain](super::Command::drain) was up.
    pub drained: Duration,
    /// What became of stdout, if it was captured alone.
    pub stdout: Option<OutputOutcome>,
    /// What became of stderr, if it was captured alone.
    pub stderr: Option<OutputOutcome>,
    /// What became of both, if they were captured together.
    pub output: Option<OutputOutcome>,
    /// What became of stdin, if we wrote it.
    pub stdin: Option<InputOutcome>,
    /// What it took to [shut it down](super::Child::shut_down), if it was.
    pub shut_down: Option<Took>,
    /// Members of the group that were there three seconds after SIGKILL: they stand in a system call that
    /// cannot be interrupted, or belong to another user.
    pub survivors: Vec<Process>,
}

impl Outcome {
    /// Whether it is known that the child exited with 0. What its outputs were like is another matter.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The outputs that were captured.
    pub fn outputs(&self) -> impl Iterator<Item = &OutputOutcome> {
        [&self.stdout, &self.stderr, &self.output].into_iter().flatten()
    }
}

/// What became of an output.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct OutputOutcome {
    /// Whether it has ended: nobody can write to it any more, and all of it was read. If not, the time was up,
    /// and it was still open at a last look.
    pub ended: bool,
    /// The processes that had it open then, on Linux, without those that the system does not let us see.
    /// They have left the child's group, or it was not ended.
    pub open_in: Vec<Process>,
    /// The strong consumers that stood still when the time was up, by name. They are weak from then on, and
    /// told what they missed.
    pub held_by: Vec<Arc<str>>,
    /// How many bytes and messages came, and what each consumer has read and missed so far.
    pub stats: ChannelStats,
}

/// What became of stdin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct InputOutcome {
    /// How many bytes the pipe took. The child need not have read them.
    pub bytes: u64,
    /// Whether nobody could read it any more while there was something to write: a broken pipe. On Windows this
    /// may come to be known a moment after the exit.
    pub broken: bool,
}

/// A process, as its system calls it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Process {
    /// Its number, when it was looked at.
    pub id: u32,
    /// The name of its program, cut by the system to 15 bytes.
    pub name: String,
}
