//! How spools in files are made, synchronized, and removed.

use super::error::{FileError, Incomplete};
use super::kept_mark::{self, KeptMark};
use super::{Disk, mark, system};
use crate::error::Failure;
use crate::spool::{Builder, Retain, Spool};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Streams in files.
impl Spool {
    /// A spool in a new file, as [`Builder::create`] makes it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        Self::builder().create(path)
    }

    /// A file that is there, to be read.
    ///
    /// The stream is finished if its writer had [finished](crate::spool::SpoolWriter::finish) it, and the
    /// file still has all of it. Else it has failed, with [`Incomplete`]: readers get the bytes that are
    /// there now, and then that error. So does a file that no spool has written. To go on with one that is
    /// not finished, [`resume`](Builder::resume) it.
    ///
    /// What is written to the file later, by whomever, is not seen.
    ///
    /// Of a file that keeps its [last bytes](Retain::Last) alone there is what it kept, at the same
    /// positions. [`Start::Oldest`](crate::spool::Start::Oldest) is the first of them.
    ///
    /// # Errors
    ///
    /// - `Busy`, if the file keeps its last bytes alone, and another spool may still write it.
    /// - What the system says: `NotFound`, if there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        let path = existing(path)?;
        let opened = (|| {
            let kept_mark = KeptMark::open(&path, false)?;
            let file = system::open_to_read(&path)?;
            let is_busy = kept_mark.is_some() && !system::try_lock_shared(&file)?;
            // The mark first: a stream that is being finished then has all that it tells.
            let finished_len = mark::get(&path)?;
            let len = file.metadata()?.len();
            let begin = kept_mark.as_ref().map(|mark| mark.begin(&file, len)).transpose()?;
            Ok((kept_mark.zip(begin), is_busy, finished_len, file, len))
        })();
        let (kept, is_busy, finished_len, file, len) =
            opened.map_err(FileError::system("open", &path))?;
        if is_busy {
            return Err(FileError::Busy { path });
        }
        let (length, incomplete) = match finished_len {
            Some(finished_len) if finished_len <= len => (finished_len, None),
            Some(finished_len) => (len, Some(Incomplete::Cut { len, finished_len })),
            None => (len, Some(Incomplete::Unfinished { len })),
        };
        let mut disk = Disk::named(path, file);
        if let Some((mark, begin)) = kept {
            disk = disk.keeping(mark, begin.min(length));
        }
        disk.is_read_only = true;
        let spool = Self::builder().make(0, Some(disk), length)?;
        spool.shared.end_as_found(length, incomplete.map(Failure::new));
        Ok(spool)
    }

    /// A spool in a temporary file, as [`Builder::temp_file`] makes it.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn temp_file() -> Result<Self, FileError> {
        Self::builder().temp_file()
    }

    /// Waits until what has been written is on the disk, and outlives a crash of the machine: the bytes,
    /// the name of the file, and that the stream is finished, if it is by now. What is written or
    /// finished later needs another call.
    ///
    /// It blocks the thread. In memory, and in a temporary file, there is nothing to do.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn sync(&self) -> Result<(), FileError> {
        self.shared.disk.as_ref().map_or(Ok(()), Disk::sync)
    }

    /// Ends the spool for everybody, refuses readers, and deletes its file, if that has a name.
    ///
    /// Another file that has taken its path stays. The system gives the space back once the last reader,
    /// writer and handle have gone.
    ///
    /// # Errors
    ///
    /// What the system says. A file that is not there any more is none. The spool is terminated all the
    /// same.
    pub fn remove(&self) -> Result<(), FileError> {
        self.refuse_readers("the spool was removed");
        self.terminate();
        self.shared.disk.as_ref().map_or(Ok(()), Disk::remove)
    }
}

/// Streams in files. The length that is only expected means nothing to them, nor how segments grow, but where the
/// last bytes alone are kept.
impl Builder {
    /// Makes a spool in a new file, which holds the bytes of the stream and nothing else.
    ///
    /// That it is finished, and at which length, is kept in a file beside it, whose name ends in
    /// `.finished`, and which comes with [`finish`](crate::spool::SpoolWriter::finish), not earlier: also
    /// where the length was [promised](Self::known_len). Whatever a crash of the process leaves,
    /// [`open`](Spool::open) does not take half a stream for a whole one. After a crash of the machine that is true
    /// of what was [synchronized](Spool::sync) before.
    ///
    /// A file has one writer: another spool that would write it is refused until the stream of this one has
    /// ended and its writer has gone. (On Windows, until all of this one has gone. Programs that do not use
    /// this crate are not stopped on other systems.) A spool has one descriptor, however many readers there are.
    ///
    /// Reads and writes are system calls, made where they are called or polled: they block the thread for
    /// as long as the disk takes. If another program cuts the file, reads at the missing places, and the next
    /// write, fail with `Cut`.
    ///
    /// With [`Retain::Last`] the file keeps its last bytes alone, as a [temporary one](Self::temp_file) does. From
    /// where on is kept in another file beside it, whose name ends in `.kept`: it belongs to the file, and goes
    /// where that goes. For other programs, what was let go of are zeros at the front of the file. Such a file
    /// has two descriptors, and is written while nobody has it [open](Spool::open), or read by others while
    /// nobody may write it.
    ///
    /// ```
    /// use overfall::spool::Spool;
    /// use std::io::{Read, Write};
    ///
    /// # let directory = std::env::temp_dir().join(format!("overfall-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// # let path = directory.join("log");
    /// let spool = Spool::create(&path)?;
    /// let mut writer = spool.writer()?;
    /// writer.write_all(b"first half, ")?;
    /// drop((writer, spool)); // the process crashes
    ///
    /// assert!(!Spool::open(&path)?.is_finished());
    /// let spool = Spool::builder().resume(&path)?;
    /// let mut writer = spool.writer()?;
    /// assert_eq!(writer.written(), 12);
    /// writer.write_all(b"second half")?;
    /// writer.finish()?;
    ///
    /// let mut text = String::new();
    /// Spool::open(&path)?.reader()?.blocking().read_to_string(&mut text)?;
    /// assert_eq!(text, "first half, second half");
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Exists`, if there is anything at this path. `Build`, if the settings make no sense. `NoHoles`, if the last
    /// bytes alone are to be retained, and the system can make no holes. Else what the system says.
    pub fn create(self, path: impl Into<PathBuf>) -> Result<Spool, FileError> {
        self.check()?;
        let path = absolute(path)?;
        let made = (|| {
            // A mark without a file is one that somebody left behind. Gone before there is a file, it can
            // never speak of that.
            if !path.try_exists()? {
                mark::remove(&path)?;
            }
            system::open_to_write(&path, Some(self.mode.unwrap_or(0o666)))
        })();
        let file = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FileError::Exists { path });
            }
            made => made.map_err(FileError::system("create", &path))?,
        };
        lock(&file, &path)?;
        // It is ours now, and so is what lies beside it.
        let disk = kept_mark::remove(&path)
            .map_err(FileError::system("create", &path))
            .and_then(|()| self.disk_at(path.clone(), file, 0))
            .inspect_err(|_| {
                // The error is told. What may be left is an empty file.
                let _told = std::fs::remove_file(&path);
            })?;
        Ok(self.make(0, Some(disk), 0)?)
    }

    /// Goes on with a file that is there and not finished, at its end: what a crash, or a transfer that broke,
    /// has left. Readers get what is there from the first byte on, and wait for the rest.
    ///
    /// The file may have bytes of a last write that nobody was told about. [`Spool::len`] tells where
    /// it goes on. One that was finished and then cut counts as not finished.
    ///
    /// A file that keeps its last bytes alone goes on with what [`retain`](Self::retain) says now. Without that,
    /// it lets go of nothing more.
    ///
    /// With [`known_len`](Self::known_len), and all of it there, the stream has ended well, and a writer
    /// can still be had, to [`finish`](crate::spool::SpoolWriter::finish) it.
    ///
    /// # Errors
    ///
    /// - `Finished`, if it is, and has all its bytes.
    /// - `Busy`, if another spool may still write it, or has it open, where it keeps its last bytes alone.
    /// - `KeepsAll`, if the last bytes alone are to be retained, and it was created to keep everything.
    /// - `NoHoles`, and `Build`, as for [`create`](Self::create).
    /// - `TooLong`, if it is longer than was promised.
    /// - What the system says: `NotFound`, if there is none.
    pub fn resume(self, path: impl Into<PathBuf>) -> Result<Spool, FileError> {
        self.check()?;
        let path = existing(path)?;
        let file = match system::open_to_write(&path, None) {
            Err(error) if system::excludes(&error) => return Err(FileError::Busy { path }),
            opened => opened.map_err(FileError::system("open", &path))?,
        };
        lock(&file, &path)?;
        let found = mark::get(&path).and_then(|mark| Ok((mark, file.metadata()?.len())));
        let (finished_len, len) = found.map_err(FileError::system("open", &path))?;
        match (finished_len, self.known_len) {
            (Some(finished_len), _) if finished_len <= len => {
                return Err(FileError::Finished { path, len: finished_len });
            }
            (_, Some(known_len)) if known_len < len => {
                return Err(FileError::TooLong { path, len, known_len });
            }
            _ => {}
        }
        let disk = self.disk_at(path.clone(), file, len)?;
        mark::remove(&path).map_err(FileError::system("open", &path))?;
        Ok(self.make(0, Some(disk), len)?)
    }

    /// Makes a spool in a temporary file, which nobody finds and which goes with the spool.
    ///
    /// It has no name, where the system can do that (Linux, on most file systems); else it loses its name as
    /// soon as it has been made (Unix), or is deleted when it is closed (Windows). So nothing of it is left
    /// behind.
    ///
    /// With [`Retain::Last`] it keeps the last bytes, in steps of [segments](Self::growth), and gives the
    /// space of the others back to the system in pieces of 64 KiB. So it takes the space of what is to be
    /// retained, of a segment, of a piece, and what the file system needs itself. That takes holes in files:
    /// Linux has them, on most file systems. The file does get as long as the stream, so that this
    /// ends where files cannot be longer (16 TiB on ext4, or `ulimit -f`); then writes fail.
    ///
    /// ```
    /// use overfall::spool::{Retain, Spool};
    ///
    /// # if cfg!(target_os = "linux") {
    /// let spool = Spool::builder().retain(Retain::Last(1 << 20)).temp_file()?;
    /// let mut writer = spool.writer()?;
    /// for _ in 0..1000 {
    ///     writer.try_write(&[7; 10_000])?;
    /// }
    /// assert!(spool.stats().file_bytes < 2 << 20);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Build`, if the settings make no sense. `NoHoles`, if only the last bytes are to be retained, and the system
    /// can make no holes. Else what the system says.
    pub fn temp_file(self) -> Result<Spool, FileError> {
        self.check()?;
        let disk = self.temporary(0);
        // Now, so that who asked for a file learns here that there can be none.
        disk.make()?;
        if self.retain != Retain::All {
            disk.can_let_go(0)?;
        }
        Ok(self.make(0, Some(disk), 0)?)
    }

    /// Keeps the first `bytes` in memory, and what comes behind them in a temporary file, which is made
    /// when the first such byte comes, and goes with the spool.
    ///
    /// Every byte stays where it was written, so that readers, what was lent, and `Bytes` know nothing of
    /// the change. A write may fail with [`WriteError::File`](crate::spool::WriteError::File) then.
    /// Segments grow as without a file; the last one ends at the bound. Such a spool keeps everything:
    /// [`build`](Self::build) refuses [`Retain::Last`] with it.
    ///
    /// ```
    /// use overfall::spool::Spool;
    ///
    /// let spool = Spool::builder().spill_at(4).build()?;
    /// spool.writer()?.try_write(b"in memory, and in a file")?;
    /// assert_eq!((spool.stats().memory_bytes, spool.stats().file_bytes), (4, 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spill_at(mut self, bytes: u64) -> Self {
        self.spill_at = Some(bytes);
        self
    }

    /// The directory of temporary files. It is [`std::env::temp_dir`] by default, which may lie in
    /// memory.
    pub fn temp_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.temp_dir = Some(directory.into());
        self
    }

    /// The mode of a file that is made, as `open` of Unix takes it: the system takes the bits of the
    /// process's umask away. By default it is 0600 for temporary files, and 0666, as programs do, for those
    /// with a name. Other systems have none.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// A file of `len` bytes, which is locked, with what tells from where on it is kept.
    fn disk_at(&self, path: PathBuf, file: File, len: u64) -> Result<Disk, FileError> {
        let failed = || FileError::system("tell from where on the stream is kept, beside", &path);
        let found = KeptMark::open(&path, true).and_then(|mark| {
            let begin = mark.as_ref().map_or(Ok(0), |mark| mark.begin(&file, len));
            Ok((mark, begin?))
        });
        let (mark, begin) = found.map_err(failed())?;
        let bytes = match self.retain {
            Retain::All => u64::MAX,
            Retain::Last(bytes) => bytes,
        };
        let disk = Disk::named(path.clone(), file);
        if bytes < u64::MAX {
            disk.can_let_go(len)?;
        }
        let mark = match mark {
            None if bytes == u64::MAX => return Ok(disk),
            None if len > 0 => return Err(FileError::KeepsAll { path }),
            None => KeptMark::create(&path, bytes),
            Some(mut mark) => mark.keep(bytes, begin).map(|()| mark),
        };
        Ok(disk.keeping(mark.map_err(failed())?, begin))
    }

    /// A temporary file for what comes behind the first `begin` bytes.
    pub(in crate::spool) fn temporary(&self, begin: u64) -> Disk {
        Disk::temporary(begin, self.temp_dir.clone(), self.mode.unwrap_or(0o600))
    }
}

/// The path is used later, too, and the process may have changed its directory by then.
fn absolute(path: impl Into<PathBuf>) -> Result<PathBuf, FileError> {
    let path = path.into();
    std::path::absolute(&path).map_err(FileError::system("find", &path))
}

/// The same, of a file that is there: a link leads to it, and its mark lies beside itself.
fn existing(path: impl Into<PathBuf>) -> Result<PathBuf, FileError> {
    let path = path.into();
    path.canonicalize().map_err(FileError::system("open", &path))
}

fn lock(file: &File, path: &Path) -> Result<(), FileError> {
    match system::try_lock(file).map_err(FileError::system("lock", path))? {
        true => Ok(()),
        false => Err(FileError::Busy { path: path.into() }),
    }
}
