//! What bytes go through.

use crate::error::Lagged;
use std::io;

/// Makes other bytes of those that pass. A closure `FnMut(&[u8], &mut Vec<u8>) -> io::Result<()>` is one.
///
/// What is appended to `output` is written in order, before the next call. `output` is empty at first.
/// Where the input is cut has no meaning: keep what you need of it. An error ends the pump.
///
/// ```
/// use overfall::pump::{Pump, Transform};
/// use overfall::spool::Spool;
/// use std::io;
///
/// /// Puts a word in front of each line.
/// struct Prefix {
///     word: &'static str,
///     is_within_a_line: bool,
/// }
///
/// impl Transform for Prefix {
///     fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
///         for piece in input.split_inclusive(|&byte| byte == b'\n') {
///             if !self.is_within_a_line {
///                 output.extend_from_slice(self.word.as_bytes());
///             }
///             output.extend_from_slice(piece);
///             self.is_within_a_line = !piece.ends_with(b"\n");
///         }
///         Ok(())
///     }
/// }
///
/// let spool = Spool::memory();
/// let prefix = Prefix { word: "make: ", is_within_a_line: false };
/// let pump = Pump::new(&b"one\ntwo\n"[..], spool.writer()?).through(prefix);
/// pump.spawn()?.join().unwrap().1?;
/// assert_eq!(spool.reader()?.try_fill_buf()?, b"make: one\nmake: two\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transform {
    /// Takes all of `input`, at least one byte, and appends to `output` what is to be written.
    fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()>;

    /// Bytes are missing here: a weak reader was overrun. Without this the pump fails, so that what
    /// comes behind a gap is not taken for what comes next. To skip gaps without a word, make the reader
    /// [silent](crate::WeakReader::set_silent).
    fn gap(&mut self, lagged: &Lagged, output: &mut Vec<u8>) -> io::Result<()> {
        let _ = output;
        Err(io::Error::other(*lagged))
    }

    /// The source has ended. What is appended now is the last.
    fn finish(&mut self, output: &mut Vec<u8>) -> io::Result<()> {
        let _ = output;
        Ok(())
    }
}

impl<F: FnMut(&[u8], &mut Vec<u8>) -> io::Result<()>> Transform for F {
    fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        self(input, output)
    }
}

/// No transform.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Unchanged;

impl Transform for Unchanged {
    fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        output.extend_from_slice(input);
        Ok(())
    }
}
