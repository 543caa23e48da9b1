//! The mark beside a file that keeps its last bytes alone: it tells how many these are, and from where on the
//! stream is kept.
//!
//! It is one line, `the last 1048576 bytes, from 00000000000000065536 on`, and is there for as long as the file.
//! The writer changes it before it punches a hole, in one write in place: so after a crash of the process it
//! tells of each hole. A crash of the machine may leave an older line than the holes. The holes tell then
//! themselves; but a file system may store zeros as a hole, too, and so the last bytes, as many as the line
//! says, are never taken for one.

use super::mark::{beside, unless_gone};
use super::system;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct KeptMark {
    file: File,
    /// How many bytes are kept at the least.
    bytes: u64,
}

/// Where it lies.
fn path(stream: &Path) -> PathBuf {
    beside(stream, ".kept")
}

impl KeptMark {
    /// That of a file that keeps so many bytes, and has let go of none.
    pub(super) fn create(stream: &Path, bytes: u64) -> io::Result<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(path(stream))?;
        let mark = Self { file, bytes };
        mark.set(0).map(|()| mark)
    }

    /// That of a file which may have one.
    pub(super) fn open(stream: &Path, writes: bool) -> io::Result<Option<Self>> {
        let file = match File::options().read(true).write(writes).open(path(stream)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let bytes = get(&file)?.0;
        Ok(Some(Self { file, bytes }))
    }

    /// From where on the stream of `len` bytes in this file is kept.
    pub(super) fn begin(&self, stream: &File, len: u64) -> io::Result<u64> {
        let hole = system::first_data(stream)?.min(len.saturating_sub(self.bytes));
        Ok(get(&self.file)?.1.max(hole).min(len))
    }

    /// The file keeps so many bytes from now on.
    pub(super) fn keep(&mut self, bytes: u64, begin: u64) -> io::Result<()> {
        self.bytes = bytes;
        self.set(begin)
    }

    /// What lies below `begin` is let go of.
    pub(super) fn set(&self, begin: u64) -> io::Result<()> {
        let line = format!("the last {} bytes, from {begin:020} on\n", self.bytes);
        let written = system::write_at(&self.file, line.as_bytes(), 0)?;
        if written < line.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// How many bytes are kept, and from where on.
fn get(mut file: &File) -> io::Result<(u64, u64)> {
    use io::{Read, Seek};
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text))?;
    // Behind it may lie the rest of a longer one.
    let line = text.split_once(" on\n").and_then(|(line, _)| line.strip_prefix("the last "));
    let numbers = line.and_then(|line| line.split_once(" bytes, from "));
    let numbers =
        numbers.and_then(|(bytes, begin)| Some((bytes.parse().ok()?, begin.parse().ok()?)));
    let unknown = "the file beside it that ends in `.kept` does not tell from where on it is kept";
    numbers.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, unknown))
}

/// Takes the mark of a file away, if there is one.
pub(super) fn remove(stream: &Path) -> io::Result<()> {
    unless_gone(fs::remove_file(path(stream)))
}
