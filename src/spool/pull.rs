//! A spool that has a source, which is read when a reader needs what is not there.
//!
//! The *job* is the spool's writer and the source. Who has it reads: so the source is read by one thread
//! at a time. It lies under a lock, with a word that tells whose *turn* it is:
//!
//! - *idle*: nobody needs anything. The next reader that does takes the job and reads (a source that does
//!   not block), or has the thread take it (*asked*, for one that blocks).
//! - *reading*: somebody has the job.
//! - *registered*: the source had nothing, or a bounded spool no room, and has our waker.
//! - *over*: the stream has ended, or nobody can ever read it. The job is dropped by who has it.
//!
//! A reader that needs something has parked before, as any reader that waits (`sleeper.rs`), and then takes the
//! lock. So there is no word for what is needed: it is what parked readers wait for. A reader that gave
//! up, or was dropped, is not parked, and nothing is read for it.
//!
//! *No need is lost.* Suppose that A, who has the job, makes the turn idle, and that B needs something. If
//! B comes to the lock after A, B finds the turn idle, and sees to it. If B came before, B had parked, and
//! A finds it: the thread reads on while anybody parked needs something (`Shared::is_needed`); a
//! reader that has what it needs wakes all who need something, and so do the source's waker and an error
//! ([`Pull::wake_needy`]). All, and not one: a task may have forgotten what it registered, and be deaf.
//! So nothing depends on the reader that read last: it may be dropped at any time.
//!
//! *Nobody reads ahead.* B looks at the length again under the lock. If A has published what B waits for,
//! and then made the turn idle, B sees it.
//!
//! *A wake while the source is polled* is noted (*woken*), and counts when the job comes back: else it
//! would be lost, as nobody is registered yet.
//!
//! The source and wakers are code of others. They run without the lock. If the source panics, the stream
//! fails, as nobody knows what it has lost.

use super::SpoolWriter;
use super::error::SourcePanicked;
use super::shared::Shared;
use crate::error::Failure;
use crate::io::Blocking;
use crate::io::layers::{Final, PollRead, Until, checked};
use crate::sync::{Mutex, lock};
use crate::wait::panics::Panics;
use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// After so many reads in a row, a task lets others run.
pub(super) const IN_A_ROW: u32 = 16;

type Read = Box<dyn FnMut(&mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>> + Send>;

pub(super) struct Job {
    writer: SpoolWriter,
    read: Read,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    Idle,
    Asked,
    Reading { woken: bool },
    Registered,
    Over,
}

struct State {
    turn: Turn,
    /// `None` while somebody reads, and when it is over.
    job: Option<Job>,
    /// That of the thread, while it waits.
    thread: Option<Waker>,
    has_thread: bool,
    /// How many errors there were, and the last one.
    errors: u64,
    error: Option<Failure>,
}

impl State {
    /// Gives the job back, and tells whose turn it is. If it is over, the caller drops the job.
    fn put_back(&mut self, job: Job, turn: Turn) -> (Turn, Option<Job>) {
        self.turn = match (self.turn, turn) {
            (Turn::Over, _) => return (Turn::Over, Some(job)),
            (Turn::Reading { woken: true }, Turn::Registered) => Turn::Idle,
            (_, turn) => turn,
        };
        self.job = Some(job);
        (self.turn, None)
    }
}

pub(super) struct Pull {
    /// The source may block: a thread reads it.
    blocks: bool,
    state: Mutex<State>,
    shared: Weak<Shared>,
}

/// What a read of the source came to.
enum Came {
    Something,
    TheEnd,
    Nothing,
    Error(Failure),
    TheLastError(Failure),
}

/// What becomes of a reader that needs something.
pub(super) enum Need {
    /// It is woken when there is something.
    Waits,
    /// The source was read: it is to look again.
    Check,
    /// The source has failed since this reader first asked.
    Told(Failure),
}

impl Pull {
    pub(super) fn new(
        writer: SpoolWriter,
        mut source: impl PollRead + Send + 'static,
        blocks: bool,
    ) -> Arc<Self> {
        let shared = Arc::downgrade(&writer.shared);
        let read = Box::new(move |context: &mut Context<'_>, buffer: &mut [u8]| {
            source.poll_read(context, buffer)
        });
        let state = State {
            turn: Turn::Idle,
            job: Some(Job { writer, read }),
            thread: None,
            has_thread: false,
            errors: 0,
            error: None,
        };
        Arc::new(Self { blocks, state: Mutex::new(state), shared })
    }

    /// A reader has found less than `wanted` bytes, and has parked if it is to be woken. `asked` is kept
    /// from one call to the next, until it has found what it needs.
    pub(super) fn need(
        self: &Arc<Self>,
        shared: &Shared,
        wanted: u64,
        asked: &mut Option<u64>,
    ) -> Need {
        let mut state = lock(&self.state);
        if *asked.get_or_insert(state.errors) != state.errors {
            *asked = None;
            return state.error.clone().map_or(Need::Check, Need::Told);
        }
        if shared.memory.length() >= wanted {
            return Need::Check;
        }
        if state.turn != Turn::Idle {
            return Need::Waits;
        }
        if !self.blocks {
            state.turn = Turn::Reading { woken: false };
            let job = state.job.take();
            drop(state);
            return match job {
                Some(job) => self.read_here(shared, job, asked),
                None => Need::Waits,
            };
        }
        state.turn = Turn::Asked;
        let waker = state.thread.take();
        let has_thread = mem::replace(&mut state.has_thread, true);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        match if has_thread { Ok(()) } else { self.start() } {
            Ok(()) => Need::Waits,
            Err(error) => {
                let mut state = lock(&self.state);
                state.has_thread = false;
                if state.turn == Turn::Asked {
                    state.turn = Turn::Idle;
                }
                drop(state);
                let (failure, mut panics) = (Failure::new(error), Panics::new());
                *asked = None;
                self.tell(shared, None, failure.clone(), &mut panics);
                panics.finish();
                Need::Told(failure)
            }
        }
    }

    /// Polls the source once, in the task of a reader.
    fn read_here(self: &Arc<Self>, shared: &Shared, mut job: Job, asked: &mut Option<u64>) -> Need {
        let waker = Waker::from(self.clone());
        let mut panics = Panics::new();
        let need = match job.read(&mut Context::from_waker(&waker), &mut panics) {
            Came::Something => {
                // A reader that needs more is woken once this reader has what it needs.
                self.put_back(job, Turn::Idle, &mut panics);
                if !panics.is_empty() {
                    // This reader does not come to that.
                    shared.wake_beyond(shared.memory.length(), &mut panics);
                }
                Need::Check
            }
            Came::Nothing => {
                if self.put_back(job, Turn::Registered, &mut panics) == Turn::Idle {
                    shared.wake_beyond(shared.memory.length(), &mut panics);
                }
                Need::Waits
            }
            Came::Error(failure) => {
                *asked = None;
                self.tell(shared, Some(job), failure.clone(), &mut panics);
                Need::Told(failure)
            }
            last => {
                panics.run(|| job.end(last));
                Need::Check
            }
        };
        panics.finish();
        need
    }

    /// Gives the job back, and tells whose turn it is.
    fn put_back(&self, job: Job, turn: Turn, panics: &mut Panics) -> Turn {
        let mut state = lock(&self.state);
        let (turn, job) = state.put_back(job, turn);
        drop(state);
        panics.run(|| drop(job));
        turn
    }

    /// Notes an error for all who have asked, gives the job back, and wakes them.
    fn tell(&self, shared: &Shared, job: Option<Job>, failure: Failure, panics: &mut Panics) {
        let mut state = lock(&self.state);
        state.errors += 1;
        let before = state.error.replace(failure);
        let left = job.and_then(|job| state.put_back(job, Turn::Idle).1);
        drop(state);
        // Code of others.
        panics.run(|| drop(before));
        panics.run(|| drop(left));
        shared.wake_beyond(shared.memory.length(), panics);
    }

    /// Wakes all who wait for what is not there. They had parked before they came to the lock, or find
    /// that it is nobody's turn.
    pub(super) fn wake_needy(&self, shared: &Shared) {
        let mut panics = Panics::new();
        shared.wake_beyond(shared.memory.length(), &mut panics);
        panics.finish();
    }

    /// A reader has read, and has what it needs: others may need more.
    pub(super) fn pass_on(&self, shared: &Shared) {
        if !self.blocks {
            self.wake_needy(shared);
        }
    }

    /// The stream has ended, or has neither reader nor handle: nobody reads the source any more.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.turn = Turn::Over;
        let (job, waker) = (state.job.take(), state.thread.take());
        drop(state);
        let mut panics = Panics::new();
        panics.run(|| drop(job));
        panics.run(|| waker.into_iter().for_each(Waker::wake));
        panics.finish();
    }

    /// Another thread serves, that of a model.
    #[cfg(all(test, overfall_loom))]
    pub(super) fn has_thread(&self) {
        lock(&self.state).has_thread = true;
    }

    /// The thread of a source that blocks.
    fn start(self: &Arc<Self>) -> io::Result<()> {
        let pull = self.clone();
        let serve = move || {
            let mut thread = Blocking::new(());
            pull.serve(|pull| {
                let check = |(): &mut (), context: Option<&mut Context<'_>>| pull.poll_job(context);
                thread.poll_or_wait(Until::Forever, |()| {}, check).flatten()
            });
        };
        std::thread::Builder::new().name("overfall-pull".into()).spawn(serve).map(drop)
    }

    /// Reads whenever it is asked, until it is over.
    pub(super) fn serve(self: &Arc<Self>, mut wait: impl FnMut(&Self) -> Option<Job>) {
        while let Some(job) = wait(self) {
            let mut panics = Panics::new();
            self.serve_once(job, &mut panics);
            // A waker has panicked, of a task that this thread does not know. The source goes on for the
            // others.
            mem::forget(panics);
        }
    }

    /// The job, once a reader needs something; `None` when it is over. Without a context it only looks.
    pub(super) fn poll_job(&self, context: Option<&mut Context<'_>>) -> Poll<Option<Job>> {
        let waker = context.map(|context| context.waker().clone());
        let mut state = lock(&self.state);
        match state.turn {
            Turn::Over => Poll::Ready(None),
            Turn::Asked => {
                state.turn = Turn::Reading { woken: false };
                Poll::Ready(state.job.take())
            }
            _ => {
                state.thread = waker.or(state.thread.take());
                Poll::Pending
            }
        }
    }

    fn serve_once(self: &Arc<Self>, mut job: Job, panics: &mut Panics) {
        let shared = job.writer.shared.clone();
        let waker = Waker::from(self.clone());
        loop {
            match job.read(&mut Context::from_waker(&waker), panics) {
                Came::Something => {
                    let mut state = lock(&self.state);
                    if state.turn == Turn::Over {
                        drop(state);
                        panics.run(|| drop(job));
                        return;
                    }
                    if !shared.is_needed(shared.memory.length()) {
                        state.turn = Turn::Idle;
                        state.job = Some(job);
                        return;
                    }
                }
                Came::Error(failure) => {
                    self.tell(&shared, Some(job), failure, panics);
                    return;
                }
                Came::Nothing => {
                    // There is no room. What blocks is always ready.
                    if self.put_back(job, Turn::Registered, panics) == Turn::Idle {
                        shared.wake_beyond(shared.memory.length(), panics);
                    }
                    return;
                }
                last => {
                    panics.run(|| job.end(last));
                    return;
                }
            }
        }
    }
}

impl Wake for Pull {
    /// The source may have something.
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        match state.turn {
            Turn::Registered => state.turn = Turn::Idle,
            Turn::Reading { .. } => state.turn = Turn::Reading { woken: true },
            _ => return,
        }
        let is_idle = state.turn == Turn::Idle;
        drop(state);
        if let Some(shared) = self.shared.upgrade().filter(|_| is_idle) {
            self.wake_needy(&shared);
        }
    }
}

impl Job {
    /// Reads the source once, into the rest of the segment. What wakers panic with is in `panics`, and
    /// the job is in order.
    fn read(&mut self, context: &mut Context<'_>, panics: &mut Panics) -> Came {
        loop {
            // Strong readers of a bounded spool may have to read on first. Who reads the source then is woken
            // as if that had had nothing.
            if panics.run(|| self.writer.poll_ready(context).is_pending()) == Some(true) {
                return Came::Nothing;
            }
            let mut read = None;
            let source = &mut self.read;
            let filled = panics.run(|| {
                self.writer.fill(|rest| {
                    read = Some(source(context, rest).map(|read| checked(read, rest.len())));
                    Ok(match &read {
                        Some(Poll::Ready(Ok(read))) => *read,
                        _ => 0,
                    })
                })
            });
            return match (filled, read) {
                // The room is gone: a strong reader has come to the spool since.
                (Some(Err(error)), None) if error.kind() == io::ErrorKind::WouldBlock => continue,
                (Some(Err(error)), _) => Came::Error(Failure::new(error)),
                // Of the source, and not of a waker.
                (None, None) => Came::TheLastError(Failure::new(SourcePanicked)),
                (_, Some(Poll::Ready(Ok(0)))) => Came::TheEnd,
                (_, Some(Poll::Ready(Ok(_)))) => Came::Something,
                (_, Some(Poll::Ready(Err(error)))) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    _ => last(error),
                },
                (_, Some(Poll::Pending)) => Came::Nothing,
                (Some(Ok(_)), None) => unreachable!("it was filled by the source"),
            };
        }
    }

    /// The stream ends like this.
    fn end(self, last: Came) {
        let Self { writer, read } = self;
        let mut panics = Panics::new();
        panics.run(|| match last {
            Came::TheEnd => {
                let _told_to_readers = writer.finish();
            }
            Came::TheLastError(failure) => {
                let _unless_it_had_ended = writer.fail(failure);
            }
            _ => {}
        });
        panics.run(|| drop(read));
        panics.finish();
    }
}

/// Whether an error of the source is the last one, as its source says.
fn last(error: io::Error) -> Came {
    if error.get_ref().is_some_and(|inner| inner.is::<Final>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<Final>().ok());
        let Some(inner) = inner else { unreachable!("it was looked at above") };
        return Came::TheLastError(Failure::new(inner.0));
    }
    Came::Error(Failure::new(error))
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turn = lock(&self.state).turn;
        f.debug_struct("Pull").field("turn", &turn).finish_non_exhaustive()
    }
}
