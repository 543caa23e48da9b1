//! A line, or a piece of one.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Why a piece of a line ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum End {
    /// At a `\n`, or at a `\r` and a `\n`. The line is complete.
    Newline,
    /// At a `\r`, with [`carriage_returns`](super::Builder::carriage_returns). The item is complete.
    CarriageReturn,
    /// It has the length of the [longest line](super::Builder::longest). The line goes on in the next piece
    /// of its writer; or its rest was [cut](Line::cut).
    Limit,
    /// Nothing more was there for a while. The line goes on in the next piece of its writer, if there is
    /// more of it.
    Quiet,
    /// The stream ended, without a newline, or its writer has gone. The line is complete.
    End,
}

/// The bytes that end a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Terminator {
    None,
    Newline,
    ReturnNewline,
    Return,
}

/// What is known of a piece besides its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct About {
    pub(super) writer: u32,
    pub(super) end: End,
    pub(super) terminator: Terminator,
    pub(super) continues: bool,
    pub(super) cut: u64,
}

impl About {
    /// A line that ends by a newline, and of which no piece came before.
    pub(super) fn of_whole_line(writer: u32) -> Self {
        let (end, terminator) = (End::Newline, Terminator::Newline);
        Self { writer, end, terminator, ..Self::default() }
    }
}

impl Default for About {
    fn default() -> Self {
        let (end, terminator) = (End::End, Terminator::None);
        Self { writer: 0, end, terminator, continues: false, cut: 0 }
    }
}

/// A line, or a piece of one, lent by [`Lines`](super::Lines). It dereferences to its bytes, without those
/// that end the line, and is equal to a text, or to bytes, that are the same. Two lines are equal if all that is
/// known of them is.
///
/// ```
/// use overfall::lines::{End, Lines};
///
/// let (mut writer, reader) = overfall::pipe(1024);
/// writer.try_write(b"a line\r\nthe last")?;
/// drop(writer);
/// let mut lines = Lines::new(reader);
/// let line = lines.try_next_line()?.unwrap();
/// assert_eq!(line, "a line");
/// assert_eq!((line.end(), line.terminator()), (End::Newline, &b"\r\n"[..]));
/// let line = lines.try_next_line()?.unwrap();
/// assert_eq!((&*line.text(), line.end(), line.terminator()), ("the last", End::End, &b""[..]));
/// assert!(lines.try_next_line()?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Line<'a> {
    content: Content<'a>,
    /// Lent as well: whatever is written in small parts and copied in large ones right behind that waits until
    /// it has left the processor's store buffer, which takes longer than all the rest of a line.
    about: &'a About,
}

/// What is in a line.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    /// It was decoded.
    Text(&'a str),
}

macro_rules! about {
    () => {
        /// The number of the writer that wrote it, 0 for a spool: [`Header::writer`](crate::Header::writer).
        pub fn writer(&self) -> u32 {
            self.about.writer
        }

        /// Why it ended.
        pub fn end(&self) -> End {
            self.about.end
        }

        /// Whether it is the rest of a line, of which a piece came before.
        pub fn continues(&self) -> bool {
            self.about.continues
        }

        /// Whether the line goes on in the next piece of the same writer. Behind [`End::Quiet`] it may
        /// turn out that it does not: then that piece is empty, or the stream ends.
        pub fn is_continued(&self) -> bool {
            match self.about.end {
                End::Limit => self.about.cut == 0,
                End::Quiet => true,
                End::Newline | End::CarriageReturn | End::End => false,
            }
        }

        /// How many bytes of the line were cut behind this, with [`cut_rest`](super::Builder::cut_rest).
        pub fn cut(&self) -> u64 {
            self.about.cut
        }

        /// The bytes that ended the line: `\n`, `\r\n`, `\r`, or none. The pieces, each with these behind
        /// it, make up what was written, unless it was cut, torn or replaced.
        pub fn terminator(&self) -> &'static [u8] {
            match self.about.terminator {
                Terminator::None => b"",
                Terminator::Newline => b"\n",
                Terminator::ReturnNewline => b"\r\n",
                Terminator::Return => b"\r",
            }
        }
    };
}

impl<'a> Line<'a> {
    #[inline(always)]
    pub(super) fn new(content: Content<'a>, about: &'a About) -> Self {
        Self { content, about }
    }

    #[inline]
    fn bytes(&self) -> &'a [u8] {
        match self.content {
            Content::Bytes(bytes) => bytes,
            Content::Text(text) => text.as_bytes(),
        }
    }

    about!();

    /// Shows what has come of a line that goes on.
    #[cfg(feature = "process")]
    pub(crate) fn show_unfinished<T>(
        writer: u32,
        bytes: &[u8],
        see: impl FnOnce(&Line<'_>) -> T,
    ) -> T {
        let about = About { writer, end: End::Quiet, ..About::default() };
        see(&Line::new(Content::Bytes(bytes), &about))
    }

    /// Its text. With [`utf8`](super::Builder::utf8) and [`utf8_lossy`](super::Builder::utf8_lossy) it is
    /// there already; otherwise it is checked now, and what is no UTF-8 is replaced.
    pub fn text(&self) -> Cow<'a, str> {
        match self.content {
            Content::Bytes(bytes) => String::from_utf8_lossy(bytes),
            Content::Text(text) => Cow::Borrowed(text),
        }
    }

    /// A copy that owns its bytes.
    pub fn to_owned(&self) -> OwnedLine {
        OwnedLine { bytes: self.to_vec(), about: *self.about }
    }
}

impl Deref for Line<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for Line<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Line<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.bytes(), self.about) == (other.bytes(), other.about)
    }
}

impl Eq for Line<'_> {}

impl Hash for Line<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.bytes(), self.about).hash(state);
    }
}

macro_rules! equal_to_bytes {
    ($($line:ty)*) => {$(
        equal_to_bytes!($line: str, &str, [u8], &[u8]);

        impl<const N: usize> PartialEq<[u8; N]> for $line {
            fn eq(&self, other: &[u8; N]) -> bool {
                **self == *other
            }
        }

        impl<const N: usize> PartialEq<&[u8; N]> for $line {
            fn eq(&self, other: &&[u8; N]) -> bool {
                **self == **other
            }
        }
    )*};
    ($line:ty: $($bytes:ty),*) => {$(
        impl PartialEq<$bytes> for $line {
            fn eq(&self, other: &$bytes) -> bool {
                let bytes: &[u8] = other.as_ref();
                **self == *bytes
            }
        }
    )*};
}
equal_to_bytes!(Line<'_> OwnedLine);

fn debug(name: &str, bytes: &[u8], about: &About, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut debug = f.debug_struct(name);
    debug.field("bytes", &format_args!("b\"{}\"", bytes.escape_ascii()));
    debug.field("writer", &about.writer).field("end", &about.end);
    debug.field("continues", &about.continues).field("cut", &about.cut).finish()
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("Line", self, self.about, f)
    }
}

/// A [`Line`] that owns its bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnedLine {
    bytes: Vec<u8>,
    about: About,
}

impl OwnedLine {
    about!();

    /// Its text, as [`Line::text`].
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Its text, without a copy where it is UTF-8; what is not is replaced.
    pub fn into_text(self) -> String {
        String::from_utf8(self.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl Deref for OwnedLine {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for OwnedLine {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for OwnedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("OwnedLine", &self.bytes, &self.about, f)
    }
}
