//! Streams in files. What is killed, or has limits of its own, is in `files_of_children.rs`.

use crate::{byte_at, bytes_from, drain, segments_of, stream};
use overfall::spool::{
    FileError, Growth, Incomplete, ReadError, Spool, SpoolReader, SpoolWriter, WriteError,
};
use overfall_tests::{LIMIT, Numbers, block_on, within};
use std::fs;
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// A path in a directory that goes with it.
fn path() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("stream");
    (directory, path)
}

fn mark_of(path: &Path) -> PathBuf {
    path.with_file_name("stream.finished")
}

fn created(path: &Path) -> (Spool, SpoolWriter, SpoolReader) {
    let spool = Spool::create(path).unwrap();
    let (writer, reader) = (spool.writer().unwrap(), spool.reader().unwrap());
    (spool, writer, reader)
}

/// Writes a finished stream of so many bytes.
fn write_finished(path: &Path, length: usize) {
    let (_, mut writer, _) = created(path);
    writer.write_all(&bytes_from(0, length)).unwrap();
    assert_eq!(writer.finish(), Ok(length as u64));
}

fn why_incomplete(error: &ReadError) -> Incomplete {
    let ReadError::Failed(failure) = error else { panic!("{error}") };
    *failure.get_ref().downcast_ref().unwrap()
}

// What must not happen.

#[test]
fn a_file_that_is_there_is_not_created_and_stays_as_it_is() {
    let (_directory, path) = path();
    fs::write(&path, "of somebody else").unwrap();
    let error = Spool::create(&path).unwrap_err();
    assert_eq!(error, FileError::Exists { path: path.clone() });
    assert_eq!(io::Error::from(error).kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"of somebody else");
}

#[test]
fn a_file_that_is_not_there_is_neither_opened_nor_resumed_nor_made() {
    let (directory, path) = path();
    for error in [Spool::open(&path).unwrap_err(), Spool::builder().resume(&path).unwrap_err()] {
        assert_eq!(io::Error::from(error).kind(), ErrorKind::NotFound);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let error = Spool::create(path.join("below")).unwrap_err();
    assert_eq!(io::Error::from(error).kind(), ErrorKind::NotFound);
}

#[test]
fn settings_that_make_no_sense_leave_no_file() {
    let (directory, path) = path();
    let wrong = segments_of(0);
    assert!(matches!(wrong.clone().create(&path), Err(FileError::Build(_))));
    assert!(matches!(wrong.clone().temp_file(), Err(FileError::Build(_))));
    assert!(matches!(wrong.resume(&path), Err(FileError::Build(_))));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_second_spool_that_would_write_the_file_is_refused_until_the_first_has_ended() {
    let (_directory, path) = path();
    let (spool, mut writer, mut reader) = created(&path);
    let resume = || Spool::builder().resume(&path);
    writer.write_all(b"abc").unwrap();
    let busy = FileError::Busy { path: path.clone() };
    assert_eq!(resume().unwrap_err(), busy);
    writer.release();
    assert_eq!(resume().unwrap_err(), busy, "the next writer may come");
    let writer = spool.writer().unwrap();
    spool.fail("the producer stalls").unwrap();
    assert_eq!(resume().unwrap_err(), busy, "the writer may be in the middle of a write");
    drop(writer);

    // The spool and its reader are still there.
    let resumed = resume().unwrap();
    resumed.writer().unwrap().write_all(b"def").unwrap();
    assert_eq!(drain(&mut reader).0, b"abc");
    assert_eq!(drain(&mut resumed.reader().unwrap()).0, b"abcdef");
}

#[test]
fn a_file_that_was_cut_is_an_error_for_its_readers_and_not_the_end() {
    let (_directory, path) = path();
    let (_spool, mut writer, reader) = created(&path);
    writer.write_all(&bytes_from(0, 1 << 20)).unwrap();
    let mut small = reader.clone();
    let mut large = reader.clone();
    let mut lender = reader.clone();
    for reader in [&mut small, &mut large, &mut lender] {
        reader.advance(500_000);
    }
    fs::File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();

    let cut = ReadError::Cut { position: 500_000, left: 1000 };
    assert_eq!(small.try_read(&mut [0; 10]), Err(cut.clone()));
    assert_eq!(large.try_read(&mut [0; 100_000]), Err(cut.clone()));
    assert_eq!(lender.try_fill_buf(), Err(cut.clone()));
    assert_eq!(reader.try_read_at(&mut [0; 10], 500_000), Err(cut.clone()));
    assert_eq!(block_on(small.read(&mut [0; 10])), Err(cut.clone()));
    let error = small.blocking().read_timeout(&mut [0; 10], LIMIT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    // What is left is read, up to the very place.
    let mut left = vec![0; 5000];
    assert_eq!(reader.try_read_at(&mut left, 0), Ok(1000));
    assert_eq!(left[..1000], bytes_from(0, 1000));
}

#[test]
fn a_writer_whose_file_was_cut_writes_nothing_more() {
    let (_directory, path) = path();
    let (_spool, mut writer, reader) = created(&path);
    writer.write_all(&bytes_from(0, 10_000)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    for _ in 0..2 {
        let error = writer.try_write(b"more").unwrap_err();
        assert_eq!(error, WriteError::Cut { written: 10_000, left: 0 });
        assert_eq!(writer.fill(|_| Ok(1)).unwrap_err().kind(), ErrorKind::InvalidData);
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), 0, "no zeros");
    assert_eq!(writer.written(), 10_000);
    assert!(matches!(reader.try_read_at(&mut [0; 1], 9_999), Err(ReadError::Cut { .. })));
}

#[test]
fn a_finished_file_that_was_cut_opens_as_failed_and_tells_both_lengths() {
    let (_directory, path) = path();
    write_finished(&path, 10_000);
    fs::File::options().write(true).open(&path).unwrap().set_len(3000).unwrap();
    let spool = Spool::open(&path).unwrap();
    assert!(!spool.is_finished());
    let (bytes, end) = drain(&mut spool.reader().unwrap());
    assert_eq!(bytes, bytes_from(0, 3000));
    let cut = Incomplete::Cut { len: 3000, finished_len: 10_000 };
    assert_eq!(why_incomplete(&end.unwrap()), cut);
    // The rest is written again.
    let spool = Spool::builder().resume(&path).unwrap();
    let mut writer = spool.writer().unwrap();
    writer.write_all(&bytes_from(3000, 7000)).unwrap();
    writer.finish().unwrap();
    assert_eq!(drain(&mut Spool::open(&path).unwrap().reader().unwrap()).0, bytes_from(0, 10_000));
}

#[test]
fn what_was_not_finished_opens_as_failed_behind_the_bytes_that_are_there() {
    for end in [SpoolWriter::release as fn(SpoolWriter), drop, |writer| writer.fail("no").unwrap()]
    {
        let (_directory, path) = path();
        let (spool, mut writer, _) = created(&path);
        writer.write_all(b"half").unwrap();
        end(writer);
        drop(spool);
        let spool = Spool::open(&path).unwrap();
        assert_eq!((spool.len(), spool.known_len()), (4, None));
        for _late in 0..2 {
            let (bytes, end) = drain(&mut spool.reader().unwrap());
            assert_eq!(bytes, b"half");
            assert_eq!(why_incomplete(&end.unwrap()), Incomplete::Unfinished { len: 4 });
        }
        assert!(spool.writer().is_err());
        assert!(spool.finished_timeout(Duration::ZERO).unwrap().is_err());
    }
}

#[test]
fn a_mark_that_was_cut_or_that_is_something_else_is_none() {
    let (_directory, path) = path();
    write_finished(&path, 123);
    let whole = fs::read(mark_of(&path)).unwrap();
    for length in 0..whole.len() {
        fs::write(mark_of(&path), &whole[..length]).unwrap();
        assert!(!Spool::open(&path).unwrap().is_finished(), "{length}");
    }
    for other in [&b"123"[..], &[0xff; 40], &[0; 26], b"finished at -3 bytes\n"] {
        fs::write(mark_of(&path), other).unwrap();
        assert!(!Spool::open(&path).unwrap().is_finished());
    }
    fs::write(mark_of(&path), whole).unwrap();
    assert!(Spool::open(&path).unwrap().is_finished());
}

#[test]
fn a_mark_that_was_left_behind_does_not_finish_a_new_file() {
    for length in [0, 4] {
        let (_directory, path) = path();
        write_finished(&path, length);
        fs::remove_file(&path).unwrap();
        let (spool, mut writer, _) = created(&path);
        writer.write_all(&bytes_from(0, length)).unwrap();
        drop((spool, writer));
        assert!(!Spool::open(&path).unwrap().is_finished());
    }
}

#[test]
fn a_mark_that_cannot_be_made_is_an_error_for_all() {
    let (_directory, path) = path();
    let (spool, mut writer, mut reader) = created(&path);
    writer.write_all(b"all of it").unwrap();
    fs::create_dir(mark_of(&path)).unwrap();
    assert!(matches!(writer.finish(), Err(overfall::spool::FinishError::File(_))));
    let (bytes, end) = drain(&mut reader);
    assert_eq!(bytes, b"all of it");
    assert!(matches!(end, Some(ReadError::Failed(_))));
    drop((spool, reader));
    fs::remove_dir(mark_of(&path)).unwrap();
    Spool::builder().resume(&path).unwrap().writer().unwrap().finish().unwrap();
    assert!(Spool::open(&path).unwrap().is_finished());
}

#[test]
fn promised_bytes_finish_a_file_only_once_the_writer_says_so() {
    let (_directory, path) = path();
    let spool = Spool::builder().known_len(4).create(&path).unwrap();
    let mut writer = spool.writer().unwrap();
    writer.write_all(b"four").unwrap();
    assert_eq!(spool.finished_timeout(Duration::ZERO), Some(Ok(4)), "readers do not wait");
    assert!(!Spool::open(&path).unwrap().is_finished());
    assert_eq!(writer.try_write(b"x"), Err(WriteError::BeyondKnownLen { known_len: 4 }));
    drop((writer, spool));
    assert!(!Spool::open(&path).unwrap().is_finished());

    // All was there when it crashed, but for the word.
    let resumed = Spool::builder().known_len(4).resume(&path).unwrap();
    assert!(resumed.is_finished());
    assert_eq!(resumed.writer().unwrap().finish(), Ok(4));
    assert!(Spool::open(&path).unwrap().is_finished());
}

#[test]
fn a_file_that_ends_short_of_its_promise_is_not_finished() {
    let (_directory, path) = path();
    let spool = Spool::builder().known_len(10).create(&path).unwrap();
    let mut writer = spool.writer().unwrap();
    writer.write_all(b"four").unwrap();
    assert!(writer.finish().is_err());
    assert!(!Spool::open(&path).unwrap().is_finished());
    let error = Spool::builder().known_len(3).resume(&path).unwrap_err();
    assert_eq!(error, FileError::TooLong { path: path.clone(), len: 4, known_len: 3 });
}

#[test]
fn what_is_finished_is_not_resumed() {
    let (_directory, path) = path();
    write_finished(&path, 77);
    let error = Spool::builder().resume(&path).unwrap_err();
    assert_eq!(error, FileError::Finished { path: path.clone(), len: 77 });
    // What somebody has put behind it is no part of it.
    fs::File::options().append(true).open(&path).unwrap().write_all(b"junk").unwrap();
    assert_eq!(
        drain(&mut Spool::open(&path).unwrap().reader().unwrap()),
        (bytes_from(0, 77), None)
    );
}

#[test]
fn a_stream_that_failed_before_its_writer_finished_it_is_not_finished_on_disk() {
    for end in
        [|spool: &Spool| spool.fail("from outside").unwrap(), |spool: &Spool| spool.terminate()]
    {
        let (_directory, path) = path();
        let (spool, mut writer, _) = created(&path);
        writer.write_all(b"half").unwrap();
        end(&spool);
        assert!(writer.try_write(b"more").is_err());
        assert!(writer.finish().is_err());
        assert!(!Spool::open(&path).unwrap().is_finished());
    }
}

#[test]
fn what_a_closure_did_not_finish_is_not_in_the_file() {
    let (_directory, path) = path();
    let (_spool, mut writer, mut reader) = created(&path);
    assert!(writer.fill(|_| Err(ErrorKind::Interrupted.into())).is_err());
    assert!(writer.fill(|buffer| Ok(buffer.len() + 1)).is_err());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        writer.fill(|buffer| {
            buffer.fill(b'x');
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!((fs::metadata(&path).unwrap().len(), writer.written()), (0, 0));
    let mut source = &b"straight into it"[..];
    assert_eq!(writer.fill(|buffer| source.read(buffer)).unwrap(), 16);
    assert_eq!(drain(&mut reader).0, b"straight into it");
}

#[test]
fn where_there_can_be_no_file_a_spill_is_an_error_for_the_writer() {
    let builder = Spool::builder().spill_at(4).temp_dir("/nowhere/at/all");
    let (_spool, mut writer, mut reader) = stream(builder);
    assert_eq!(writer.try_write(b"in memory"), Ok(4));
    let error = writer.try_write(b"more").unwrap_err();
    assert_eq!(io::Error::from(error).kind(), ErrorKind::NotFound);
    assert_eq!(drain(&mut reader), (b"in m".to_vec(), Some(ReadError::Empty)));
    let error = Spool::builder().temp_dir("/nowhere/at/all").temp_file().unwrap_err();
    assert_eq!(io::Error::from(error).kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let (directory, _) = path();
    let mut others = vec![directory.path().to_owned()];
    if cfg!(target_os = "linux") {
        // To open it would wait for a writer.
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        others.push(pipe);
    }
    for other in others {
        let opened = [Spool::open(&other), Spool::builder().resume(&other)];
        for error in opened.map(Result::unwrap_err) {
            assert_eq!(io::Error::from(error).kind(), ErrorKind::InvalidInput);
        }
        assert!(matches!(Spool::create(&other), Err(FileError::Exists { .. })));
    }
}

#[test]
#[cfg(unix)]
fn a_file_that_was_renamed_is_read_on_and_does_not_mark_or_remove_its_successor() {
    let (directory, path) = path();
    let (old, mut writer, mut reader) = created(&path);
    writer.write_all(b"first").unwrap();
    fs::rename(&path, directory.path().join("stream.1")).unwrap();
    let (new, mut successor, _) = created(&path);
    successor.write_all(b"the second one").unwrap();
    writer.write_all(b" half").unwrap();
    assert_eq!(drain(&mut reader).0, b"first half");
    let Err(error) = writer.finish() else { panic!("its mark would be the successor's") };
    assert_eq!(io::Error::from(error).kind(), ErrorKind::NotFound);
    old.remove().unwrap();
    drop((new, successor));
    let spool = Spool::open(&path).unwrap();
    assert!(!spool.is_finished());
    assert_eq!(drain(&mut spool.reader().unwrap()).0, b"the second one");

    // Removed twice, with another one in between.
    spool.remove().unwrap();
    write_finished(&path, 5);
    spool.remove().unwrap();
    assert!(Spool::open(&path).unwrap().is_finished());
}

// What does happen.

#[test]
#[cfg(unix)]
fn a_link_leads_to_the_file_and_to_its_mark() {
    let (directory, path) = path();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(Spool::create(&link), Err(FileError::Exists { .. })));
    created(&path).1.release();
    let spool = Spool::builder().resume(&link).unwrap();
    spool.writer().unwrap().finish().unwrap();
    for path in [&path, &link] {
        assert!(Spool::open(path).unwrap().is_finished());
    }
    spool.remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn the_file_holds_the_bytes_and_nothing_else() {
    let (directory, path) = path();
    write_finished(&path, 5000);
    assert_eq!(fs::read(&path).unwrap(), bytes_from(0, 5000));
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["stream", "stream.finished"]);
    assert_eq!(fs::read(mark_of(&path)).unwrap(), b"finished at 5000 bytes\n");
}

#[test]
fn who_sees_the_end_can_open_the_finished_file() {
    for _ in 0..50 {
        let (_directory, path) = path();
        let (spool, writer, _) = created(&path);
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                writer.finish().unwrap();
            });
            barrier.wait();
            assert_eq!(spool.finished_timeout(LIMIT), Some(Ok(0)));
            assert!(Spool::open(&path).unwrap().is_finished());
        });
    }
}

#[test]
fn ten_readers_follow_a_file_while_it_is_written_each_in_its_own_way() {
    let (_directory, path) = path();
    let spool = Spool::create(&path).unwrap();
    let length: usize = 3_000_000;
    within(LIMIT, move || {
        thread::scope(|scope| {
            for number in 0..10_u64 {
                let mut reader = spool.reader().unwrap();
                scope.spawn(move || {
                    let mut numbers = Numbers::new(number);
                    let mut buffer = vec![0; 40_000];
                    let mut reader_at = reader.clone();
                    let mut at = 0;
                    loop {
                        let most = 1 + numbers.below([10, 1000, 40_000][number as usize % 3]);
                        let read = match number % 4 {
                            0 => block_on(reader_at.read_at(&mut buffer[..most], at)).unwrap(),
                            1 => {
                                let lent = block_on(reader.fill_buf()).unwrap();
                                let taken = lent.len().min(most);
                                buffer[..taken].copy_from_slice(&lent[..taken]);
                                reader.consume(taken);
                                taken
                            }
                            _ => block_on(reader.read(&mut buffer[..most])).unwrap(),
                        };
                        if read == 0 {
                            break;
                        }
                        assert!(
                            buffer[..read].iter().zip(at..).all(|(&byte, at)| byte == byte_at(at))
                        );
                        at += read as u64;
                        // Now and then a look at what is long gone from its own memory.
                        if numbers.below(50) == 0 {
                            let back = numbers.below(at as usize) as u64;
                            reader_at.try_seek(io::SeekFrom::Start(back)).unwrap();
                            assert!(reader_at.try_read(&mut buffer[..1]).unwrap() == 1);
                            assert_eq!(buffer[0], byte_at(back));
                        }
                    }
                    assert_eq!(at, length as u64);
                });
            }
            let mut writer = spool.writer().unwrap();
            let bytes = bytes_from(0, length);
            let mut numbers = Numbers::new(99);
            let mut left = &bytes[..];
            while !left.is_empty() {
                let next = (1 + numbers.below(30_000)).min(left.len());
                writer.write_all(&left[..next]).unwrap();
                left = &left[next..];
            }
            writer.finish().unwrap();
        });
    });
}

#[test]
fn a_reader_that_waits_for_a_file_is_woken_when_its_byte_is_there() {
    let (_directory, path) = path();
    let (_spool, mut writer, mut reader) = created(&path);
    reader.advance(3);
    let mut task = overfall_tests::Task::new(async move {
        let mut byte = [0];
        reader.read(&mut byte).await.map(|read| (read, byte[0]))
    });
    assert!(task.poll().is_pending());
    writer.write_all(b"abc").unwrap();
    assert_eq!(task.wakes(), 0);
    writer.write_all(b"d").unwrap();
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.result(), Ok((1, b'd')));
}

#[test]
fn readers_from_before_at_and_behind_the_bound_see_one_stream_in_memory_and_file() {
    let builder = segments_of(7).spill_at(100);
    let (spool, mut writer, mut early) = stream(builder);
    let mut at_bound = early.clone();
    at_bound.advance(100);
    let mut behind = early.clone();
    behind.advance(150);
    writer.write_all(&bytes_from(0, 98)).unwrap();
    let mut lender = spool.reader().unwrap();
    let lent = lender.try_fill_buf().unwrap();
    writer.write_all(&bytes_from(98, 102)).unwrap();
    assert_eq!(lent, bytes_from(0, 7));
    for (reader, from) in [(&mut early, 0), (&mut at_bound, 100), (&mut behind, 150)] {
        assert_eq!(drain(reader), (bytes_from(from, 200 - from as usize), Some(ReadError::Empty)));
    }
    let mut all = vec![0; 300];
    assert_eq!(spool.reader().unwrap().try_read(&mut all), Ok(200));
    assert_eq!(all[..200], bytes_from(0, 200));
    assert_eq!(early.try_read_at(&mut all[..50], 80), Ok(50));
    assert_eq!(all[..50], bytes_from(80, 50));
    let stats = spool.stats();
    assert_eq!((stats.memory_bytes, stats.file_bytes, stats.len), (100, 100, 200));
}

#[test]
fn a_stream_below_the_bound_makes_no_file() {
    let (directory, _) = path();
    let builder = Spool::builder().spill_at(4).temp_dir(directory.path().join("not there yet"));
    let (spool, mut writer, mut reader) = stream(builder);
    writer.write_all(b"four").unwrap();
    writer.finish().unwrap();
    assert_eq!(drain(&mut reader), (b"four".to_vec(), None));
    assert_eq!(spool.stats().file_bytes, 0);
}

#[test]
fn the_bound_is_right_wherever_the_segments_end() {
    for first in [1, 3, 4096] {
        for bound in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12] {
            for expected in [0, 1, 5, 9, 30] {
                let growth = Growth::Geometric { first, max: 2 * first };
                let builder = Spool::builder().growth(growth).expected_len(expected);
                let (spool, mut writer, mut reader) = stream(builder.spill_at(bound));
                for position in 0..20 {
                    writer.write_all(&[byte_at(position)]).unwrap();
                    assert_eq!(reader.try_read(&mut [0; 5]), Ok(1));
                }
                assert_eq!(drain(&mut spool.reader().unwrap()).0, bytes_from(0, 20));
                assert_eq!(spool.stats().file_bytes, 20 - bound);
            }
        }
    }
}

#[test]
fn a_promise_holds_on_either_side_of_the_bound() {
    for known_len in [3, 4, 5] {
        let builder = Spool::builder().spill_at(4).known_len(known_len);
        let (spool, mut writer, _) = stream(builder);
        assert_eq!(writer.try_write(b"too many"), Ok(known_len as usize));
        assert_eq!(writer.try_write(b"x"), Err(WriteError::BeyondKnownLen { known_len }));
        assert!(spool.is_finished());
    }
}

#[test]
fn several_buffers_are_written_in_turn() {
    let (_directory, path) = path();
    let (_spool, mut writer, mut reader) = created(&path);
    let parts = ["one ", "", "two ", "three"].map(|part| IoSlice::new(part.as_bytes()));
    assert_eq!(writer.write_vectored(&parts).unwrap(), 13);
    writer.flush().unwrap();
    assert_eq!(drain(&mut reader).0, b"one two three");
}

#[test]
fn lines_are_read_and_sought_by_the_traits_of_std() {
    let (_directory, path) = path();
    let (spool, mut writer, _) = created(&path);
    for line in 0..5000 {
        writeln!(writer, "line {line}").unwrap();
    }
    writer.finish().unwrap();
    let mut reader = spool.reader().unwrap().blocking();
    assert!(
        reader.by_ref().lines().enumerate().all(|(n, line)| line.unwrap() == format!("line {n}"))
    );
    io::Seek::seek(&mut reader, io::SeekFrom::End(-10)).unwrap();
    let mut end = String::new();
    reader.read_to_string(&mut end).unwrap();
    assert_eq!(end, "line 4999\n");
}

#[test]
#[cfg(feature = "futures")]
fn a_file_is_frozen_and_lent_as_bytes_by_reading_it() {
    let (_directory, path) = path();
    write_finished(&path, 100_000);
    let spool = Spool::open(&path).unwrap();
    assert_eq!(spool.freeze().unwrap(), bytes_from(0, 100_000));
    let mut reader = spool.reader().unwrap();
    reader.advance(99_990);
    assert_eq!(reader.try_read_bytes(6).unwrap(), bytes_from(99_990, 6));
    assert_eq!(reader.try_read_bytes(60).unwrap(), bytes_from(99_996, 4));
    assert!(reader.try_read_bytes(60).unwrap().is_empty());

    let (spool, mut writer, _) = stream(segments_of(10).spill_at(25));
    writer.write_all(&bytes_from(0, 60)).unwrap();
    writer.finish().unwrap();
    assert_eq!(spool.freeze().unwrap(), bytes_from(0, 60));
    let mut kept = spool.reader().unwrap().try_read_bytes(60).unwrap();
    assert_eq!(kept.split_to(10), bytes_from(0, 10));

    fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    let cut = Spool::open(&path).unwrap();
    assert!(cut.freeze().is_err());
}

#[test]
fn a_finished_file_can_be_synchronized_and_so_can_one_that_goes_on() {
    let (_directory, path) = path();
    let (spool, mut writer, _) = created(&path);
    spool.sync().unwrap();
    writer.write_all(b"some").unwrap();
    spool.sync().unwrap();
    writer.finish().unwrap();
    spool.sync().unwrap();
    Spool::memory().sync().unwrap();
    Spool::temp_file().unwrap().sync().unwrap();
}

#[test]
fn what_is_removed_has_no_readers_no_end_and_no_file() {
    let (directory, path) = path();
    let (spool, mut writer, mut reader) = created(&path);
    writer.write_all(b"some").unwrap();
    let mut waiting = reader.clone();
    waiting.advance(10);
    thread::scope(|scope| {
        let read = scope.spawn(move || block_on(waiting.read(&mut [0; 4])));
        spool.remove().unwrap();
        assert_eq!(read.join().unwrap(), Err(ReadError::Terminated));
    });
    assert_eq!(reader.try_read(&mut [0; 4]), Err(ReadError::Terminated));
    assert!(spool.reader().is_err());
    assert!(writer.finish().is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    spool.remove().unwrap();

    write_finished(&path, 10);
    Spool::open(&path).unwrap().remove().unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    Spool::memory().remove().unwrap();
}

#[test]
fn a_temporary_file_is_not_found_in_its_directory() {
    let (directory, _) = path();
    let builder = Spool::builder().temp_dir(directory.path());
    let spool = builder.temp_file().unwrap();
    let mut writer = spool.writer().unwrap();
    writer.write_all(&bytes_from(0, 100_000)).unwrap();
    if cfg!(unix) {
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
    assert_eq!(drain(&mut spool.reader().unwrap()).0, bytes_from(0, 100_000));
    drop((spool, writer));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Not asserted on: a figure for the essay.
#[test]
#[ignore = "it measures"]
fn what_a_read_in_place_takes() {
    let spool = Spool::temp_file().unwrap();
    spool.writer().unwrap().write_all(&vec![1; 64 << 20]).unwrap();
    for size in [64, 4096, 65_536] {
        let mut reader = spool.reader().unwrap();
        let mut buffer = vec![0; size];
        let (started, mut reads) = (Instant::now(), 0_u32);
        while reader.try_read(&mut buffer).is_ok() {
            reads += 1;
        }
        println!("{size} bytes: {:?} a read", started.elapsed() / reads);
    }
    let runs = 2000_u32;
    let started = Instant::now();
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (answer, answered) = std::sync::mpsc::channel();
    let helper =
        thread::spawn(move || asked.iter().try_for_each(|()| answer.send(()).map_err(drop)));
    for _ in 0..runs {
        ask.send(()).unwrap();
        answered.recv().unwrap();
    }
    println!("to a thread and back: {:?}", started.elapsed() / runs);
    drop(ask);
    let _ = helper.join();
}
