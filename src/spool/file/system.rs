//! What each system has for files: reads and writes at a place, files that exclude a second writer, and
//! files without a name.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Reads at a place, and moves no cursor: readers share the one descriptor.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match imp::read_at(file, buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Writes at a place: at least one byte, or why not.
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    loop {
        match imp::write_at(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

#[cfg(test)]
thread_local! {
    /// How many holes this thread can make before the system refuses to.
    pub(super) static HOLES_LEFT: std::cell::Cell<u32> = const { std::cell::Cell::new(u32::MAX) };
}

/// Gives back the space of some bytes, which read as zeros from then on. The file stays as long as it is.
pub(super) fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    #[cfg(test)]
    if HOLES_LEFT.get() == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    #[cfg(test)]
    HOLES_LEFT.set(HOLES_LEFT.get() - 1);
    loop {
        match holes::punch(file, offset, length) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            punched => return punched,
        }
    }
}

/// A file that is there, to be read.
pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    refuse_others(path)?;
    File::open(path)
}

/// To open what is no regular file may wait, or do things. One that takes its place just now is not noticed.
fn refuse_others(path: &Path) -> io::Result<()> {
    if path.metadata()?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

/// A file that is there for reading and writing; with `new`, a new one of that mode, and nothing else.
pub(super) fn open_to_write(path: &Path, new: Option<u32>) -> io::Result<File> {
    if new.is_none() {
        refuse_others(path)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(new.is_some());
    imp::exclude_writers(&mut options);
    if let Some(mode) = new {
        imp::set_mode(&mut options, mode);
    }
    options.open(path)
}

/// Whether a file could not be opened to write because another spool has it open.
pub(super) fn excludes(error: &io::Error) -> bool {
    const ERROR_SHARING_VIOLATION: i32 = 32;
    cfg!(windows) && error.raw_os_error() == Some(ERROR_SHARING_VIOLATION)
}

/// A file that has no name, or loses it when it is closed.
pub(super) fn open_temporary(directory: &Path, mode: u32) -> io::Result<File> {
    if let Some(file) = imp::open_nameless(directory, mode) {
        return file;
    }
    let mut tries = 0;
    loop {
        let path = directory.join(random_name());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        imp::set_mode(&mut options, mode);
        imp::remove_when_closed(&mut options);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            Err(error) => return Err(error),
            Ok(file) => return imp::take_name(&path).map(|()| file),
        }
    }
}

fn random_name() -> PathBuf {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!(".overfall-{}-{random:016x}", std::process::id()).into()
}

/// Whether this file, and no other, has this path.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match imp::is_at(file, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found,
    }
}

#[cfg(target_os = "linux")]
use crate::sync::holes;

#[cfg(not(target_os = "linux"))]
mod holes {
    use std::fs::File;
    use std::io;

    pub(in super::super) fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
        let only_there = "holes in files are made on Linux alone";
        Err(io::Error::new(io::ErrorKind::Unsupported, only_there))
    }

    pub(in super::super) fn first_data(_: &File) -> io::Result<u64> {
        Ok(0)
    }
}

pub(super) use holes::first_data;
pub(super) use imp::{sync_directory, temp_directory, try_lock, try_lock_shared, unlock};

#[cfg(unix)]
mod imp {
    pub(in super::super) use std::env::temp_dir as temp_directory;
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    pub(in super::super) use crate::sync::file_lock::{try_lock, try_lock_shared, unlock};

    pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
        let [ours, theirs] = [file.metadata()?, path.symlink_metadata()?];
        Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
    }

    pub(super) fn set_mode(options: &mut OpenOptions, mode: u32) {
        options.mode(mode);
    }

    /// They exclude each other by the lock.
    pub(super) fn exclude_writers(_: &mut OpenOptions) {}

    /// `None` where there is no such thing. Not every file system of Linux has it.
    pub(super) fn open_nameless(directory: &Path, mode: u32) -> Option<io::Result<File>> {
        #[cfg(target_os = "linux")]
        {
            let mut options = OpenOptions::new();
            options.read(true).write(true).mode(mode).custom_flags(libc::O_TMPFILE);
            match options.open(directory) {
                // An old kernel takes it for the opening of a directory.
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)
                    ) =>
                {
                    None
                }
                opened => Some(opened),
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (directory, mode);
            None
        }
    }

    pub(super) fn remove_when_closed(_: &mut OpenOptions) {}

    pub(super) fn take_name(path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    /// Lets the names in a directory outlive a crash of the machine.
    pub(in super::super) fn sync_directory(directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }
}

#[cfg(windows)]
mod imp {
    pub(in super::super) use std::env::temp_dir as temp_directory;
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::windows::fs::{FileExt, OpenOptionsExt};
    use std::path::Path;

    const FILE_SHARE_READ: u32 = 1;
    const FILE_SHARE_DELETE: u32 = 4;
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;

    pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(buffer, offset)
    }

    pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    /// std does not tell; a file that is open keeps its name, unless it is moved on purpose.
    pub(super) fn is_at(_: &File, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    pub(super) fn set_mode(_: &mut OpenOptions, _: u32) {}

    /// Who opens it to write meanwhile fails, with a sharing violation.
    pub(super) fn exclude_writers(options: &mut OpenOptions) {
        options.share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE);
    }

    pub(super) fn open_nameless(_: &Path, _: u32) -> Option<io::Result<File>> {
        None
    }

    pub(super) fn remove_when_closed(options: &mut OpenOptions) {
        options.share_mode(FILE_SHARE_DELETE).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    }

    pub(super) fn take_name(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Opened as it is, it is ours until it is closed.
    pub(in super::super) fn try_lock(_: &File) -> io::Result<bool> {
        Ok(true)
    }

    pub(in super::super) use try_lock as try_lock_shared;

    pub(in super::super) fn unlock(_: &File) -> io::Result<()> {
        Ok(())
    }

    /// Directories cannot be synchronized, and names are in the journal.
    pub(in super::super) fn sync_directory(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Systems where std cannot read a file at a place.
#[cfg(not(any(unix, windows)))]
mod imp {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::path::{Path, PathBuf};

    pub(super) fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn write_at(_: &File, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_at(_: &File, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    /// std's panics where there are no files.
    pub(in super::super) fn temp_directory() -> PathBuf {
        PathBuf::new()
    }

    pub(super) fn set_mode(_: &mut OpenOptions, _: u32) {}

    pub(super) fn exclude_writers(_: &mut OpenOptions) {}

    pub(super) fn open_nameless(_: &Path, _: u32) -> Option<io::Result<File>> {
        Some(Err(io::ErrorKind::Unsupported.into()))
    }

    pub(super) fn remove_when_closed(_: &mut OpenOptions) {}

    pub(super) fn take_name(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn try_lock(_: &File) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) use try_lock as try_lock_shared;

    pub(in super::super) fn unlock(_: &File) -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn sync_directory(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
