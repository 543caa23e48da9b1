//! Where an outlet's messages come from, while it runs.

use crate::count::Count;
use crate::frame::Frame;
use crate::packer::Packer;
use overfall::error::{ReadError, TryReadError};
use overfall::{Message, Reader, WeakReader, Window};
use std::collections::VecDeque;

/// Messages are received so many in a row.
const IN_A_ROW: usize = 256;

#[derive(Debug)]
pub(crate) enum Source<'a> {
    /// It receives ahead of its hold, which goes on as the engine stores.
    Reliable(Window<'a>),
    Lossy(&'a mut WeakReader),
}

macro_rules! with_reader {
    ($source:expr, $reader:ident => $what:expr) => {
        match $source {
            Source::Reliable(window) => {
                let $reader = window.reader();
                $what
            }
            Source::Lossy($reader) => $what,
        }
    };
}

macro_rules! with_receiver {
    ($source:expr, $receiver:ident => $what:expr) => {
        match $source {
            Source::Reliable($receiver) => $what,
            Source::Lossy($receiver) => $what,
        }
    };
}

/// What a receive has brought: so many messages, and what comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Got {
    pub(crate) messages: u64,
    pub(crate) next: Next,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    /// There may be others.
    More,
    /// There are no others now.
    Empty,
    /// One that is too long.
    TooLong {
        len: usize,
        position: u64,
    },
    End,
}

impl<'a> Source<'a> {
    /// So many messages that were received before are not released: they are passed over.
    pub(crate) fn new(reader: &'a mut Reader, unreleased: u64) -> Self {
        match reader {
            Reader::Strong(reader) => {
                let mut window = reader.window();
                for _ in 0..unreleased {
                    // Unless the channel is terminated, they are there.
                    if window.try_recv().is_err() {
                        break;
                    }
                }
                Self::Reliable(window)
            }
            Reader::Weak(reader) => {
                // Each message tells what was missed before it.
                reader.set_silent(true);
                Self::Lossy(reader)
            }
        }
    }

    pub(crate) fn is_reliable(&self) -> bool {
        matches!(self, Self::Reliable(_))
    }

    /// The next messages, at least one, into frames. If the future is dropped, nothing is lost.
    pub(crate) async fn receive(
        &mut self,
        packer: &mut Packer,
        frames: &mut VecDeque<Frame>,
        longest: usize,
    ) -> Result<Got, ReadError> {
        let is_reliable = self.is_reliable();
        let too_long = with_receiver!(self, receiver => match receiver.recv().await? {
            None => return Ok(Got { messages: 0, next: Next::End }),
            Some(message) => pack(&message, packer, frames, longest, is_reliable),
        });
        Ok(match too_long {
            Some(next) => Got { messages: 0, next },
            None => self.receive_more(packer, frames, longest, 1),
        })
    }

    /// What is there, into frames, behind so many messages.
    pub(crate) fn receive_more(
        &mut self,
        packer: &mut Packer,
        frames: &mut VecDeque<Frame>,
        longest: usize,
        mut messages: u64,
    ) -> Got {
        let is_reliable = self.is_reliable();
        for _ in 0..IN_A_ROW {
            if !frames.is_empty() {
                break;
            }
            let too_long = with_receiver!(self, receiver => match receiver.try_recv() {
                Ok(Some(message)) => pack(&message, packer, frames, longest, is_reliable),
                Err(TryReadError::Empty) => return Got { messages, next: Next::Empty },
                // The next receive tells it.
                Ok(None) | Err(_) => break,
            });
            if let Some(next) = too_long {
                return Got { messages, next };
            }
            messages += 1;
        }
        Got { messages, next: Next::More }
    }

    /// All before this position is done with.
    pub(crate) fn position(&self) -> u64 {
        with_reader!(self, reader => reader.stats().position)
    }

    /// What was missed of each writer so far.
    pub(crate) fn missed(&self) -> Vec<(u32, Count)> {
        with_reader!(self, reader => {
            reader.missed_by_writer().map(|(writer, missed)| (writer, missed.into())).collect()
        })
    }

    /// So many messages are stored: writers get their room back.
    pub(crate) fn release(&mut self, messages: u64) {
        if let Self::Reliable(window) = self {
            // Fewer are left in it if the reader's hold was taken, or its channel terminated.
            window.release((messages as usize).min(window.len()));
        }
    }
}

/// Tells whether the message is too long. A reliable outlet's window is put back before that one then; a
/// lossy one has missed it.
fn pack(
    message: &Message<'_>,
    packer: &mut Packer,
    frames: &mut VecDeque<Frame>,
    longest: usize,
    is_reliable: bool,
) -> Option<Next> {
    let (header, len) = (message.header(), message.len());
    if len <= longest {
        packer.push(&header, message, frames);
        return None;
    }
    if !is_reliable {
        packer.ledger.received(&header);
    }
    Some(Next::TooLong { len, position: header.position })
}
