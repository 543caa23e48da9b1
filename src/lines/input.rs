//! What has come and is not cut yet.

use super::ends::Ends;
use super::line::Content;
use std::mem;
use std::ops::Range;

#[derive(Default, Debug)]
pub(super) struct Input {
    all: All,
    /// Whether it was found out that it is text, or that it is not.
    was_checked: bool,
    at: usize,
    ends: Ends,
}

#[derive(Debug)]
enum All {
    Bytes(Vec<u8>),
    /// It is text as a whole: to check that in one go takes a quarter of the time that it takes line by line.
    Text(String),
}

impl Default for All {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl All {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    fn checked(self) -> Self {
        match self {
            Self::Bytes(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self::Text(text),
                Err(error) => Self::Bytes(error.into_bytes()),
            },
            text @ Self::Text(_) => text,
        }
    }
}

impl Input {
    /// What is lent of it.
    #[inline]
    pub(super) fn bytes(&self, from: usize, to: usize) -> &[u8] {
        &self.all.bytes()[from..to]
    }

    /// What is lent of it as text. Nothing, if it was not checked, or something in it is no text: this part
    /// may be.
    #[inline]
    pub(super) fn text(&self, from: usize, to: usize) -> Option<&str> {
        match &self.all {
            All::Bytes(_) => None,
            All::Text(text) => text.get(from..to),
        }
    }

    /// Finds out whether all of it is text.
    #[inline]
    pub(super) fn check(&mut self) {
        if !self.was_checked {
            self.all = mem::take(&mut self.all).checked();
            self.was_checked = true;
        }
    }

    /// What is left.
    #[inline]
    pub(super) fn rest(&self) -> &[u8] {
        &self.all.bytes()[self.at..]
    }

    /// Where that begins.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at += bytes;
        self.ends.pass_to(self.at);
    }

    /// Passes the next line, if its end is known and it has less than so many bytes. Tells where it is.
    #[inline(always)]
    pub(super) fn pass_line(&mut self, below: usize) -> Option<Range<usize>> {
        let (from, end) = (self.at, self.ends.first());
        // An end that is not known is too far off.
        if end - from >= below {
            return None;
        }
        self.at = end + 1;
        self.ends.pass_first();
        Some(from..end)
    }

    /// A line that was passed, and whether a return belongs to its end. It is text, if all of the input was found to
    /// be that, and it does not begin within a character, before which exact bytes were read.
    #[inline(always)]
    pub(super) fn line(&self, place: Range<usize>) -> (Content<'_>, bool) {
        if let All::Text(text) = &self.all {
            if let Some(line) = text.get(place.clone()) {
                return match line.strip_suffix('\r') {
                    Some(line) => (Content::Text(line), true),
                    None => (Content::Text(line), false),
                };
            }
        }
        match &self.all.bytes()[place] {
            [line @ .., b'\r'] => (Content::Bytes(line), true),
            line => (Content::Bytes(line), false),
        }
    }

    /// Takes all of it away.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.begin_anew().clear();
    }

    /// For more behind what is left, which is moved to the front.
    pub(super) fn extendable(&mut self) -> &mut Vec<u8> {
        let at = self.at;
        let bytes = self.begin_anew();
        bytes.drain(..at);
        bytes
    }

    /// Puts bytes before what is left.
    pub(super) fn put_before(&mut self, before: &[u8]) {
        let at = self.at;
        self.begin_anew().splice(..at, before.iter().copied());
    }

    /// All of it, which is about to change; what is left of it will be at the front.
    fn begin_anew(&mut self) -> &mut Vec<u8> {
        (self.was_checked, self.at) = (false, 0);
        self.ends.clear();
        if let All::Text(text) = &mut self.all {
            self.all = All::Bytes(mem::take(text).into_bytes());
        }
        match &mut self.all {
            All::Bytes(bytes) => bytes,
            All::Text(_) => unreachable!("it was turned into bytes"),
        }
    }

    /// How far the next end of a line is, which is a `\n`, or with `returns` a `\r`.
    #[inline]
    pub(super) fn next_end(&mut self, returns: bool) -> Option<usize> {
        let end = self.ends.find(self.all.bytes(), self.at, returns)?;
        Some(end - self.at)
    }
}
