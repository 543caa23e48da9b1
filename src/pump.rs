//! Moves bytes from a source into a channel or a spool, until the source ends.
//!
//! What a child prints, into a spool that viewers read:
//!
//! ```no_run
//! use overfall::pump::Pump;
//! use overfall::spool::Spool;
//! use std::process::{Command, Stdio};
//!
//! let mut child = Command::new("make").stdout(Stdio::piped()).spawn()?;
//! let Some(output) = child.stdout.take() else { unreachable!("it is piped") };
//! let spool = Spool::memory();
//! let pumping = Pump::new(output, spool.writer()?).spawn()?;
//! // Viewers read the spool meanwhile.
//! let (pump, result) = pumping.join().expect("a panic of a source or a transform comes here");
//! println!("{} bytes: {result:?}", pump.bytes_out());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Many writers of a channel into one spool, in async code:
//!
//! ```
//! use overfall::pump::Pump;
//! use overfall::spool::Spool;
//!
//! # futures::executor::block_on(async {
//! let channel = overfall::Channel::new(64 * 1024);
//! let (mut first, mut second) = (channel.new_writer(), channel.new_writer());
//! let spool = Spool::memory();
//! let mut pump = Pump::new(channel.new_strong_reader(), spool.writer()?);
//! first.try_send("from the first, ")?;
//! second.try_send("from the second")?;
//! drop((channel, first, second));
//! pump.run().await?;
//! assert_eq!(spool.finished().await?, 31);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! With a [`Transform`] on the way. A closure does; one that keeps something, or has something to say
//! at the end or at a gap, is a type of its own. This one notes each gap of a tap that must not hold
//! anybody up:
//!
//! ```
//! use overfall::error::Lagged;
//! use overfall::pump::{Pump, Transform};
//! use overfall::spool::Spool;
//! use std::io::{self, Write};
//!
//! struct NotesGaps;
//!
//! impl Transform for NotesGaps {
//!     fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
//!         output.write_all(input)
//!     }
//!
//!     fn gap(&mut self, lagged: &Lagged, output: &mut Vec<u8>) -> io::Result<()> {
//!         writeln!(output, "[{} bytes missed]", lagged.bytes_at_least)
//!     }
//! }
//!
//! let channel = overfall::Channel::new(64 * 1024);
//! let log = Spool::memory();
//! let tap = Pump::new(channel.new_weak_reader(), log.writer()?).through(NotesGaps).spawn()?;
//! # channel.drain()?;
//! # tap.join().unwrap().1?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it ends
//!
//! | what happens | what readers of the sink get behind the last byte | what the pump tells |
//! |---|---|---|
//! | the source ends | the end: a spool is finished, a channel's writer is [shut down](crate::Writer::shut_down) | `Ok` |
//! | a spool has all bytes that were [promised](crate::spool::Builder::known_len), and there is no transform | the end | `Ok` |
//! | the source fails | that error; or nothing, if a spool [releases](crate::spool::Builder::release_dropped_writers) its writers: they wait for a pump from the next source | [`PumpError::Source`] |
//! | the transform fails | that error | [`PumpError::Transform`] |
//! | a weak reader has a gap, and the transform does not take it | the `Lagged` | [`PumpError::Transform`] |
//! | the sink takes no more; a channel's tells so also while the source has nothing, unless that blocks its thread | the error, if it had not ended | [`PumpError::Sink`] |
//! | the source or the transform panics | [`Unfinished`] | the panic goes on, to who joins or polls |
//! | the pump is dropped before its end | [`Unfinished`]; a spool's writer is dropped or released | |
//!
//! So what was cut off never looks like what is whole. A channel with several writers fails for all of
//! them. `Interrupted` of a source changes nothing. Any other error ends the pump, `WouldBlock` of a
//! [`Read`](std::io::Read) among them: wrap what does not block in [`Tokio`](crate::source::Tokio) or
//! [`Futures`](crate::source::Futures).
//!
//! # Only while somebody listens
//!
//! A spool tells when its [last reader has gone](crate::spool::Spool::without_readers) and when
//! [one is there](crate::spool::Spool::with_readers). A pump in a task stands still meanwhile: its future is
//! dropped, which loses nothing, and run again later.
//!
//! ```
//! use futures::future::{Either, select};
//! use overfall::pump::{Pump, PumpError, Sink};
//! use overfall::source::AsyncSource;
//! use overfall::spool::{Spool, SpoolWriter};
//! use std::pin::pin;
//!
//! async fn while_read<S: AsyncSource>(
//!     pump: &mut Pump<S, SpoolWriter>,
//!     spool: &Spool,
//! ) -> Result<(), PumpError> {
//!     loop {
//!         spool.with_readers().await;
//!         let (run, alone) = (pin!(pump.run()), pin!(spool.without_readers()));
//!         match select(alone, run).await {
//!             Either::Left(_) => {} // stop at once; or sleep first, and see whether a reader is back
//!             Either::Right((result, _)) => return result,
//!         }
//!     }
//! }
//! ```
//!
//! One on a thread ends with [`PumpError::Sink`] when the spool is [failed](crate::spool::Spool::fail),
//! by who waits with `without_readers_timeout` and then with `with_readers_timeout` for as long as it likes to; or
//! that looks at [`len`](crate::spool::Spool::len) and lets it go on to the end. It is told at its next read.
//!
//! # What is copied
//!
//! Into a spool every source is read where the bytes are to lie. A strong reader and a spool's reader
//! lend their bytes to a transform, and to a channel's writer. Any other source is read into a buffer of
//! 64 KiB first. At most so much is given to a transform at once.

mod error;
mod sink;
mod transform;

pub use error::{PumpError, Unfinished};
pub use sink::Sink;
pub use transform::{Transform, Unchanged};

use crate::error::{Failure, Lagged};
use crate::io::Blocking;
use crate::io::layers::{AsyncSource, Source, Until, checked};
use crate::wait::panics::Panics;
use crate::wait::until::until_ready;
use sink::Outlet;
use std::fmt;
use std::io;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Context, Poll, Waker, ready};
use std::thread::JoinHandle;

/// So much is read, or transformed, at once.
const PIECE: usize = 64 * 1024;

/// Moves bytes from a source through a transform into a sink. See the [module](self).
#[must_use = "a pump does nothing until it is run or spawned"]
pub struct Pump<S, W: Sink, T = Unchanged> {
    source: S,
    transform: T,
    outlet: Outlet<W>,
    /// There is no transform: bytes go through where they lie, if they can.
    is_direct: bool,
    /// What a source is read into that does not lend.
    input: Vec<u8>,
    /// What the transform has put out.
    output: Vec<u8>,
    /// What of the input, if there is no transform, or else of the output, is still to be written.
    unwritten: Range<usize>,
    bytes_in: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Pumping,
    /// The source has ended, and the transform has put out its last.
    Ending,
    Over(Result<(), PumpError>),
}

/// What a pump was made of, from [`Pump::into_parts`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<S, W, T> {
    /// Where the bytes came from.
    pub source: S,
    /// What they went through.
    pub transform: T,
    /// Where they went. It has ended, unless the pump had not.
    pub writer: W,
    /// What was taken from the source, and was transformed, and is not written. At the end that is
    /// nothing.
    pub unwritten: Vec<u8>,
}

/// What a step came to.
type Step = ControlFlow<(), ()>;

impl<S: Source, W: Sink> Pump<S, W> {
    /// A pump from `source` into `writer`, which is a channel's or a spool's. It does nothing yet.
    pub fn new(source: S, writer: W) -> Self {
        Self {
            source,
            transform: Unchanged,
            outlet: Outlet::new(writer),
            is_direct: true,
            input: Vec::new(),
            output: Vec::new(),
            unwritten: 0..0,
            bytes_in: 0,
            stage: Stage::Pumping,
        }
    }

    /// Has all bytes go through `transform`.
    pub fn through<T: Transform>(self, transform: T) -> Pump<S, W, T> {
        Pump {
            source: self.source,
            transform,
            outlet: self.outlet,
            is_direct: false,
            input: self.input,
            output: self.output,
            unwritten: self.unwritten,
            bytes_in: self.bytes_in,
            stage: self.stage,
        }
    }
}

impl<S, W: Sink, T> Pump<S, W, T> {
    /// How many bytes the source has given.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// How many bytes the sink has taken.
    pub fn bytes_out(&self) -> u64 {
        self.outlet.bytes_out
    }

    /// Takes it apart. A pump that is not at its end leaves its writer as it is: the stream has not ended
    /// then, and somebody can go on.
    pub fn into_parts(self) -> Parts<S, W, T> {
        let unwritten = self.unwritten().to_vec();
        let (source, transform) = (self.source, self.transform);
        Parts { source, transform, writer: self.outlet.into_inner(), unwritten }
    }

    fn unwritten(&self) -> &[u8] {
        let bytes = if self.is_direct { &self.input } else { &self.output };
        &bytes[self.unwritten.clone()]
    }
}

impl<S: Source, W: Sink, T: Transform> Pump<S, W, T> {
    /// Runs it on a thread of its own, which a source may block. Who joins it gets the pump back,
    /// with [what it was made of](Self::into_parts), and how it ended.
    ///
    /// A reader of a channel is terminated if the pump fails, so that nobody waits for it.
    ///
    /// # Errors
    ///
    /// If the system starts no thread. The pump is dropped then.
    ///
    /// # Panics
    ///
    /// This does not panic. A panic of the source, or of the transform, goes to who joins.
    pub fn spawn(mut self) -> io::Result<JoinHandle<(Self, Result<(), PumpError>)>>
    where
        S: Send + 'static,
        W: Send + 'static,
        T: Send + 'static,
    {
        std::thread::Builder::new().name("overfall-pump".into()).spawn(move || {
            let result = self.run_here();
            if result.is_err() {
                self.source.end();
            }
            (self, result)
        })
    }

    /// Runs it on this thread.
    fn run_here(&mut self) -> Result<(), PumpError> {
        let mut thread = Blocking::new(self);
        loop {
            // As long as there is something to do, there is nothing to wait for.
            let step = match thread.get_mut().poll_step(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(step) => Some(step),
                Poll::Pending => thread.poll_or_wait(
                    Until::Forever,
                    |pump| pump.stop_waiting(),
                    |pump, context| {
                        context.map_or(Poll::Pending, |context| pump.poll_step(context))
                    },
                ),
            };
            if step.is_none_or(|step| step.is_break()) {
                return thread.get_mut().result();
            }
        }
    }

    /// How it has ended.
    fn result(&self) -> Result<(), PumpError> {
        match &self.stage {
            Stage::Over(result) => result.clone(),
            _ => unreachable!("a thread of its own can wait"),
        }
    }

    fn stop_waiting(&mut self) {
        let mut panics = Panics::new();
        panics.run(|| self.source.stop_waiting());
        panics.run(|| self.outlet.sink().stop_waiting());
        panics.finish();
    }

    /// One read, or one write, or the end. A panic fails the sink before it goes on.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        let result = match catch_unwind(AssertUnwindSafe(|| self.poll_part(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(Step::Continue(())))) => return Poll::Ready(Step::Continue(())),
            Ok(Poll::Ready(Ok(Step::Break(())))) => Ok(()),
            Ok(Poll::Ready(Err(error))) => Err(error),
            Err(panic) => {
                let unfinished = Failure::new(Unfinished { bytes_out: self.outlet.bytes_out });
                self.stage = Stage::Over(Err(PumpError::Panicked(unfinished.clone())));
                let mut panics = Panics::new();
                panics.run(|| resume_unwind(panic));
                panics.run(|| self.outlet.fail(unfinished));
                panics.finish();
                unreachable!("the panic goes on")
            }
        };
        self.stage = Stage::Over(result.clone());
        match result {
            Ok(()) => {}
            Err(PumpError::Source(failure)) => self.outlet.break_off(failure),
            Err(error) => self.outlet.fail(error.failure().clone()),
        }
        Poll::Ready(Step::Break(()))
    }

    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<Step, PumpError>> {
        if !self.unwritten.is_empty() {
            let bytes = if self.is_direct { &self.input } else { &self.output };
            let bytes = &bytes[self.unwritten.clone()];
            let written = ready!(self.outlet.sink().poll_write(context, bytes));
            self.unwritten.start += self.outlet.count(written)?;
            return Poll::Ready(Ok(Step::Continue(())));
        }
        match &self.stage {
            Stage::Pumping => {}
            Stage::Ending => {
                self.outlet.finish().map_err(PumpError::sink)?;
                return Poll::Ready(Ok(Step::Break(())));
            }
            Stage::Over(result) => return Poll::Ready(result.clone().map(Step::Break)),
        }
        self.output.clear();
        let taken = if self.is_direct && self.outlet.sink().is_complete() {
            Poll::Ready(Ok(0))
        } else if self.is_direct && W::FILLS {
            self.poll_fill(context)
        } else if S::LENDS {
            self.poll_lend(context)
        } else {
            self.poll_read(context)
        };
        let Poll::Ready(taken) = taken else {
            let error = ready!(self.outlet.poll_closed(context));
            self.source.stop_waiting();
            return Poll::Ready(Err(error));
        };
        match taken {
            Ok(0) => {
                self.stage = Stage::Ending;
                self.transform.finish(&mut self.output).map_err(PumpError::transform)?;
            }
            Ok(taken) => self.bytes_in += taken as u64,
            Err(PumpError::Source(failure)) => match lagged(&failure) {
                Some(lagged) => {
                    let gap = self.transform.gap(&lagged, &mut self.output);
                    gap.map_err(PumpError::transform)?;
                }
                None if is_interrupted(&failure) => {}
                None => return Poll::Ready(Err(PumpError::Source(failure))),
            },
            Err(error) => return Poll::Ready(Err(error)),
        }
        if !self.is_direct {
            self.unwritten = 0..self.output.len();
        }
        Poll::Ready(Ok(Step::Continue(())))
    }

    /// Has the source read to where the bytes are to lie.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, PumpError>> {
        ready!(self.outlet.sink().poll_ready(context)).map_err(PumpError::sink)?;
        let source = &mut self.source;
        let mut read = Poll::Pending;
        let filled = self.outlet.sink().fill(|rest| {
            read = source.poll_read(context, rest).map(|read| checked(read, rest.len()));
            Ok(match &read {
                Poll::Ready(Ok(read)) => *read,
                _ => 0,
            })
        });
        if filled.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            // The room is gone: a strong reader has come to a spool since. Then it waits again.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let filled = filled.map_err(PumpError::sink)?;
        self.outlet.bytes_out += filled as u64;
        read.map_err(PumpError::source)
    }

    /// Passes on what the source lends.
    fn poll_lend(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, PumpError>> {
        let lent = ready!(self.source.poll_fill_buf(context)).map_err(PumpError::source)?;
        if lent.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let taken = if self.is_direct {
            let written = ready!(self.outlet.sink().poll_write(context, lent));
            self.outlet.count(written)?
        } else {
            let piece = &lent[..lent.len().min(PIECE)];
            self.transform.transform(piece, &mut self.output).map_err(PumpError::transform)?;
            piece.len()
        };
        self.source.consume(taken);
        Poll::Ready(Ok(taken))
    }

    /// Reads into the buffer.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, PumpError>> {
        self.input.resize(PIECE, 0);
        let read = ready!(self.source.poll_read(context, &mut self.input));
        let read = checked(read, PIECE).map_err(PumpError::source)?;
        if self.is_direct {
            self.unwritten = 0..read;
        } else if read > 0 {
            let piece = &self.input[..read];
            self.transform.transform(piece, &mut self.output).map_err(PumpError::transform)?;
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncSource, W: Sink, T: Transform> Pump<S, W, T> {
    /// Runs it until the source ends.
    ///
    /// # Errors
    ///
    /// See the [module](self). Once it has ended, it says the same each time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. What was taken from the source and is not written stays in the pump, and `run` goes
    /// on with it. [`into_parts`](Self::into_parts) gives it back.
    pub async fn run(&mut self) -> Result<(), PumpError> {
        while until_ready(self, Self::stop_waiting, Self::poll_step).await.is_continue() {}
        self.result()
    }
}

fn as_io(failure: &Failure) -> Option<&io::Error> {
    failure.get_ref().downcast_ref()
}

fn is_interrupted(failure: &Failure) -> bool {
    as_io(failure).is_some_and(|error| error.kind() == io::ErrorKind::Interrupted)
}

/// The gap, if that is what the source tells.
fn lagged(failure: &Failure) -> Option<Lagged> {
    as_io(failure)?.get_ref()?.downcast_ref().copied()
}

impl<S, W: Sink, T> fmt::Debug for Pump<S, W, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump")
            .field("bytes_in", &self.bytes_in)
            .field("bytes_out", &self.bytes_out())
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
