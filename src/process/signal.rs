//! The signals that one sends to a child.

/// A signal to a child and its group, for [`Child::signal`](super::Child::signal) and
/// [`ShutDown`](super::ShutDown).
///
/// Windows has no signals. There `Interrupt`, `Quit` and `Terminate` are all Ctrl-Break, `Kill` terminates the job, and
/// the others fail with [`Unsupported`](std::io::ErrorKind::Unsupported).
///
/// ```
/// use overfall::process::{ShutDown, Signal};
/// use std::time::Duration;
///
/// let policy = ShutDown::first(Signal::Interrupt, Duration::from_secs(2))
///     .then(Signal::Terminate, Duration::from_secs(5));
/// # drop(policy);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGHUP`: the terminal has gone; for many daemons, read the configuration again.
    HangUp,
    /// `SIGINT`: what Ctrl-C sends.
    Interrupt,
    /// `SIGQUIT`: end, and leave a core file.
    Quit,
    /// `SIGTERM`: end in order.
    Terminate,
    /// `SIGUSR1`: what the program makes of it.
    User1,
    /// `SIGUSR2`: what the program makes of it.
    User2,
    /// `SIGCONT`: go on after a stop.
    Continue,
    /// `SIGSTOP`: stop, until [`Continue`](Self::Continue).
    Stop,
    /// `SIGKILL`: end at once.
    Kill,
}
