//! Puts together again what a write had to split.

use super::{Message, Missed};
use crate::ring::position::label_past;
use std::collections::HashMap;
use std::ops::Deref;

/// Puts the pieces of long writes together: what it returns is whole, and by itself.
///
/// A write that is longer than the longest slice becomes several messages, and messages of other
/// writers may come between them. The joiner keeps the pieces of each writer until the last one
/// arrives. A message that was not split is returned at once.
///
/// Pieces of which no whole write can come any more are left out, and counted once
/// ([`left_out`](Self::left_out)):
///
/// - The reader missed another piece, or read a part of one as bytes.
/// - The writer gave the write up, because of a timeout or a future that was dropped for instance.
///   Its next message tells: it is no piece of that write.
/// - The writer has gone in the middle of a write. This shows in the end, by
///   [`finish`](Self::finish), or when the joiner keeps pieces of many writers and looks who is gone.
///
/// So it keeps the unfinished writes of writers that exist, each as long as it is, however small the
/// ring. Of those that are gone it keeps few: up to 64 writes, or as many as those of existing
/// writers, and what came while the reader went once round the ring.
///
/// ```
/// use overfall::{Channel, Joiner};
/// use std::io::Write;
///
/// let channel = Channel::new(256);
/// let mut reader = channel.new_strong_reader().blocking();
/// let mut writer = channel.new_strong_writer().blocking();
/// drop(channel);
/// let thread = std::thread::spawn(move || {
///     writer.write_all(&[7; 1000])?;
///     writer.write(&[8; 1000])?; // a piece of it, and no more
///     writer.write_all(b"the next one")
/// });
///
/// let mut joiner = Joiner::new();
/// let mut lengths = Vec::new();
/// while let Some(message) = reader.recv()? {
///     if let Some(whole) = joiner.join(&message) {
///         lengths.push(whole.len());
///     }
/// }
/// joiner.finish();
/// assert_eq!(lengths, [1000, 12]);
/// assert_eq!(joiner.left_out().bytes, 64);
/// # thread.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Joiner {
    /// What has come so far of a write of this writer.
    begun: HashMap<u32, Begun>,
    left_out: Missed,
    sweep: Sweep,
}

#[derive(Debug, Default)]
struct Begun {
    /// The sequence number of the next piece.
    next: u64,
    pieces: u64,
    bytes: Vec<u8>,
    has_gone: bool,
}

impl Begun {
    fn missed(&self) -> Missed {
        Missed { messages: self.pieces, bytes: self.bytes.len() as u64 }
    }
}

/// Writers that have gone are found as in [`crate::channel::loss`]: a sweep marks them, and forgets them
/// when the reader has come past all that they sent.
#[derive(Debug)]
enum Sweep {
    /// Begins with so many writers.
    At(usize),
    /// Ends at this position.
    Until(u64),
}

/// With so many writers the first sweep begins.
const MANY: usize = 64;

impl Default for Sweep {
    fn default() -> Self {
        Self::At(MANY)
    }
}

/// What a [`Joiner`] returns: the bytes of one whole message or write.
#[derive(Debug)]
pub enum Joined<'a> {
    /// The write was one message.
    Whole(&'a [u8]),
    /// The write was put together from several messages.
    Pieces(Vec<u8>),
}

impl Joiner {
    /// A joiner that has seen no message yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next message of a reader, and returns the write that it completes, if it does.
    /// Pass all messages of one reader, of all writers, in the order in which they were received.
    pub fn join<'a>(&mut self, message: &'a Message<'_>) -> Option<Joined<'a>> {
        let header = message.header();
        self.sweep(message, header.position);
        let begun = self.begun.remove(&header.writer);
        let goes_on = header.continues && !header.is_cut;
        // If not, a piece was missed, or the writer has gone on to something else.
        let (begun, given_up) = match begun {
            Some(begun) if goes_on && begun.next == header.sequence => (Some(begun), None),
            other => (None, other),
        };
        self.left_out += given_up.map_or(Missed::default(), |begun| begun.missed());
        if header.is_cut || (header.continues && begun.is_none()) {
            self.left_out += Missed { messages: 1, bytes: message.len() as u64 };
            return None;
        }
        if begun.is_none() && !header.is_continued {
            return Some(Joined::Whole(message));
        }
        let mut begun = begun.unwrap_or_default();
        begun.next = header.sequence + 1;
        begun.pieces += 1;
        begun.bytes.extend_from_slice(message);
        if header.is_continued {
            self.begun.insert(header.writer, begun);
            return None;
        }
        Some(Joined::Pieces(begun.bytes))
    }

    /// Gives up the writes whose last piece has not come, and says of which writers they are, by
    /// their numbers, and what of each was there. They count as left out.
    ///
    /// Call it at the end of the channel, or when the messages of another reader follow.
    pub fn finish(&mut self) -> Vec<(u32, Missed)> {
        let begun = self.begun.drain().map(|(writer, begun)| (writer, begun.missed()));
        let mut unfinished: Vec<_> = begun.collect();
        unfinished.sort_unstable_by_key(|&(writer, _)| writer);
        self.left_out = unfinished.iter().fold(self.left_out, |sum, &(_, missed)| sum + missed);
        self.sweep = Sweep::default();
        unfinished
    }

    /// The pieces that were left out so far, and their bytes. Those whose last piece may still come
    /// are not among them.
    pub fn left_out(&self) -> Missed {
        self.left_out
    }

    /// Takes the next step of a sweep, if it is time for it; the reader has come to `position`.
    fn sweep(&mut self, message: &Message<'_>, position: u64) {
        match self.sweep {
            Sweep::At(many) if self.begun.len() >= many => {
                let (living, end) = message.shared().living();
                for (writer, begun) in &mut self.begun {
                    begun.has_gone = !living.contains(writer);
                }
                self.sweep = Sweep::Until(end.label(0));
            }
            // It has come to `end`, or past it.
            Sweep::Until(end) if label_past(end, position) == 0 => {
                let mut left_out = Missed::default();
                self.begun.retain(|_, begun| {
                    if begun.has_gone {
                        left_out += begun.missed();
                    }
                    !begun.has_gone
                });
                self.left_out += left_out;
                self.sweep = Sweep::At((2 * self.begun.len()).max(MANY));
            }
            _ => {}
        }
    }
}

impl AsRef<[u8]> for Joined<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Joined<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Pieces(bytes) => bytes,
        }
    }
}
