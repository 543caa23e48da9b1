//! Where an outlet's messages come from.

use crate::count::Count;
use crate::frame::Frame;
use crate::packer::Packer;
use overfall::error::{ReadError, TryReadError};
use overfall::{Reader, StartAt, StrongReader, WeakChannel, WeakReader};
use std::collections::VecDeque;

/// Messages are received so many at once.
const AT_ONCE: usize = 256;

#[derive(Debug)]
pub(crate) enum Source {
    /// One strong reader goes ahead, and another one stands where all before is stored: what lies between
    /// is in flight, and is kept for it.
    Reliable {
        ahead: StrongReader,
        hold: StrongReader,
    },
    Lossy(WeakReader),
}

macro_rules! with_reader {
    ($source:expr, $reader:ident => $what:expr) => {
        match $source {
            Source::Reliable { ahead: $reader, .. } => $what,
            Source::Lossy($reader) => $what,
        }
    };
}

/// What a receive has brought.
#[derive(Debug)]
pub(crate) enum Got {
    Messages,
    /// One that is too long, which was not received.
    TooLong {
        len: usize,
        position: u64,
    },
    End,
}

impl Source {
    pub(crate) fn new(reader: Reader) -> Self {
        match reader {
            Reader::Strong(hold) => Self::Reliable { ahead: hold.clone(), hold },
            Reader::Weak(mut reader) => {
                // Each message tells what was missed before it.
                reader.set_silent(true);
                Self::Lossy(reader)
            }
        }
    }

    pub(crate) fn is_reliable(&self) -> bool {
        matches!(self, Self::Reliable { .. })
    }

    /// The next messages, at least one, into frames. If the future is dropped, nothing is lost.
    pub(crate) async fn receive(
        &mut self,
        packer: &mut Packer,
        frames: &mut VecDeque<Frame>,
        longest: usize,
    ) -> Result<Got, ReadError> {
        if longest < usize::MAX {
            // Large messages are refused: each is looked at first.
            return with_reader!(self, reader => match reader.peek().await? {
                None => Ok(Got::End),
                Some(message) if message.len() > longest => {
                    Ok(Got::TooLong { len: message.len(), position: message.header().position })
                }
                Some(message) => {
                    packer.push(&message.header(), &message, frames);
                    message.consume();
                    Ok(Got::Messages)
                }
            });
        }
        with_reader!(self, reader => match reader.recv_many(AT_ONCE).await? {
            None => Ok(Got::End),
            Some(messages) => {
                for message in &messages {
                    packer.push(&message.header(), &message, frames);
                }
                Ok(Got::Messages)
            }
        })
    }

    /// Whether there is a message, or an end, to be received now.
    pub(crate) fn is_ready(&mut self) -> bool {
        with_reader!(self, reader => !matches!(reader.try_peek(), Err(TryReadError::Empty)))
    }

    /// Whether the channel was terminated, whatever else is there to be received.
    pub(crate) fn is_terminated(&mut self) -> bool {
        with_reader!(self, reader => matches!(reader.try_peek(), Err(TryReadError::Terminated)))
    }

    /// The channel that it reads.
    pub(crate) fn channel(&self) -> WeakChannel {
        with_reader!(self, reader => reader.channel())
    }

    /// Where the reader stands.
    pub(crate) fn position(&self) -> u64 {
        with_reader!(self, reader => reader.stats().position)
    }

    /// Where the outlet begins anew if nothing more is acknowledged.
    pub(crate) fn held_position(&self) -> u64 {
        match self {
            Self::Reliable { hold, .. } => hold.stats().position,
            Self::Lossy(reader) => reader.stats().position,
        }
    }

    /// What was missed of each writer so far.
    pub(crate) fn missed(&self) -> Vec<(u32, Count)> {
        with_reader!(self, reader => {
            reader.missed_by_writer().map(|(writer, missed)| (writer, missed.into())).collect()
        })
    }

    pub(crate) fn missed_in_all(&self) -> Count {
        with_reader!(self, reader => reader.missed().into())
    }

    /// The numbers of the writers that are there.
    pub(crate) fn writers(&self) -> Vec<u32> {
        self.channel().stats().writers.iter().map(|writer| writer.id).collect()
    }

    pub(crate) fn channel_name(&self) -> Option<String> {
        self.channel().name().map(str::to_owned)
    }

    /// All before this position is stored: writers get the room back.
    pub(crate) fn release(&mut self, position: u64) {
        if let Self::Reliable { hold, .. } = self {
            hold.skip_to(StartAt::Position(position));
        }
    }

    pub(crate) fn into_reader(self) -> Reader {
        match self {
            Self::Reliable { hold, .. } => Reader::Strong(hold),
            Self::Lossy(reader) => Reader::Weak(reader),
        }
    }
}
