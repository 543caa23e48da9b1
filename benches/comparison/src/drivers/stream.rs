//! Streams that are kept: one is written anew, or read again from where it lies.
//!
//! A message is what one call writes or reads. Its bytes follow from where it lies in the stream.

use super::team::Team;
use super::turns::in_lots;
use crate::endpoints::Setup;
use crate::message::{Round, aligned};
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

/// The length of the stream. It does not fit into the caches of a core.
pub(crate) const HISTORY: usize = 16 << 20;

/// What the stream consists of: no eight bytes are there twice.
pub(crate) fn content() -> &'static [u8] {
    static CONTENT: OnceLock<&[u8]> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let content = aligned(HISTORY);
        for (number, word) in content.chunks_exact_mut(8).enumerate() {
            let word_of = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            word.copy_from_slice(&word_of.to_le_bytes());
        }
        content
    })
}

/// A reader of the whole stream, all of which is there.
pub(crate) trait Stream: Send + 'static {
    /// Fills the buffer.
    fn read(&mut self, buffer: &mut [u8]);
    /// Goes back to the first byte.
    fn rewind(&mut self);
}

/// Each stream is read on a thread of its own, again and again.
pub(crate) fn reread<S: Stream>(setup: Setup, streams: impl IntoIterator<Item = S>) -> Team {
    let mut team = Team::new(setup);
    for mut stream in streams {
        let (buffer, mut place) = (aligned(setup.size), 0);
        team.thread(move |round| {
            let mut last = place;
            for _ in 0..round.messages {
                if place == HISTORY {
                    stream.rewind();
                    place = 0;
                }
                stream.read(black_box(&mut *buffer));
                last = place;
                place += setup.size;
                if round.check {
                    compare(setup, last, buffer);
                }
            }
            compare(setup, last, buffer);
        });
    }
    team
}

fn compare(setup: Setup, place: usize, buffer: &[u8]) {
    let is_right = buffer == &content()[place..place + setup.size];
    assert!(is_right, "{}: what was read at {place} is wrong", setup.name);
}

/// A stream that is being written.
pub(crate) trait Appended: 'static {
    fn append(&mut self, bytes: &[u8]);
    /// Whether it consists of these bytes.
    fn consists_of(self, bytes: &[u8]) -> bool;
}

/// One thread writes the whole stream into memory that was never used, which is timed, and then lets go
/// of it, which is not.
pub(crate) fn append<A: Appended>(
    setup: Setup,
    mut fresh: impl FnMut() -> A + Send + 'static,
) -> Team {
    in_lots(setup, Some((HISTORY / setup.size) as u64), move |round: Round| {
        let pieces = content().chunks_exact(setup.size);
        let begun = Instant::now();
        let mut stream = fresh();
        pieces.for_each(|piece| stream.append(black_box(piece)));
        let time = begun.elapsed();
        if round.check {
            assert!(stream.consists_of(content()), "{}: what was written is wrong", setup.name);
        }
        time
    })
}

/// One thread makes a stream of a source that is at hand, and reads it through so many readers by turns,
/// from the first byte to the last.
pub(crate) fn first_read<S: Stream, I: IntoIterator<Item = S>>(
    setup: Setup,
    mut fresh: impl FnMut() -> I + Send + 'static,
) -> Team {
    let buffer = aligned(setup.size);
    let reads = (HISTORY / setup.size * setup.readers) as u64;
    in_lots(setup, Some(reads), move |round: Round| {
        let begun = Instant::now();
        let mut streams = Vec::from_iter(fresh());
        for place in (0..HISTORY).step_by(setup.size) {
            for stream in &mut streams {
                stream.read(black_box(&mut *buffer));
                if round.check {
                    compare(setup, place, buffer);
                }
            }
        }
        let time = begun.elapsed();
        compare(setup, HISTORY - setup.size, buffer);
        time
    })
}
