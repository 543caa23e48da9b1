//! The mark beside a file that tells that the stream in it is finished, and at which length.
//!
//! It is one line, `finished at 1048576 bytes`. A mark that was cut, or that is something else, is none:
//! so whatever a crash leaves, half a stream is never taken for a whole one.

use super::system::sync_directory;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the mark of a file lies.
fn path(file: &Path) -> PathBuf {
    beside(file, ".finished")
}

/// The file beside it whose name ends like this.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Marks the file as finished.
pub(super) fn put(file: &Path, length: u64) -> io::Result<()> {
    let path = path(file);
    let put = File::create(&path)
        .and_then(|mut mark| mark.write_all(format!("finished at {length} bytes\n").as_bytes()));
    if put.is_err() {
        // What is left counts for nothing, if it cannot be taken away either.
        let _told_by_put = fs::remove_file(&path);
    }
    put
}

/// At which length the file is marked as finished, if it is.
pub(super) fn get(file: &Path) -> io::Result<Option<u64>> {
    let text = match fs::read(path(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let length = text.strip_prefix("finished at ").and_then(|text| text.strip_suffix(" bytes\n"));
    Ok(length.and_then(|length| length.parse().ok()))
}

/// Takes the mark away, if there is one.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    unless_gone(fs::remove_file(path(file)))
}

/// Lets the mark, if there is one, and the names of it and of the file outlive a crash of the machine.
pub(super) fn sync(file: &Path) -> io::Result<()> {
    unless_gone(File::options().write(true).open(path(file)).and_then(|mark| mark.sync_all()))?;
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// What is not there needs nothing.
pub(super) fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
