//! What is done otherwise on other systems. Here are the system calls that need unsafe code, or more care than
//! the types say.

pub(super) mod group;
pub(super) mod leader;
mod not_started;
pub(super) mod pipe;
mod start;
pub(super) mod terminal;
mod wide;

pub(super) use not_started::{hint, not_started};
pub(super) use start::start;

use super::outcome::Process;
use super::signal::Signal;
use super::status::Status;
#[cfg(target_os = "linux")]
use rustix::process::Pid;
use rustix::process::Signal as Raw;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::process::ExitStatus;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor of ours, or whatever the system has in its place.
pub(super) type Descriptor = OwnedFd;

/// Sends a signal to the process group of the number that the process of this pidfd has, also when that
/// process was reaped; `None` only looks whether somebody is there. `EINVAL` before Linux 6.9.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(super) fn signal_group(pidfd: BorrowedFd<'_>, signal: Option<Raw>) -> io::Result<()> {
    /// `PIDFD_SIGNAL_PROCESS_GROUP`, which `libc` does not have yet.
    const PROCESS_GROUP: libc::c_uint = 1 << 2;
    let signal = signal.map_or(0, Raw::as_raw);
    let information = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open as long as it is borrowed, and the call reads nothing through a null
    // pointer: the kernel fills in what `kill` would.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            information,
            PROCESS_GROUP,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the child killed when the thread that starts it ends. That must be a thread that lives as long as the
/// process.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
pub(super) fn kill_with_parent(command: &mut Command, parent: Pid) {
    use std::os::unix::process::CommandExt;
    let ask = move || {
        rustix::process::set_parent_process_death_signal(Some(Raw::KILL))?;
        // If the parent ended before it was asked, nobody sends the signal.
        match rustix::process::getppid() == Some(parent) {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    };
    // SAFETY: it runs in the child, between fork and exec, where nothing may be done that a signal handler
    // may not do. It makes two system calls, and takes no lock and no memory: an `io::Error` of a number has
    // none.
    unsafe { command.pre_exec(ask) };
}

/// Has a child put its group, which it leads by then, into the foreground of the terminal that is its stdin, if
/// `is_to` says so. It ignores Ctrl-Z from then on: nobody would have it go on.
#[allow(unsafe_code)]
pub(super) fn take_foreground(
    command: &mut Command,
    is_to: impl Fn() -> bool + Send + Sync + 'static,
) {
    use std::os::unix::process::CommandExt;
    let take = move || {
        if is_to() {
            // SAFETY: its number is that of standard input, which is open: the terminal was put there.
            let stdin = unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) };
            set_foreground(stdin, rustix::process::getpid())?;
            // SAFETY: no handler of ours is installed.
            unsafe { libc::signal(libc::SIGTSTP, libc::SIG_IGN) };
        }
        Ok(())
    };
    // SAFETY: it runs in the child, between fork and exec, where nothing may be done that a signal handler
    // may not do. It makes system calls, reads a word, and takes no lock and no memory: an `io::Error` of a
    // number has none.
    unsafe { command.pre_exec(take) };
}

/// Puts a group into the foreground of a terminal, also from the background, where the system would stop us for
/// it by SIGTTOU.
pub(super) fn set_foreground(terminal: impl AsFd, group: rustix::process::Pid) -> io::Result<()> {
    let blocked = Blocked::by_this_thread();
    let set = || Ok(rustix::termios::tcsetpgrp(terminal, group)?);
    blocked.and(libc::SIGTTOU).during(set)
}

/// Has a write to a pipe without a reader fail on this thread, whatever the program does with SIGPIPE.
pub(super) fn block_broken_pipe_signal() {
    Blocked::by_this_thread().and(libc::SIGPIPE).set();
}

/// The signals that a thread blocks. What it starts inherits them.
#[derive(Clone, Copy)]
struct Blocked(libc::sigset_t);

#[allow(unsafe_code)]
impl Blocked {
    fn by_this_thread() -> Self {
        let mut set = std::mem::MaybeUninit::uninit();
        // SAFETY: without a new mask it only tells this thread's. It cannot fail; if it did, the empty set would be
        // there, which the first call makes.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    fn and(mut self, signal: libc::c_int) -> Self {
        // SAFETY: the set is initialized, and the signal is one of the system's.
        unsafe { libc::sigaddset(&mut self.0, signal) };
        self
    }

    fn set(&self) {
        // SAFETY: the set is initialized, and no old mask is asked for. The mask is of this thread alone.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }

    /// Has this thread block these while it does that.
    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = Self::by_this_thread();
        self.set();
        let value = work();
        before.set();
        value
    }
}

/// As the system says that this program has no descriptors left.
pub(super) fn no_descriptors() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}

/// A pipe: where it is read, and where it is written.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(not(target_vendor = "apple"))]
    {
        Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
    }
    // There it cannot be said from the start: a child that another thread starts in between inherits them.
    #[cfg(target_vendor = "apple")]
    {
        let (from, to) = rustix::pipe::pipe()?;
        rustix::io::ioctl_fioclex(&from)?;
        rustix::io::ioctl_fioclex(&to)?;
        Ok((from, to))
    }
}

/// A pipe for the stdin of a child: where it is read, and our end.
pub(super) fn input_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    pipe()
}

/// Registers a descriptor with the runtime that this thread is in.
#[allow(deprecated, reason = "what is to be used in its place is younger than our oldest tokio")]
pub(super) fn watch<T: AsFd + AsRawFd>(
    descriptor: T,
    interest: Interest,
) -> io::Result<AsyncFd<T>> {
    // It was deprecated because a type may change its descriptor, or close it, while it is registered. Those
    // that are `AsFd`, which are all of ours, do not.
    AsyncFd::with_interest(descriptor, interest)
}

/// The number of a pipe, which all have in common who have it open.
pub(super) fn number_of(pipe: &OwnedFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(pipe)?.st_ino)
}

/// Which other processes have one of these pipes open, and whether none but children of this one have that are just
/// being started.
#[cfg(target_os = "linux")]
pub(super) async fn holders(pipes: Vec<u64>) -> (Vec<Process>, bool) {
    // It looks at all descriptors of all processes, and others' outputs are not to wait for that, unless the system has
    // no thread to give. (Then tokio's `spawn_blocking` panics.)
    let (tell, told) = tokio::sync::oneshot::channel();
    let of_thread = pipes.clone();
    let look = move || drop(tell.send(group::holders(&of_thread)));
    match std::thread::Builder::new().name("overfall-look".into()).spawn(look) {
        Ok(_detached) => told.await.unwrap_or_default(),
        Err(_) => group::holders(&pipes),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) async fn holders(_: Vec<u64>) -> (Vec<Process>, bool) {
    (Vec::new(), false)
}

/// Whether it is the controlling terminal of this program: a group in its background is stopped by a read.
pub(super) fn is_our_terminal(file: impl AsFd) -> bool {
    rustix::termios::tcgetpgrp(file).is_ok()
}

/// The number of the signal by which a process was ended.
pub(super) fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Whether a process was ended by a write that nobody reads.
pub(super) fn ended_by_broken_pipe(status: Status) -> bool {
    status.signal() == Some(libc::SIGPIPE)
}

fn raw(signal: Signal) -> Raw {
    match signal {
        Signal::HangUp => Raw::HUP,
        Signal::Interrupt => Raw::INT,
        Signal::Quit => Raw::QUIT,
        Signal::Terminate => Raw::TERM,
        Signal::User1 => Raw::USR1,
        Signal::User2 => Raw::USR2,
        Signal::Continue => Raw::CONT,
        Signal::Stop => Raw::STOP,
        Signal::Kill => Raw::KILL,
    }
}
