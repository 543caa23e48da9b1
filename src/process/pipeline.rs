//! Several commands, each of which reads what the one before it writes.

use super::child::Child;
use super::command::Command;
use super::job::Job;
use super::outcome::Outcome;
use super::shut_down::ShutDown;
use super::spawn::spawn_with;
use super::spawn_error::SpawnError;
use super::system;

/// Several commands, each of which reads as stdin what the one before it writes to stdout: `a | b`.
///
/// The pipes between them are the system's own. We do not read them, so that a command notices when the next
/// one has gone.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::{Command, Pipeline};
///
/// let mut head = Command::new("head");
/// head.args(["-n", "1"]);
/// let running = Pipeline::new(Command::new("yes")).pipe(head).spawn()?;
/// let outcome = running.wait().await;
/// // `yes` was ended by SIGPIPE, since nobody reads it any more. That is no failure.
/// assert!(outcome.success());
/// assert_eq!(outcome.parts[0].status.signal(), Some(13));
/// assert_eq!(outcome.parts[1].stdout.as_ref().unwrap().stats.payload_bytes, 2);
/// # Ok::<(), overfall::process::SpawnError>(())
/// # }).unwrap();
/// ```
///
/// What is set for stdout of a command before the last one, and for stdin of one behind the first, has no
/// effect. One whose outputs are [merged](Command::merged) has its stderr kept so.
#[derive(Debug)]
pub struct Pipeline {
    commands: Vec<Command>,
}

impl Pipeline {
    /// One that starts with this command.
    pub fn new(first: Command) -> Self {
        Self { commands: vec![first] }
    }

    /// Adds a command that reads what the last one writes.
    pub fn pipe(mut self, next: Command) -> Self {
        self.commands.push(next);
        self
    }

    /// Starts all of them, from the first one on.
    ///
    /// # Errors
    ///
    /// As for [`Command::spawn`]. Those that were started are killed.
    pub fn spawn(&mut self) -> Result<Running, SpawnError> {
        let mut children = Vec::new();
        let mut before = None;
        let last = self.commands.len() - 1;
        for (index, command) in self.commands.iter_mut().enumerate() {
            let (child, stdout) = spawn_with(command, before.take(), index < last)?;
            children.push(child);
            before = stdout;
        }
        Ok(Running { children })
    }
}

/// A [`Pipeline`] that runs. Dropped, its children are.
#[derive(Debug)]
pub struct Running {
    children: Vec<Child>,
}

impl Running {
    /// The children, in the order of the pipeline.
    pub fn children(&self) -> &[Child] {
        &self.children
    }

    /// Waits for all of them, as [`Child::wait`] does.
    ///
    /// # Cancel safety
    ///
    /// As of that.
    pub async fn wait(&self) -> PipelineOutcome {
        all(self.children.iter().map(Child::waiting)).await
    }

    /// Shuts all of them down at the same time, as [`Child::shut_down`] does.
    ///
    /// # Cancel safety
    ///
    /// As of that.
    pub async fn shut_down(&self, policy: &ShutDown) -> PipelineOutcome {
        all(self.children.iter().map(|child| child.shutting_down(policy))).await
    }
}

async fn all(jobs: impl Iterator<Item = Job<Outcome>>) -> PipelineOutcome {
    // All of them run before the first one is awaited.
    let jobs: Vec<_> = jobs.collect();
    let mut parts = Vec::with_capacity(jobs.len());
    for job in jobs {
        parts.push(job.await);
    }
    PipelineOutcome { parts }
}

/// What became of a pipeline.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct PipelineOutcome {
    /// What became of each child.
    pub parts: Vec<Outcome>,
}

impl PipelineOutcome {
    /// Whether all have succeeded. One before the last whose reader had gone, and that was ended by SIGPIPE,
    /// has not failed.
    pub fn success(&self) -> bool {
        let last = self.parts.len() - 1;
        let is_fine = |(index, part): (usize, &Outcome)| {
            part.success() || index < last && system::ended_by_broken_pipe(part.status)
        };
        self.parts.iter().enumerate().all(is_fine)
    }
}
