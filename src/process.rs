//! Child processes: many consumers of one output, nothing lost that was not chosen to be lost, and nobody left
//! behind.
//!
//! ```
//! # futures::executor::block_on(async {
//! use overfall::process::{Command, ShutDown, Start};
//! use std::time::Duration;
//!
//! let child = Command::new("sh").args(["-c", "echo ready; exit 7"]).spawn()?;
//! let mut log = child.stdout().unwrap().strong_reader(Start::Oldest)?; // the child waits for this one
//! let view = child.stdout().unwrap().weak_reader(Start::Oldest)?; // and not for this one
//! # drop(view);
//! assert_eq!(log.recv().await.unwrap().unwrap(), b"ready\n");
//!
//! let limit = Duration::from_secs(60);
//! let outcome = child.wait_or_shut_down(limit, &ShutDown::default()).await;
//! assert_eq!(outcome.status.code(), Some(7));
//! assert!(outcome.stdout.unwrap().ended);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! [`Command`] says what is chosen if nothing is said, and the [guide](crate::guide::processes) what other tools
//! hide.
//!
//! # Who does the work
//!
//! One thread of this crate, `overfall-process`, with a runtime of its own. It reads the outputs into their
//! rings, writes stdin, waits for exits, sends the signals of a shutting down, and reaps. So nothing depends on
//! the runtime of the program: that may be blocked, shut down, of another kind, or missing. A future of
//! [`Child`] is awaited wherever one likes. A copy of the program that `fork` made has a thread of its own with its
//! first child; what was started before is the child of the original.
//!
//! # What becomes of an output
//!
//! It is kept in a ring, and read by any number of consumers: [`Output`] tells how. What they decide:
//!
//! | what | is chosen here if nothing is said | else |
//! |---|---|---|
//! | a consumer is slow | it is a strong reader, and the child waits; or a weak one, and is told its gap | [`Output::strong_reader`], [`Output::weak_reader`] |
//! | nobody consumes | the child never waits, and the oldest bytes go | [`Capture::with_spool`] keeps all |
//! | a consumer comes late | it gets what the ring has, and is told how many bytes are gone | [`Start`], [`Output::seal`] |
//! | a consumer ends, or fails | it holds nobody up, as soon as its reader is dropped or terminated | |
//! | a read fails | all consumers get the bytes before it, and then the error, also late ones | |
//! | a process that we do not know keeps the pipe open | `wait` goes on after the time to drain | [`Command::drain`] |
//!
//! Bytes are copied once into the ring, by the system, and once out of it. What is there is asked for before it is
//! read, so that many short lines take no more of the ring than their slices of 64 bytes. (Where the answers are alike,
//! from 4 to 16 KiB, some are guessed; that takes a 32nd of the ring at most.) While more is there, consumers are woken
//! every 100 µs, and else at once. A pipe that is found full is made wider (256 KiB, Linux), if the system allows it and
//! no more than 63 others of ours are.
//!
//! # Who reaps
//!
//! That thread, and nobody else. It waits for each child through a pidfd, and for no other process: children
//! of other code of the program are left alone. A child that has exited is reaped at once, whether somebody
//! waits for it or not, so that no zombie stays. Where a program adopts orphans (it is process 1, or a
//! subreaper), members of a child's group become its children when their parent ends. Those are reaped, too, one by
//! one. What has left the group (`setsid`) is not ours any more: a program that is process 1 has to reap it.
//!
//! If SIGCHLD is ignored, or other code waits for any child, the status of a child is [`Status::Unknown`]. All
//! else works.
//!
//! # Who is signalled
//!
//! The group that the child leads, as a whole. A number of a process may be given to another one as soon as the
//! process is reaped, so a number that was reaped is never signalled:
//!
//! | system | the group is signalled through | the leader is reaped |
//! |---|---|---|
//! | Linux 6.9 and later | the leader's pidfd, which stays the group's when the leader is reaped | at once |
//! | Linux 5.3 and later | its number, while the leader is not reaped | when it was waited for, or dropped |
//! | others | the same, and a thread for each child waits for it | the same |
//!
//! Where others have reaped the leader, only the first row reaches the group. A shutting down is over then, in the
//! other rows, without a signal.
//!
//! A group is *empty* when none of its members is left but zombies. That is looked up in `/proc`, member by
//! member, and waited for through a pidfd of each. Without `/proc`, signal 0 tells, looked at every 10 ms.
//!
//! # Windows
//!
//! | what | on Windows |
//! |---|---|
//! | the group | a *job*, to which all belongs that the child starts, and which nobody leaves. The child is started suspended, and runs when it is in there |
//! | it is empty | when no member of the job runs. One member after the other is waited for |
//! | a gentle [`Signal`] | Ctrl-Break, to the members that have our console and made no group of their own. A program without a console cannot press it: then a phase only waits |
//! | [`Signal::Kill`] | the job is terminated; all exit with 1 |
//! | the end of this program, with [`Command::ends_with_us`] | ends the whole job |
//! | an exit | has a code, and no signal. There is nothing to be reaped: handles keep the number from others |
//! | an output | a read of no byte tells when there is something. What is there is read through a buffer, and copied once more than on Unix |
//! | who has an output open | cannot be told |
//! | a terminal | a console stops nobody who reads from it, and [`Input::terminal`] is [`Input::inherit`] |
//!
//! A child gets the handles that are meant for it, and those that other code made inheritable at that time: the
//! standard library starts its children one at a time, but not those of others.
//!
//! # What was not run
//!
//! All of this is run on Linux, the second row and the third one by withholding what they lack. macOS is compiled
//! alone. What is said of Windows was run under Wine 8.0 (`ci/windows`), and not on Windows itself; Ctrl-Break, which
//! Wine does not have, and a prompt in a real console, were not run at all.

// The leader's state (`leader.rs`) is the one place that knows whether a number was reaped. All uses of the
// number, and the reaping, are behind its lock:
//
// - `Leader::look` waits with `WNOWAIT` first: the status is kept, and the number is still ours. It is the only
//   one that changes the state, and it may run on any thread.
// - `Leader::signal` goes by number only while the state is not `Reaped`.
// - `Leader::release` says that nobody will signal by number any more.
//
// What callers ask for is a job (`job.rs`), a task on the thread of children which ends when the caller's future
// is dropped. tokio runs the caller's waker where its panic does no harm. No waker of a caller is ever
// registered with a descriptor, nor woken under a lock of ours.

mod any_reader;
mod capture;
mod child;
mod collect;
mod command;
mod consumer;
mod drain;
mod driver;
mod each_line;
mod expected;
mod forward;
mod input;
mod job;
mod looking;
mod outcome;
mod output;
mod pipeline;
mod ready;
mod shut_down;
mod signal;
mod spawn;
mod spawn_error;
mod spooling;
mod status;
mod trace;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use system::{group, leader, terminal};

pub use crate::error::second_consumer::SecondConsumer;
pub use any_reader::AnyReader;
pub use capture::Capture;
pub use child::Child;
pub use collect::{Collect, Collected, LeftOut};
pub use command::Command;
pub use consumer::{Consumer, ConsumerEnd};
pub use each_line::{EachLine, LinesSeen};
pub use forward::{Forward, Forwarded};
pub use input::Input;
pub use outcome::{InputOutcome, Outcome, OutputOutcome, Process};
pub use output::{Output, Start, Stream};
pub use pipeline::{Pipeline, PipelineOutcome, Running};
pub use ready::{LineWatch, NoLine, NotReady, Ready};
pub use shut_down::{ShutDown, Took};
pub use signal::Signal;
pub use spawn_error::SpawnError;
pub use status::Status;
