//! How lines are cut.

use super::{Lines, Source};

/// The shortest longest line: a character of four bytes fits.
const LEAST: usize = 4;

/// What becomes of the bytes of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    Bytes,
    Utf8,
    Utf8Lossy,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) longest: usize,
    /// What is longer is cut, and does not come as the next piece.
    pub(super) cuts: bool,
    /// A carriage return ends an item, too.
    pub(super) returns: bool,
    pub(super) encoding: Encoding,
    /// An unfinished line is given as soon as nothing more is there.
    pub(super) unfinished: bool,
}

impl Settings {
    /// A line of less bytes than this fits, whatever is in it.
    pub(super) fn whole_below(&self) -> usize {
        // A vector has no more than `isize::MAX` bytes.
        let longest = self.longest.min(isize::MAX as usize);
        match self.encoding {
            // One byte that is no character becomes one of three bytes.
            Encoding::Utf8Lossy => longest / 3 + 1,
            _ => longest + 1,
        }
    }
}

/// How [`Lines`] are to be cut.
///
/// ```
/// use overfall::lines::{Builder, End};
///
/// let (mut writer, reader) = overfall::pipe(1024);
/// writer.try_write(b"10 %\r20 %\rdone\n")?;
/// let mut lines = Builder::new().carriage_returns().longest(80).utf8_lossy().lines(reader);
/// let mut last = None;
/// while let Ok(Some(line)) = lines.try_next_line() {
///     last = Some((line.text().into_owned(), line.end()));
/// }
/// assert_eq!(last, Some(("done".into(), End::Newline)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it makes lines of a reader"]
pub struct Builder(Settings);

impl Builder {
    /// Lines of bytes that end at a `\n`, with a `\r` before it if there is one; of up to 1 MiB, a longer
    /// one comes in several pieces; complete ones alone, until the end.
    pub fn new() -> Self {
        Self(Settings {
            longest: 1 << 20,
            cuts: false,
            returns: false,
            encoding: Encoding::Bytes,
            unfinished: false,
        })
    }

    /// A `\r` ends an item, too: a progress bar is seen as it is written. [`Line::end`](super::Line::end)
    /// tells the two apart.
    ///
    /// - The item is given at the `\r`, and does not wait for what follows.
    /// - If a `\n` comes with it, the two are one end, a newline.
    /// - If that `\n` comes in a later read, it is an empty piece, which
    ///   [continues](super::Line::continues) the item that was given at the `\r`.
    ///
    /// Without this, a `\r` is a part of the end only right before a `\n`, in whatever reads the two come;
    /// any other one, also the last byte of the stream, belongs to the text.
    pub fn carriage_returns(mut self) -> Self {
        self.0.returns = true;
        self
    }

    /// Sets how many bytes a line may have, without its end; with [`utf8_lossy`](Self::utf8_lossy), how many
    /// bytes of decoded text. A longer one comes in pieces, and each but the last ends by
    /// [`End::Limit`](super::End::Limit). No piece is empty, and none ends within a character of UTF-8,
    /// in lines of bytes neither: a piece may be up to three bytes shorter for that. Less than 4 counts as 4.
    ///
    /// So much memory is used for a line at most, for each writer that has begun one.
    pub fn longest(mut self, bytes: usize) -> Self {
        self.0.longest = bytes.max(LEAST);
        self
    }

    /// A line that is longer than the [longest](Self::longest) is cut: its first bytes are one piece, which
    /// comes when the line has ended, and tells [how many more](super::Line::cut) there were.
    pub fn cut_rest(mut self) -> Self {
        self.0.cuts = true;
        self
    }

    /// Lines must be UTF-8. One that is not is an error, [`LineError::NotUtf8`](super::LineError::NotUtf8),
    /// with its bytes; the call after that gives the next one.
    pub fn utf8(mut self) -> Self {
        self.0.encoding = Encoding::Utf8;
        self
    }

    /// Bytes that are no UTF-8 are replaced by U+FFFD, as by [`String::from_utf8_lossy`].
    pub fn utf8_lossy(mut self) -> Self {
        self.0.encoding = Encoding::Utf8Lossy;
        self
    }

    /// A line that was begun is given as soon as nothing more is there: a prompt, for instance. The piece
    /// ends by [`End::Quiet`](super::End::Quiet), and the rest of the line comes as another one. The first
    /// bytes of a character, and a `\r` that may belong to a `\n`, are kept back until it is clear what
    /// they are.
    ///
    /// To wait for a quiet time first, leave this, and use
    /// [`next_line_or_quiet`](Lines::next_line_or_quiet).
    pub fn show_unfinished(mut self) -> Self {
        self.0.unfinished = true;
        self
    }

    /// The lines of `reader`, from where it stands.
    pub fn lines<R: Source>(self, reader: R) -> Lines<R> {
        Lines::with(reader, self.0)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}
