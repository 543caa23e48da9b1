//! Files with a name that keep their last bytes alone, and what is found there later.

use crate::{bytes_from, drain, segments_of};
use overfall::spool::{
    Builder, FileError, Incomplete, ReadError, Retain, SeekError, Spool, SpoolWriter, Start,
    StartError, WriteError,
};
use std::fs::{self, File};
use std::io::{Read, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

const BOUND: u64 = 100_000;
const SEGMENT: u64 = 4096;
const LENGTH: usize = 1_000_000;

fn builder() -> Builder {
    segments_of(SEGMENT as usize).retain(Retain::Last(BOUND))
}

fn path() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("stream");
    (directory, path)
}

fn kept_mark_of(path: &Path) -> PathBuf {
    path.with_extension("kept")
}

fn write(writer: &mut SpoolWriter, length: usize) {
    let mut left = length;
    while left > 0 {
        let bytes = bytes_from(writer.written(), left.min(5000));
        assert_eq!(writer.try_write(&bytes), Ok(bytes.len()));
        left -= bytes.len();
    }
}

/// Writes a stream that has let go of much of itself, and tells from where on it is kept.
fn written(path: &Path) -> (Spool, SpoolWriter, u64) {
    let spool = builder().create(path).unwrap();
    let mut writer = spool.writer().unwrap();
    write(&mut writer, LENGTH);
    let begin = spool.stats().evicted;
    (spool, writer, begin)
}

/// All that is kept is right, and as much as was promised. Tells where it begins, and how it ends.
#[track_caller]
fn check(spool: &Spool, len: u64) -> (u64, Option<ReadError>) {
    let mut reader = spool.weak_reader().unwrap();
    let begin = reader.position();
    let (bytes, end) = drain(&mut reader);
    assert!(bytes == bytes_from(begin, bytes.len()), "from {begin} on");
    assert_eq!(begin + bytes.len() as u64, len);
    assert!(bytes.len() as u64 >= BOUND.min(len), "{} are kept", bytes.len());
    assert!(bytes.len() as u64 <= BOUND + SEGMENT + (64 << 10), "{} are kept", bytes.len());
    (begin, end)
}

#[test]
fn what_is_finished_begins_later_where_it_began_and_tells_the_range_that_is_kept() {
    let (_directory, path) = path();
    let (spool, writer, begin) = written(&path);
    writer.finish().unwrap();
    let len = LENGTH as u64;
    assert_eq!(check(&spool, len), (begin, None));
    drop(spool);
    let blocks = path.metadata().unwrap().blocks() * 512;
    assert!(blocks <= BOUND + SEGMENT + 3 * (64 << 10), "the file takes {blocks} bytes");

    let spool = Spool::open(&path).unwrap();
    assert_eq!((spool.len(), spool.known_len(), spool.is_finished()), (len, Some(len), true));
    let (begin, end) = check(&spool, len);
    assert_eq!(end, None);
    let stats = spool.stats();
    assert_eq!(stats.evicted, begin);
    assert!(stats.file_bytes >= len - begin && stats.file_bytes < len - begin + (64 << 10));
    let mut reader = spool.reader().unwrap();
    assert_eq!((reader.position(), reader.backlog()), (begin, len - begin));
    let evicted = SeekError::Evicted { position: begin - 1, begin, len };
    assert_eq!(reader.try_seek(SeekFrom::Start(begin - 1)), Err(evicted));
    assert_eq!(reader.try_seek(SeekFrom::End(-1)), Ok(len - 1));
    let evicted = ReadError::Evicted { position: 0, begin, len };
    assert_eq!(reader.try_read_at(&mut [0; 10], 0), Err(evicted.clone()));
    assert_eq!(spool.load_all_timeout(std::time::Duration::ZERO), Some(Err(evicted)));
    let early = spool.reader_from(Start::At(5)).unwrap_err();
    assert_eq!(early, StartError::Evicted { position: 5, begin, len });
    #[cfg(feature = "futures")]
    assert!(spool.freeze().is_err());
    let mut all = Vec::new();
    spool.reader().unwrap().blocking().read_to_end(&mut all).unwrap();
    assert!(all == bytes_from(begin, all.len()));
}

#[test]
fn what_is_not_finished_is_taken_up_with_the_same_bound_another_or_none() {
    let bounds = [Retain::Last(BOUND), Retain::Last(2 * BOUND), Retain::Last(SEGMENT), Retain::All];
    for retain in bounds {
        let (_directory, path) = path();
        let (spool, mut writer, _) = written(&path);
        writer.release();
        drop(spool);
        let spool = Spool::open(&path).unwrap();
        let (begin, end) = check(&spool, LENGTH as u64);
        assert!(matches!(end, Some(ReadError::Failed(_))), "{end:?}");
        drop(spool);

        let spool = segments_of(SEGMENT as usize).retain(retain).resume(&path).unwrap();
        assert_eq!((spool.len(), spool.stats().evicted), (LENGTH as u64, begin));
        let mut early = spool.weak_reader().unwrap();
        writer = spool.writer().unwrap();
        write(&mut writer, LENGTH);
        let after = spool.stats().evicted;
        match retain {
            Retain::All => assert_eq!(after, begin, "nothing more is let go of"),
            _ => assert!(after > begin),
        }
        let mut buffer = [0; 100];
        match early.try_read(&mut buffer) {
            Ok(100) => assert_eq!((retain, &buffer[..]), (Retain::All, &*bytes_from(begin, 100))),
            read => assert_eq!(read, Err(ReadError::Lagged { missed: after - begin })),
        }
        writer.finish().unwrap();
        drop((early, spool));
        let spool = Spool::open(&path).unwrap();
        let mut reader = spool.reader().unwrap();
        let begin = reader.position();
        assert!(begin <= after && begin + (64 << 10) > after, "{begin}, and it was {after}");
        let (bytes, end) = drain(&mut reader);
        assert!(bytes == bytes_from(begin, 2 * LENGTH - begin as usize) && end.is_none());
    }
}

#[test]
fn a_file_that_lets_go_is_written_or_read_and_not_both_by_others() {
    let (_directory, path) = path();
    let (spool, writer, _) = written(&path);
    let busy = FileError::Busy { path: path.clone() };
    // Its own readers, as many as there are, are no others.
    assert_eq!(check(&spool, LENGTH as u64).1, Some(ReadError::Empty));
    assert_eq!(Spool::open(&path).unwrap_err(), busy);
    assert_eq!(builder().resume(&path).unwrap_err(), busy);
    drop((writer, spool));
    let [one, other] = [(); 2].map(|()| Spool::open(&path).unwrap());
    assert_eq!(builder().resume(&path).unwrap_err(), busy);
    drop(one);
    assert_eq!(builder().resume(&path).unwrap_err(), busy);
    check(&other, LENGTH as u64);
    drop(other);
    drop(builder().resume(&path).unwrap());
}

#[test]
fn what_keeps_everything_is_not_resumed_with_a_bound_unless_it_is_empty() {
    let (_directory, path) = path();
    let spool = Spool::create(&path).unwrap();
    drop(spool);
    let spool = builder().resume(&path).unwrap();
    write(&mut spool.writer().unwrap(), LENGTH);
    assert!(spool.stats().evicted > 0);
    spool.remove().unwrap();
    assert!(!path.exists() && !kept_mark_of(&path).exists(), "both are removed");

    let spool = Spool::create(&path).unwrap();
    write(&mut spool.writer().unwrap(), LENGTH);
    drop(spool);
    let refused = builder().resume(&path).unwrap_err();
    assert_eq!(refused, FileError::KeepsAll { path: path.clone() });
    assert!(refused.to_string().contains("without `retain`"), "{refused}");
    assert!(fs::read(&path).unwrap() == bytes_from(0, LENGTH), "it is as it was");
    assert!(!kept_mark_of(&path).exists());
}

#[test]
fn a_mark_that_tells_nothing_is_an_error_and_no_beginning() {
    let lines =
        ["", "x", "the last 5 bytes", "the last x bytes, from 5 on\n", "the last 9 bytes, from"];
    for line in lines {
        let (_directory, path) = path();
        drop(written(&path));
        fs::write(kept_mark_of(&path), line).unwrap();
        for error in [Spool::open(&path).unwrap_err(), builder().resume(&path).unwrap_err()] {
            assert!(matches!(error, FileError::System { .. }), "{error}");
            assert!(error.to_string().contains("`.kept`"), "{error}");
        }
    }
}

/// As a crash of the machine may leave it: the holes are on the disk, and an older mark.
#[test]
fn a_hole_of_which_the_mark_does_not_tell_is_not_taken_for_the_stream() {
    let (_directory, path) = path();
    let (spool, writer, _) = written(&path);
    drop((writer, spool));
    let mark = kept_mark_of(&path);
    let line = fs::read_to_string(&mark).unwrap();
    let (head, _) = line.split_once(", from ").unwrap();
    fs::write(&mark, format!("{head}, from {:020} on\n", 4096)).unwrap();
    let (begin, _) = check(&Spool::open(&path).unwrap(), LENGTH as u64);
    assert!(begin > 4096);
    let spool = builder().resume(&path).unwrap();
    assert_eq!(spool.stats().evicted, begin);
}

/// File systems that compress may store zeros as a hole.
#[test]
fn zeros_at_the_end_of_what_is_kept_are_bytes_of_the_stream_wherever_they_lie() {
    let (_directory, path) = path();
    drop(builder().create(&path).unwrap());
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(2 * BOUND).unwrap();
    file.write_all_at(b"the end", 2 * BOUND - 7).unwrap();
    let spool = Spool::open(&path).unwrap();
    let mut reader = spool.reader().unwrap();
    assert!(reader.position() <= BOUND, "the last bytes are kept: {}", reader.position());
    reader.try_seek(SeekFrom::Start(BOUND)).unwrap();
    let (bytes, _) = drain(&mut reader);
    assert!(bytes[..BOUND as usize - 7].iter().all(|&byte| byte == 0));
    assert!(bytes.ends_with(b"the end"));
}

#[test]
fn a_mark_that_was_left_behind_takes_nothing_of_a_new_file() {
    let (_directory, path) = path();
    drop(written(&path));
    fs::remove_file(&path).unwrap();
    let spool = Spool::create(&path).unwrap();
    write(&mut spool.writer().unwrap(), LENGTH);
    assert_eq!(drain(&mut Spool::open(&path).unwrap().reader().unwrap()).0.len(), LENGTH);
    drop(spool);

    // A process that was killed between the two has left an empty file with it.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    let line = format!("the last 1000 bytes, from {:020} on\n", 500_000);
    fs::write(kept_mark_of(&path), line).unwrap();
    let spool = Spool::builder().resume(&path).unwrap();
    write(&mut spool.writer().unwrap(), LENGTH);
    drop(spool);
    assert_eq!(drain(&mut Spool::open(&path).unwrap().reader().unwrap()).0.len(), LENGTH);
}

#[test]
fn a_file_that_was_cut_has_what_is_left_of_what_it_kept() {
    let (_directory, path) = path();
    let (spool, writer, begin) = written(&path);
    writer.finish().unwrap();
    drop(spool);
    let (finished_len, file) = (LENGTH as u64, File::options().write(true).open(&path).unwrap());
    for len in [finished_len - 1000, begin / 2] {
        file.set_len(len).unwrap();
        let spool = Spool::open(&path).unwrap();
        let (bytes, end) = drain(&mut spool.reader().unwrap());
        let Some(ReadError::Failed(failure)) = end else { panic!("{end:?}") };
        let incomplete = failure.get_ref().downcast_ref::<Incomplete>();
        assert_eq!(incomplete, Some(&Incomplete::Cut { len, finished_len }));
        assert!(bytes == bytes_from(len - bytes.len() as u64, bytes.len()), "{len}");
        assert_eq!(bytes.is_empty(), len < begin);
    }
}

#[test]
fn a_strong_reader_of_a_named_file_holds_its_writer_up_and_misses_nothing() {
    let (_directory, path) = path();
    let spool = builder().create(&path).unwrap();
    let mut writer = spool.writer().unwrap();
    let mut reader = spool.reader().unwrap().blocking();
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    for piece in bytes_from(0, LENGTH).chunks(7777) {
        writer.write_all(piece).unwrap();
    }
    spool.sync().unwrap();
    writer.finish().unwrap();
    spool.sync().unwrap();
    assert!(reading.join().unwrap() == bytes_from(0, LENGTH));
    assert!(spool.stats().evicted > 0);
}

#[test]
fn where_its_mark_cannot_be_made_there_is_no_file() {
    let (_directory, path) = path();
    fs::create_dir(kept_mark_of(&path)).unwrap();
    let error = builder().create(&path).unwrap_err();
    assert!(matches!(error, FileError::System { .. }), "{error}");
    let mut writer = match Spool::create(path.with_extension("other")) {
        Ok(spool) => spool.writer().unwrap(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(writer.try_write(b"x"), Ok::<_, WriteError>(1));
    assert!(!path.exists(), "what was begun is taken away");
}

#[test]
fn a_copy_without_holes_begins_where_its_mark_says() {
    let (_directory, path) = path();
    let (spool, writer, _) = written(&path);
    writer.finish().unwrap();
    drop(spool);
    let copy = path.with_file_name("copy");
    for ending in ["", ".kept", ".finished"] {
        let [from, to] = [&path, &copy].map(|path| format!("{}{ending}", path.display()));
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
    let spools = [&path, &copy].map(|path| Spool::open(path).unwrap());
    let [original, copied] = spools.map(|spool| check(&spool, LENGTH as u64));
    assert_eq!(copied, original);
    assert_eq!(copied.1, None);
}
