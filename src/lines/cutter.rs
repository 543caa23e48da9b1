//! Cuts the bytes of one writer into lines. It knows nothing of where they come from: bytes in, pieces out.
//!
//! A line that lies in the input in one piece is told as a place there. What is left of the input without an
//! end is kept in `begun`, and the line is told as a place there once its end has come. Nothing is decoded:
//! whole pieces are, later. So the only places where a character could be cut are those where a piece ends
//! without an end of a line, by the limit or by quiet.

use super::input::Input;
use super::line::{End, Terminator};
use super::settings::{Encoding, Settings};
use super::utf8::{Measured, floor, without_half_character};
use std::mem;
use std::ops::Range;

/// A piece of a line, which is still to be lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) place: Place,
    pub(super) end: End,
    pub(super) terminator: Terminator,
    pub(super) continues: bool,
    pub(super) cut: u64,
}

/// Where its bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// From one place of the input to another.
    Input(usize, usize),
    /// The first of those that were [begun](Cutter::begun).
    Begun(usize),
}

/// What is done with the bytes of the line that it stands in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Line {
    #[default]
    Kept,
    /// It is longer than the longest, and so many bytes were left out, of which the last was a carriage return.
    Cut { bytes: u64, ends_with_return: bool },
    /// A part of it is missing, and the rest is dropped.
    Torn,
}

/// A carriage return was the last byte that came, and has ended an item.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Return {
    #[default]
    None,
    /// A newline behind it is told as an empty piece.
    Told,
    /// It was dropped, and so is a newline behind it.
    Dropped,
}

/// Where the text of a line ends.
#[derive(Clone, Copy)]
struct Ending {
    at: usize,
    terminator: Terminator,
    /// It is a carriage return, and nothing is known of what follows.
    is_last: bool,
}

impl Ending {
    fn len(&self) -> usize {
        if self.terminator == Terminator::ReturnNewline { 2 } else { 1 }
    }
}

/// What became of a part of the input.
enum Taken {
    All,
    Piece(Piece),
    /// The line is longer than the longest, and its rest is to be cut.
    TooMuch,
}

#[derive(Default, Debug)]
pub(super) struct Cutter {
    /// What has come of a line, and was not given out.
    begun: Vec<u8>,
    /// So much of it was given out with the last piece.
    given: usize,
    measured: Measured,
    /// A piece of the line was given out before.
    continues: bool,
    /// Of a line that is to be cut: the bytes that were given out unfinished.
    shown: usize,
    line: Line,
    after: Return,
    /// A line of less bytes than this that lies in the input is [given at once](Self::next_whole). It is zero unless
    /// nothing of a line has come, and none has to be known of the one before.
    whole_below: usize,
    /// How many bytes of torn lines were dropped.
    dropped: u64,
}

impl Cutter {
    /// What was begun: the last piece may lie there.
    pub(super) fn begun(&self) -> &[u8] {
        &self.begun
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether it knows nothing that matters for what comes.
    pub(super) fn is_between_lines(&self) -> bool {
        let has_given_all = self.given == self.begun.len();
        has_given_all && !self.continues && self.line == Line::Kept && self.after == Return::None
    }

    /// Whether a newline that comes next belongs to what was given out.
    pub(super) fn is_behind_return(&self) -> bool {
        self.after != Return::None
    }

    /// Whether [`unfinished`](Self::unfinished) has something to give.
    pub(super) fn has_unfinished(&self, settings: &Settings) -> bool {
        !self.text_so_far(settings).is_empty()
    }

    /// What it would give.
    pub(super) fn text_so_far(&self, settings: &Settings) -> &[u8] {
        let begun = &self.begun[self.given..];
        &begun[..visible(settings, begun)]
    }

    /// The next line of the input, if there is nothing else to be thought of than where it ends, and where that is
    /// is known: that is its [place](Input::line). If there is none, there may be a [piece](Self::next).
    #[inline(always)]
    pub(super) fn next_whole(&self, input: &mut Input) -> Option<Range<usize>> {
        input.pass_line(self.whole_below)
    }

    /// The next piece of the input. If there is none, all of it was taken.
    #[inline(never)]
    pub(super) fn next(&mut self, settings: &Settings, input: &mut Input) -> Option<Piece> {
        self.release();
        let is_line = self.begun.is_empty() && self.shown == 0;
        if is_line && self.line == Line::Kept && self.after == Return::None {
            // A whole line may be right here.
            if let Some(ending) = find(settings, input) {
                let below = settings.whole_below();
                if ending.at < below {
                    let place = Place::Input(input.at(), input.at() + ending.at);
                    input.pass(ending.at + ending.len());
                    if !ending.is_last {
                        self.whole_below = below;
                    }
                    return Some(self.whole(place, &ending));
                }
            }
        }
        self.find_next(settings, input)
    }

    fn find_next(&mut self, settings: &Settings, input: &mut Input) -> Option<Piece> {
        loop {
            let first = *input.rest().first()?;
            match mem::take(&mut self.after) {
                Return::Told if first == b'\n' => {
                    input.pass(1);
                    return Some(newline_behind_return());
                }
                Return::Dropped if first == b'\n' => {
                    input.pass(1);
                    self.dropped += 1;
                    continue;
                }
                _ => {}
            }
            let ending = find(settings, input);
            let rest = input.rest();
            let part = ending.map_or(rest, |ending| &rest[..ending.at]);
            let length = part.len() + ending.map_or(0, |ending| ending.len());
            match self.line {
                Line::Kept => {
                    let (taken, became) = self.take(settings, part, ending);
                    input.pass(taken);
                    match became {
                        Taken::Piece(piece) => return Some(piece),
                        Taken::All => return None,
                        Taken::TooMuch => {}
                    }
                }
                Line::Cut { mut bytes, ends_with_return } => {
                    bytes += part.len() as u64;
                    let was_return = ends_with_return && part.is_empty();
                    let ends_with_return = was_return || is_return(settings, part);
                    input.pass(length);
                    self.line = Line::Cut { bytes, ends_with_return };
                    return Some(self.end_cut(&ending?));
                }
                Line::Torn => {
                    input.pass(length);
                    self.dropped += length as u64;
                    self.line = Line::Kept;
                    match ending {
                        Some(ending) if ending.is_last => self.after = Return::Dropped,
                        Some(_) => {}
                        None => self.line = Line::Torn,
                    }
                }
            }
        }
    }

    /// Takes a part of the input, and the end of the line if that is behind it, to what was begun. Tells how many
    /// bytes it took.
    fn take(&mut self, settings: &Settings, part: &[u8], ending: Option<Ending>) -> (usize, Taken) {
        let was_return = is_return(settings, &self.begun);
        // What does not fit is not taken, but for so much that it shows: a half character and a return may
        // not count.
        let room = (settings.longest + 8).saturating_sub(self.begun.len());
        let taken = part.len().min(room);
        self.begun.extend_from_slice(&part[..taken]);
        let ending = ending.filter(|_| taken == part.len());
        let length = ending.map_or(0, |ending| ending.len());
        let (text, ending) = match ending {
            Some(Ending { at: 0, terminator: Terminator::Newline, .. }) if was_return => {
                let terminator = Terminator::ReturnNewline;
                (self.begun.len() - 1, Some(Ending { at: 0, terminator, is_last: false }))
            }
            Some(ending) => (self.begun.len(), Some(ending)),
            // It may belong to a newline.
            None => (self.begun.len() - usize::from(is_return(settings, &self.begun)), None),
        };
        if let Some(fits) = self.fit(settings, text, ending.is_some()) {
            if !settings.cuts {
                return (taken, Taken::Piece(self.limited(fits)));
            }
            let bytes = (self.begun.len() - fits) as u64;
            let ends_with_return = is_return(settings, &self.begun);
            self.line = Line::Cut { bytes, ends_with_return };
            self.begun.truncate(fits);
            self.measured = Measured::default();
            return (taken, Taken::TooMuch);
        }
        let Some(ending) = ending else { return (taken, Taken::All) };
        self.given = self.begun.len();
        (taken + length, Taken::Piece(self.whole(Place::Begun(text), &ending)))
    }

    /// How many of the first `text` bytes of what was begun fit, if not all of them do.
    fn fit(&mut self, settings: &Settings, text: usize, is_whole: bool) -> Option<usize> {
        let (text, limit) = (&self.begun[..text], settings.longest - self.shown);
        match settings.encoding {
            Encoding::Utf8Lossy => self.measured.fit(text, limit, is_whole),
            _ => (text.len() > limit).then(|| floor(text, limit)),
        }
    }

    /// The line has ended with this piece.
    fn whole(&mut self, place: Place, ending: &Ending) -> Piece {
        let end = match ending.terminator {
            Terminator::Return => End::CarriageReturn,
            _ => End::Newline,
        };
        if ending.is_last {
            self.after = Return::Told;
        }
        self.shown = 0;
        let continues = mem::take(&mut self.continues);
        Piece { place, end, terminator: ending.terminator, continues, cut: 0 }
    }

    /// The first bytes of what was begun, and the line goes on.
    fn goes_on(&mut self, bytes: usize, end: End) -> Piece {
        self.given = bytes;
        let continues = mem::replace(&mut self.continues, true);
        let (place, terminator) = (Place::Begun(bytes), Terminator::None);
        Piece { place, end, terminator, continues, cut: 0 }
    }

    fn limited(&mut self, bytes: usize) -> Piece {
        self.goes_on(bytes, End::Limit)
    }

    /// The line has ended, and was cut.
    fn end_cut(&mut self, ending: &Ending) -> Piece {
        let Line::Cut { mut bytes, ends_with_return } = mem::take(&mut self.line) else {
            unreachable!("it was cut")
        };
        let mut ending = *ending;
        if ends_with_return && ending.at == 0 && ending.terminator == Terminator::Newline {
            ending.terminator = Terminator::ReturnNewline;
            bytes -= 1;
        }
        self.given = self.begun.len();
        let piece = self.whole(Place::Begun(self.given), &ending);
        Piece { end: End::Limit, cut: bytes, ..piece }
    }

    /// What has come of a line without an end, once all of the input was taken: nothing more comes for a while.
    pub(super) fn unfinished(&mut self, settings: &Settings) -> Option<Piece> {
        self.release();
        let text = visible(settings, &self.begun);
        if text == 0 {
            return None;
        }
        if settings.cuts {
            self.shown += match settings.encoding {
                Encoding::Utf8Lossy => String::from_utf8_lossy(&self.begun[..text]).len(),
                _ => text,
            };
        }
        Some(self.goes_on(text, End::Quiet))
    }

    /// The same at the end of the stream, until there is none.
    pub(super) fn finish(&mut self, settings: &Settings) -> Option<Piece> {
        self.release();
        self.after = Return::None;
        match mem::take(&mut self.line) {
            Line::Torn => return None,
            cut @ Line::Cut { .. } => {
                self.line = cut;
                let ending = Ending { at: 1, terminator: Terminator::None, is_last: false };
                return Some(self.end_cut(&ending));
            }
            Line::Kept if self.begun.is_empty() => {
                self.continues = false;
                return None;
            }
            Line::Kept => {}
        }
        let text = self.begun.len();
        if let Some(fits) = self.fit(settings, text, true) {
            if !settings.cuts {
                return Some(self.limited(fits));
            }
            self.begun.truncate(fits);
            self.line = Line::Cut { bytes: (text - fits) as u64, ends_with_return: false };
            return self.finish(settings);
        }
        self.given = text;
        let ending = Ending { at: 1, terminator: Terminator::None, is_last: false };
        Some(Piece { end: End::End, ..self.whole(Place::Begun(text), &ending) })
    }

    /// Bytes are missing here: the line that was begun is torn, and its rest is dropped with it. Tells how
    /// many bytes of it had come.
    pub(super) fn gap(&mut self) -> u64 {
        self.release();
        let cut = if let Line::Cut { bytes, .. } = self.line { bytes } else { 0 };
        let torn = self.begun.len() as u64 + cut;
        let dropped = self.dropped + torn;
        *self = Self {
            begun: mem::take(&mut self.begun),
            line: Line::Torn,
            dropped,
            ..Self::default()
        };
        self.begun.clear();
        torn
    }

    /// Gives up the line that was begun: its bytes, and all behind them, are to be read as bytes. Tells whether
    /// a newline that comes next belongs to what was given out.
    pub(super) fn leave(&mut self) -> (Vec<u8>, bool) {
        self.release();
        let is_after_return = self.after != Return::None;
        let begun = mem::take(&mut self.begun);
        *self = Self { dropped: self.dropped, ..Self::default() };
        (begun, is_after_return)
    }

    /// What was given out is done with.
    #[inline]
    fn release(&mut self) {
        self.whole_below = 0;
        if self.given > 0 {
            self.begun.drain(..self.given);
            (self.given, self.measured) = (0, Measured::default());
        }
    }
}

/// A newline, when the item before it was given at its carriage return.
fn newline_behind_return() -> Piece {
    let (place, end, terminator) = (Place::Begun(0), End::Newline, Terminator::Newline);
    Piece { place, end, terminator, continues: true, cut: 0 }
}

/// Whether the last of these bytes may be the first of a return and a newline.
fn is_return(settings: &Settings, bytes: &[u8]) -> bool {
    !settings.returns && bytes.last() == Some(&b'\r')
}

/// How much can be shown of a line that goes on.
fn visible(settings: &Settings, begun: &[u8]) -> usize {
    let text = begun.len() - usize::from(is_return(settings, begun));
    without_half_character(&begun[..text])
}

/// The next end of a line.
#[inline(always)]
fn find(settings: &Settings, input: &mut Input) -> Option<Ending> {
    let at = input.next_end(settings.returns)?;
    let rest = input.rest();
    if settings.returns {
        return Some(find_with_returns(rest, at));
    }
    Some(if at > 0 && rest[at - 1] == b'\r' {
        Ending { at: at - 1, terminator: Terminator::ReturnNewline, is_last: false }
    } else {
        Ending { at, terminator: Terminator::Newline, is_last: false }
    })
}

fn find_with_returns(rest: &[u8], at: usize) -> Ending {
    let terminator = match (rest[at], rest.get(at + 1)) {
        (b'\r', Some(b'\n')) => Terminator::ReturnNewline,
        (b'\r', _) => Terminator::Return,
        _ => Terminator::Newline,
    };
    let is_last = terminator == Terminator::Return && at + 1 == rest.len();
    Ending { at, terminator, is_last }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests;
