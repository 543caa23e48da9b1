//! Where the system makes no holes, or no more of them: a fake, which refuses them after so many.

use super::FileError;
use super::system::HOLES_LEFT;
use crate::spool::{Builder, ReadError, Retain, Spool, Start, WriteError};
use std::io::{self, Read};
use std::path::PathBuf;

const BOUND: u64 = 100_000;

fn builder() -> Builder {
    Spool::builder().retain(Retain::Last(BOUND))
}

/// A directory of a test, which goes with it.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("overfall-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        Self(directory.canonicalize().unwrap())
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

/// What this thread does while the system makes so many holes.
fn with_holes<T>(holes: u32, work: impl FnOnce() -> T) -> T {
    HOLES_LEFT.set(holes);
    let result = work();
    HOLES_LEFT.set(u32::MAX);
    result
}

#[test]
fn where_there_are_no_holes_a_bound_is_refused_and_the_error_says_what_to_do() {
    let directory = Directory::new("no-holes");
    let path = directory.0.join("stream");
    let refused = with_holes(0, || {
        let created = builder().create(&path).unwrap_err();
        assert_eq!(directory.entries(), 0, "nothing is left of it");
        let temporary = builder().temp_dir(&directory.0).temp_file().unwrap_err();
        let all_is_kept = Spool::create(&path).unwrap();
        all_is_kept.remove().unwrap();
        [(created, &path), (temporary, &directory.0)]
    });
    let written = builder().create(&path).unwrap();
    let mut writer = written.writer().unwrap();
    assert_eq!(writer.try_write(&[7; 300_000]), Ok(300_000));
    writer.release();
    drop(written);
    let resumed = with_holes(0, || builder().resume(&path).unwrap_err());
    for (error, at) in refused.into_iter().chain([(resumed, &path)]) {
        assert!(matches!(&error, FileError::NoHoles { path, .. } if path == at), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("`build`") && text.contains("no `retain`"), "{text}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
    }
    assert_eq!(builder().resume(&path).unwrap().len(), 300_000, "it is as it was");
}

/// For instance since the file system was mounted anew in another way.
#[test]
fn a_hole_that_is_refused_later_is_the_writers_error_and_readers_get_all_that_was_written() {
    let directory = Directory::new("no-more-holes");
    let path = directory.0.join("stream");
    let in_named = || builder().create(&path).unwrap();
    let in_temporary = || builder().temp_file().unwrap();
    let makes: [&dyn Fn() -> Spool; 2] = [&in_named, &in_temporary];
    for make in makes {
        // One is for the look whether there are any.
        let (spool, mut writer, error) = with_holes(3, || {
            let spool = make();
            let mut writer = spool.writer().unwrap();
            let error = loop {
                if let Err(error) = writer.try_write(&[7; 10_000]) {
                    break error;
                }
                assert!(writer.written() < 10 << 20, "it is told in time");
            };
            (spool, writer, error)
        });
        assert!(matches!(error, WriteError::File(_)), "{error}");
        let (written, begin) = (writer.written(), spool.stats().evicted);
        assert!(begin > 0 && written - begin >= BOUND);
        let mut reader = spool.weak_reader_from(Start::Back(BOUND)).unwrap();
        let mut buffer = vec![0; 200_000];
        let kept = (written - reader.position()) as usize;
        assert_eq!(reader.try_read(&mut buffer), Ok(kept));
        assert!(buffer[..kept].iter().all(|&byte| byte == 7));
        assert_eq!(reader.try_read(&mut buffer), Err(ReadError::Empty));
        // Where there are holes again the writer goes on.
        assert_eq!(writer.try_write(&[7; 100]), Ok(100));
        writer.finish().unwrap();
        let mut rest = Vec::new();
        reader.blocking().read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [7; 100]);
    }
    let spool = Spool::open(&path).unwrap();
    let mut all = Vec::new();
    spool.reader().unwrap().blocking().read_to_end(&mut all).unwrap();
    assert!(all.len() as u64 >= BOUND && all.iter().all(|&byte| byte == 7), "no hole is read");
}
