//! What a child reads: its stdin.

use super::driver::Either::{First, Second};
use super::driver::{self, first};
use super::outcome::InputOutcome;
use super::system::pipe::Writing;
use super::system::{Descriptor, is_our_terminal};
use crate::channel::Channel;
use crate::channel::reader::StrongReader;
use crate::channel::writer::StrongWriter;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock};
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// So long what writes may take to learn of the exit.
const MOMENT: Duration = Duration::from_millis(50);

/// What a child reads as its stdin. If nothing is said it is at its end from the start: a child that
/// inherits it may swallow what is meant for the next one, or wait for bytes that never come.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::{Command, Input};
///
/// let child = Command::new("wc").arg("-c").stdin(Input::bytes("seven\n!")).spawn()?;
/// assert!(child.wait().await.success());
/// # Ok::<(), overfall::process::SpawnError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Input(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    Null,
    Inherit,
    Terminal,
    File(Arc<Descriptor>),
    Pipe,
    Bytes(Arc<[u8]>),
}

/// The ring in front of a child's stdin.
const RING: usize = 64 * 1024;

impl Input {
    /// Nothing: the child is at the end at once. That is so if nothing else is said.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// What this program has as stdin. A terminal is [refused](super::SpawnError::Terminal): see
    /// [`terminal`](Self::terminal).
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// The terminal of this program, and its foreground with it: the child may read from it, and what is typed
    /// there, Ctrl-C too, goes to the child's group and not to this program. When the child has ended, the
    /// foreground is this program's again, before anybody is told.
    ///
    /// One child has it at a time, and this program must have it before: if not,
    /// [`spawn`](super::Command::spawn) fails. Ctrl-Z does nothing: the child is started with SIGTSTP ignored, as
    /// nobody would have it go on. On Windows a console has no foreground, and this is the same as
    /// [`inherit`](Self::inherit). Its outputs are captured as ever: see [`Capture::inherit`](super::Capture::inherit).
    pub fn terminal() -> Self {
        Self(Kind::Terminal)
    }

    /// A file, or another descriptor, which the child reads itself.
    pub fn file(file: impl Into<Descriptor>) -> Self {
        Self(Kind::File(Arc::new(file.into())))
    }

    /// A pipe behind a ring of 64 KiB: [`Child::take_stdin`](super::Child::take_stdin) gives its writer, and
    /// [`Child::feed`](super::Child::feed) a pump into it.
    pub fn pipe() -> Self {
        Self(Kind::Pipe)
    }

    /// These bytes, and then the end.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self(Kind::Bytes(bytes.as_ref().into()))
    }

    /// What the child's stdin is to be. `None`: a terminal that would stop it.
    pub(super) fn stdio(&self) -> io::Result<Option<Stdio>> {
        Ok(Some(match &self.0 {
            Kind::Null => Stdio::null(),
            Kind::Inherit if is_our_terminal(io::stdin()) => return Ok(None),
            Kind::Inherit => Stdio::inherit(),
            Kind::File(file) if is_our_terminal(file) => return Ok(None),
            Kind::File(file) => Stdio::from(file.try_clone()?),
            // Who starts the child puts them there.
            Kind::Terminal | Kind::Pipe | Kind::Bytes(_) => Stdio::null(),
        }))
    }

    /// Whether the child is to have our terminal.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self.0, Kind::Terminal)
    }

    /// Whether it comes through a pipe that we write.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.0, Kind::Pipe | Kind::Bytes(_))
    }

    /// Starts to write into `pipe`, on the thread of children: call it in its runtime.
    pub(super) fn feed(&self, pipe: Option<Descriptor>, name: &str) -> io::Result<Option<Feed>> {
        let Some(pipe) = pipe else { return Ok(None) };
        let mut pipe = Writing::new(pipe)?;
        let taken = Arc::<Taken>::default();
        let (running, runs) = watch::channel(());
        let writer = match &self.0 {
            Kind::Bytes(bytes) => {
                let (bytes, taken) = (bytes.clone(), taken.clone());
                tokio::spawn(async move {
                    let _until_it_ends = runs;
                    let _broken = write_all(&mut pipe, &bytes, &taken).await;
                });
                None
            }
            _ => {
                let builder = Channel::builder().size(RING).name(format!("{name}: stdin"));
                let channel = builder.build().map_err(io::Error::other)?;
                let reader = channel.new_strong_reader();
                let passing = pass_on(reader, pipe, taken.clone());
                tokio::spawn(async move {
                    let _until_it_ends = runs;
                    passing.await;
                });
                Some(channel.new_strong_writer())
            }
        };
        Ok(Some(Feed { writer: Mutex::new(writer), taken, running }))
    }
}

/// The stdin of a child that we write.
#[derive(Debug)]
pub(super) struct Feed {
    /// `None` once it was taken, or closed.
    writer: Mutex<Option<StrongWriter>>,
    taken: Arc<Taken>,
    /// Closed when what writes has ended.
    running: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: AtomicU64,
    is_broken: AtomicBool,
}

impl Feed {
    pub(super) fn take(&self) -> Option<StrongWriter> {
        lock(&self.writer).take()
    }

    /// To be asked behind the exit. What writes learns of a pipe that nobody reads any more in a moment; if it
    /// does not, another process has that, or somebody writes on.
    pub(super) async fn outcome(&self) -> InputOutcome {
        if let Ok(moment) = driver::sleep_until(Instant::now() + MOMENT) {
            first(self.running.closed(), moment).await;
        }
        // Relaxed: figures order nothing.
        InputOutcome {
            bytes: self.taken.bytes.load(Ordering::Relaxed),
            broken: self.taken.is_broken.load(Ordering::Relaxed),
        }
    }
}

/// Writes what comes through the ring, until its writers have gone, or nobody reads the pipe any more. The
/// writers learn of that: their channel is closed when its reader goes.
async fn pass_on(mut reader: StrongReader, mut pipe: Writing, taken: Arc<Taken>) {
    loop {
        let filled = poll_fn(|context| reader.poll_fill_buf(context).map_ok(|lent| lent.len()));
        match first(filled, pipe.closed()).await {
            First(Ok(1..)) => {}
            // A failure ends it as the end does: the child is not to wait for more. Who failed it knows.
            First(_) => return,
            // Nobody reads the pipe any more, and there is nothing to write that could tell.
            Second(_) => return,
        }
        // The same once more: a loan cannot leave the future that waits for it.
        let Ok(lent) = reader.try_fill_buf() else { return };
        let len = lent.len();
        if write_all(&mut pipe, lent, &taken).await.is_err() {
            return;
        }
        // That wakes writers. A waker that panics has harmed nothing, and the panic hook has told it.
        let _a_waker_may_panic = catch_unwind(AssertUnwindSafe(|| reader.consume(len)));
    }
}

async fn write_all(pipe: &mut Writing, mut bytes: &[u8], taken: &Taken) -> io::Result<()> {
    while !bytes.is_empty() {
        match pipe.write(bytes).await {
            Ok(written) => {
                taken.bytes.fetch_add(written as u64, Ordering::Relaxed);
                bytes = &bytes[written..];
            }
            Err(error) => {
                taken.is_broken.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    }
    Ok(())
}
