//! What to start, and how.

use super::capture::Capture;
use super::child::Child;
use super::input::Input;
use super::shut_down::ShutDown;
use super::spawn;
use super::spawn_error::SpawnError;
use super::terminal::Asks;
use std::ffi::OsStr;
#[cfg(unix)]
use std::os::unix::process::CommandExt;
#[cfg(windows)]
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{self, CommandArgs, CommandEnvs};
use std::sync::Arc;
use std::time::Duration;

/// A program to start as a child, with its arguments, its environment, and what becomes of its input and
/// outputs.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::Command;
///
/// let child = Command::new("echo").args(["to", "whom"]).spawn()?;
/// let outcome = child.wait().await;
/// assert!(outcome.success());
/// assert_eq!(outcome.stdout.unwrap().stats.payload_bytes, 8);
/// # Ok::<(), overfall::process::SpawnError>(())
/// # }).unwrap();
/// ```
///
/// What holds if nothing is said:
///
/// | what | how | else |
/// |---|---|---|
/// | stdin | at its end from the start | [`stdin`](Self::stdin) |
/// | stdout, stderr | each in a ring of 1 MiB | [`stdout`](Self::stdout), [`stderr`](Self::stderr), [`merged`](Self::merged) |
/// | process group | one of its own, which signals and kills reach as a whole | |
/// | name | the program's file name | [`name`](Self::name) |
/// | `wait`, after the exit | 3 s after the last byte of an output, and 30 s in all | [`drain`](Self::drain) |
/// | dropped without a wait | killed with its group | [`shut_down_on_drop`](Self::shut_down_on_drop), [`Child::detach`] |
/// | this program is killed | the child lives on, and a write to a pipe of ours ends it | [`ends_with_us`](Self::ends_with_us) |
///
/// # From a command of others
///
/// A `std::process::Command` becomes one by `From`, and tokio's by its `into_std()`. Program, arguments,
/// environment, directory, user and `pre_exec` stay. Its stdio and its process group are overwritten by what
/// is set here, or by the defaults, as are its creation flags on Windows, and tokio's `kill_on_drop` is gone:
/// a dropped child is killed in any case.
///
/// ```
/// # futures::executor::block_on(async {
/// let mut command = std::process::Command::new("sh");
/// command.args(["-c", "exit 3"]);
/// let outcome = overfall::process::Command::from(command).spawn()?.wait().await;
/// assert_eq!(outcome.status.code(), Some(3));
/// # Ok::<(), overfall::process::SpawnError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Command {
    pub(super) command: process::Command,
    pub(super) name: Option<Arc<str>>,
    pub(super) stdin: Input,
    pub(super) outputs: Outputs,
    pub(super) drain: Drain,
    pub(super) on_drop: Option<ShutDown>,
    pub(super) ends_with_us: bool,
    #[cfg(windows)]
    pub(super) creation_flags: u32,
    /// Once one of its children was to have our terminal.
    pub(super) asks: Option<Asks>,
}

/// How the outputs are kept.
#[derive(Clone, Debug)]
pub(super) enum Outputs {
    Apart { stdout: Capture, stderr: Capture },
    Merged(Capture),
}

/// How long outputs are waited for after the exit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    pub(super) quiet: Duration,
    pub(super) at_most: Duration,
}

/// So long what was held up by consumers that stood still may take to come, when they are weak.
pub(super) const REST: Duration = Duration::from_secs(3);

impl Command {
    /// A command that runs `program`, which is looked up in PATH if it has no slash.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.command.args(args);
        self
    }

    /// What the program is told that it is called, in place of its path.
    #[cfg(unix)]
    #[cfg_attr(docsrs, doc(cfg(unix)))]
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg0(arg);
        self
    }

    /// Sets an environment variable. PATH, too, is where the program is looked up.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(key, value);
        self
    }

    /// Sets several environment variables.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        self.command.envs(variables);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.command.env_remove(key);
        self
    }

    /// Removes all environment variables that are inherited, or set so far.
    pub fn env_clear(&mut self) -> &mut Self {
        self.command.env_clear();
        self
    }

    /// The directory that the child starts in. A path of the program with a slash is looked up there.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.command.current_dir(directory);
        self
    }

    /// The user that the child runs as.
    #[cfg(unix)]
    #[cfg_attr(docsrs, doc(cfg(unix)))]
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.command.uid(id);
        self
    }

    /// The group of users that the child runs as.
    #[cfg(unix)]
    #[cfg_attr(docsrs, doc(cfg(unix)))]
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.command.gid(id);
        self
    }

    /// Flags of `CreateProcess`, such as `CREATE_NO_WINDOW` for a program that has no console. Those that we need
    /// are added. A child with a console of its own is not reached by Ctrl-Break.
    #[cfg(windows)]
    #[cfg_attr(docsrs, doc(cfg(windows)))]
    pub fn creation_flags(&mut self, flags: u32) -> &mut Self {
        self.creation_flags = flags;
        self
    }

    /// Adds text to the command line as it is, for programs that do not take it apart as most do (`cmd`).
    #[cfg(windows)]
    #[cfg_attr(docsrs, doc(cfg(windows)))]
    pub fn raw_arg(&mut self, text: impl AsRef<OsStr>) -> &mut Self {
        self.command.raw_arg(text);
        self
    }

    /// The program.
    pub fn get_program(&self) -> &OsStr {
        self.command.get_program()
    }

    /// The arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.command.get_args()
    }

    /// The environment variables that are set or removed.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.command.get_envs()
    }

    /// The directory that the child starts in, if one is set.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.command.get_current_dir()
    }

    /// What the child is called in outcomes, events and names of channels. If nothing is said, that is the
    /// file name of the program. Arguments and environment may hold secrets, and never are in it.
    pub fn name(&mut self, name: impl Into<Arc<str>>) -> &mut Self {
        self.name = Some(name.into());
        self
    }

    /// What the child reads.
    pub fn stdin(&mut self, input: Input) -> &mut Self {
        self.stdin = input;
        self
    }

    /// How stdout is kept. After [`merged`](Self::merged), stderr is kept as if nothing was said.
    pub fn stdout(&mut self, capture: Capture) -> &mut Self {
        *self.apart().0 = capture;
        self
    }

    /// How stderr is kept. After [`merged`](Self::merged), stdout is kept as if nothing was said.
    pub fn stderr(&mut self, capture: Capture) -> &mut Self {
        *self.apart().1 = capture;
        self
    }

    fn apart(&mut self) -> (&mut Capture, &mut Capture) {
        if let Outputs::Merged(_) = self.outputs {
            self.outputs = Outputs::default();
        }
        match &mut self.outputs {
            Outputs::Apart { stdout, stderr } => (stdout, stderr),
            Outputs::Merged(_) => unreachable!("it was just replaced"),
        }
    }

    /// Keeps stdout and stderr together, in the order in which we read them: [`Child::output`]. Each has a pipe
    /// of its own, so that messages tell which of the two they came from.
    pub fn merged(&mut self, capture: Capture) -> &mut Self {
        self.outputs = Outputs::Merged(capture);
        self
    }

    /// How long [`Child::wait`] and its like wait for the outputs after the exit: until nothing has come for
    /// `quiet`, and no longer than `at_most` in all. Grandchildren that keep a pipe open are not waited for any
    /// longer, nor strong consumers that stand still. [`Duration::MAX`] means for ever, and zero means to look
    /// once. It is 3 s and 30 s if nothing is said.
    ///
    /// While there is something to read and a strong consumer leaves no room for it, the child is not quiet:
    /// `at_most` alone bounds that.
    pub fn drain(&mut self, quiet: Duration, at_most: Duration) -> &mut Self {
        self.drain = Drain { quiet, at_most };
        self
    }

    /// Has a [`Child`] that is dropped without a wait shut down by `policy`, and not killed at once. That
    /// goes on in the background, whatever runtime there is, as long as this program runs.
    pub fn shut_down_on_drop(&mut self, policy: ShutDown) -> &mut Self {
        self.on_drop = Some(policy);
        self
    }

    /// Has the child killed when this program ends, however it ends: by SIGKILL, too. On Linux and Windows; elsewhere
    /// [`spawn`](Self::spawn) fails.
    ///
    /// It is bound to the process, not to the thread that starts it. On Windows it is true of the child and all
    /// that it has started. On Linux it is true of the child itself, not
    /// of its group: members that it started live on, unless they notice that it has gone. A program that
    /// changes its user or its rights with its start (`sudo`) is not killed.
    pub fn ends_with_us(&mut self) -> &mut Self {
        #[cfg(target_os = "linux")]
        if !self.ends_with_us {
            super::system::kill_with_parent(&mut self.command, rustix::process::getpid());
        }
        self.ends_with_us = true;
        self
    }

    /// Starts the child. A command can start several, one after the other.
    ///
    /// This blocks the thread as long as the system takes to start a program: a millisecond or so. A program that is
    /// open for writing is waited for, for 200 ms: a child that another thread is just starting has a copy of whatever
    /// this program has open, also of a file that was just written.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], which tells a program, a directory and an interpreter that are missing apart. Nothing
    /// is left of the attempt.
    pub fn spawn(&mut self) -> Result<Child, SpawnError> {
        spawn::spawn(self, None)
    }
}

impl Default for Outputs {
    fn default() -> Self {
        Self::Apart { stdout: Capture::default(), stderr: Capture::default() }
    }
}

/// Its stdio and its process group are overwritten.
impl From<process::Command> for Command {
    fn from(command: process::Command) -> Self {
        Self {
            command,
            name: None,
            stdin: Input::default(),
            outputs: Outputs::default(),
            drain: Drain { quiet: Duration::from_secs(3), at_most: Duration::from_secs(30) },
            on_drop: None,
            ends_with_us: false,
            #[cfg(windows)]
            creation_flags: 0,
            asks: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test of the longer one would take that long.
    #[test]
    fn if_nothing_is_said_outputs_are_waited_for_3_s_after_the_last_byte_and_30_s_in_all() {
        let Drain { quiet, at_most } = Command::new("program").drain;
        assert_eq!((quiet, at_most), (Duration::from_secs(3), Duration::from_secs(30)));
    }
}
