//! How a child has ended.

use std::fmt;
use std::process::ExitStatus;
use std::time::Instant;
use tokio::sync::watch;

/// How a child has ended: its exit status, or that nobody can tell it, or that it could not be ended.
///
/// It is unknown where the kernel throws statuses away, because SIGCHLD is ignored (by this program, or by
/// what started it: that survives `exec`), and where other code of the program has waited for our child. It is
/// never taken for success then.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::Command;
///
/// let status = Command::new("sh").args(["-c", "exit 7"]).spawn()?.wait().await.status;
/// assert_eq!(status.code(), Some(7));
/// assert!(!status.success());
/// # Ok::<(), overfall::process::SpawnError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Status {
    /// What the child exited with, or the signal that ended it.
    Known(ExitStatus),
    /// The child has ended, and its status is lost.
    Unknown,
    /// The child has not ended, though SIGKILL was sent three seconds ago: it stands in a system call that cannot
    /// be interrupted, or runs as another user. It is told by what kills a child; [`wait`](super::Child::wait) for it
    /// as before.
    Running,
}

impl Status {
    /// Whether it is known that it exited with 0.
    pub fn success(self) -> bool {
        self.known().is_some_and(|status| status.success())
    }

    /// What it exited with. `None` if it was ended by a signal, or if its status is unknown.
    pub fn code(self) -> Option<i32> {
        self.known()?.code()
    }

    /// The number of the signal that ended it. There is none on Windows.
    pub fn signal(self) -> Option<i32> {
        super::system::signal_of(self.known()?)
    }

    /// The status of the standard library, unless it is unknown.
    pub fn known(self) -> Option<ExitStatus> {
        match self {
            Self::Known(status) => Some(status),
            Self::Unknown | Self::Running => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(status) => status.fmt(f),
            Self::Unknown => f.write_str(
                "unknown exit status: SIGCHLD is ignored, or other code of the program waited for it",
            ),
            Self::Running => f.write_str(
                "not ended by SIGKILL: it stands in a system call that cannot be interrupted, or runs as another user",
            ),
        }
    }
}

/// How, and when, the leader ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    pub(super) status: Status,
    pub(super) at: Instant,
}

impl Exit {
    /// It still runs.
    pub(super) fn not_yet() -> Self {
        Self { status: Status::Running, at: Instant::now() }
    }
}

/// The exit of a leader, once it is known. It needs nothing of the system, so that it can be asked when the leader was
/// reaped, and its `Child` is gone.
#[derive(Debug)]
pub(super) struct KnownExit(watch::Sender<Option<Exit>>);

impl KnownExit {
    pub(super) fn not_yet() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(super) fn get(&self) -> Option<Exit> {
        *self.0.borrow()
    }

    /// Tells it to all who wait. The first one that is told stays.
    pub(super) fn tell(&self, exit: Exit) {
        self.0.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(exit);
            is_first
        });
    }

    /// Waits until it is known. On the thread of children, where the waker is ours.
    pub(super) async fn known(&self) -> Exit {
        let mut known = self.0.subscribe();
        loop {
            if let Some(exit) = *known.borrow_and_update() {
                return exit;
            }
            // The sender is ours, and lives as long.
            let _changed = known.changed().await;
        }
    }
}
