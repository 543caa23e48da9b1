//! Spools that keep their last bytes alone, in a temporary file.

use crate::{bytes_from, segments_of};
use overfall::spool::{
    BuildError, FileError, ReadError, Retain, SeekError, Spool, SpoolReader, SpoolWriter, Start,
    StartError, WriteError,
};
#[cfg(feature = "futures")]
use overfall_tests::block_on;
use overfall_tests::{LIMIT, Numbers, within};
use std::io::{ErrorKind, Read, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Space is given back in pieces of so many bytes.
const PIECE: u64 = 64 << 10;

fn bounded(bytes: u64, segment: usize) -> (Spool, SpoolWriter) {
    let spool = segments_of(segment).retain(Retain::Last(bytes)).temp_file().unwrap();
    let writer = spool.writer().unwrap();
    (spool, writer)
}

/// Writes the next bytes of the stream; all of them must have room.
#[track_caller]
fn write(writer: &mut SpoolWriter, length: usize) {
    let bytes = bytes_from(writer.written(), length);
    assert_eq!(writer.try_write(&bytes), Ok(length));
}

/// Reads the next bytes of the stream, which must be there.
#[track_caller]
fn read(reader: &mut SpoolReader, length: usize) {
    let (position, mut buffer) = (reader.position(), vec![0; length]);
    assert_eq!(reader.try_read(&mut buffer), Ok(length));
    assert!(buffer == bytes_from(position, length), "at {position}");
}

#[test]
fn at_least_the_bound_is_kept_and_at_most_one_segment_and_a_piece_more() {
    for (bytes, segment) in [(1, 1), (1000, 1), (1000, 1000), (100_000, 4096), (1 << 20, 1 << 18)] {
        let (spool, mut writer) = bounded(bytes, segment);
        for length in (1..50).chain([3000, 70_000, 1 << 20, 5, 4096]) {
            write(&mut writer, length);
            let stats = spool.stats();
            let kept = stats.len - stats.evicted;
            assert!(kept >= bytes.min(stats.len), "{kept} of {bytes}");
            assert!(kept <= bytes + segment as u64, "{kept} of {bytes} in {segment}");
            let most = bytes + segment as u64 + PIECE;
            assert!(stats.file_bytes >= kept && stats.file_bytes <= most, "{stats:?}");
            assert_eq!(stats.memory_bytes, 0);
            let mut reader = spool.weak_reader().unwrap();
            assert_eq!((reader.position(), reader.backlog()), (stats.evicted, kept));
            read(&mut reader, kept as usize);
        }
    }
}

/// The file of a spool is the only one of this process that lies in this directory and has no name.
#[cfg(not(miri))]
fn blocks_of_a_nameless_file_in(directory: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut blocks = descriptors.filter_map(|descriptor| {
        let path = descriptor.unwrap().path();
        let target = std::fs::read_link(&path).ok()?;
        target.starts_with(directory).then(|| path.metadata().unwrap().blocks())
    });
    blocks.next().unwrap()
}

#[test]
#[cfg(not(miri))]
fn the_file_takes_no_more_of_the_disk_however_long_the_stream_gets() {
    for place in [std::env::temp_dir(), "/dev/shm".into()] {
        let Ok(directory) = tempfile::tempdir_in(place) else { continue };
        let directory = directory.path().canonicalize().unwrap();
        let builder = segments_of(32 << 10).retain(Retain::Last(128 << 10)).temp_dir(&directory);
        let mut writer = builder.temp_file().unwrap().writer().unwrap();
        let mut most = 0;
        for _ in 0..1000 {
            write(&mut writer, 32_100);
            most = most.max(512 * blocks_of_a_nameless_file_in(&directory));
        }
        assert!(writer.written() > 30 << 20);
        assert!(most >= 128 << 10, "{most}");
        // The bound, a segment, a piece, and what the file system needs itself.
        assert!(most <= (128 << 10) + (32 << 10) + (64 << 10) + (64 << 10), "{most}");
    }
}

#[test]
fn a_weak_reader_that_is_passed_is_told_how_much_it_missed_and_never_reads_a_hole() {
    let (spool, mut writer) = bounded(10_000, 1000);
    for length in [10, 1 << 20] {
        let mut buffer = vec![0; length];
        let mut reader = spool.weak_reader_from(Start::End).unwrap();
        let begun = reader.position();
        write(&mut writer, 300_000);
        let begin = spool.stats().evicted;
        let missed = begin - begun;
        assert_eq!(reader.try_read(&mut buffer), Err(ReadError::Lagged { missed }));
        assert_eq!(reader.position(), begin);
        let read = reader.try_read(&mut buffer).unwrap();
        assert_eq!(read as u64, (300_000 + begun - begin).min(length as u64));
        assert!(buffer[..read] == bytes_from(begin, read));
        // The same for what is lent, and for `Bytes`.
        let mut reader = spool.weak_reader_from(Start::End).unwrap();
        #[cfg(feature = "futures")]
        let clone = reader.clone();
        write(&mut writer, 300_000);
        assert!(matches!(reader.try_fill_buf(), Err(ReadError::Lagged { missed: 1.. })));
        let position = reader.position();
        assert_eq!(reader.try_fill_buf().unwrap()[..9], bytes_from(position, 9));
        #[cfg(feature = "futures")]
        {
            let mut clone = clone;
            let passed = block_on(clone.read_bytes(9));
            assert!(matches!(passed, Err(ReadError::Lagged { missed: 1.. })));
            assert_eq!(block_on(clone.read_bytes(9)).unwrap()[..], bytes_from(position, 9));
        }
    }
}

#[test]
fn what_a_reader_has_read_ahead_stays_right_when_it_was_let_go_of() {
    let (spool, mut writer) = bounded(10_000, 1000);
    write(&mut writer, 10_000);
    let mut reader = spool.weak_reader().unwrap();
    let ahead = reader.try_fill_buf().unwrap().len();
    write(&mut writer, 1 << 20);
    read(&mut reader, ahead);
    let missed = spool.stats().evicted - ahead as u64;
    assert_eq!(reader.try_read(&mut [0; 10]), Err(ReadError::Lagged { missed }));
}

#[test]
fn reads_and_seeks_to_what_was_let_go_of_tell_the_range_that_is_kept() {
    let (spool, mut writer) = bounded(10_000, 1000);
    write(&mut writer, 200_500);
    let (begin, len) = (spool.stats().evicted, 200_500);
    assert_eq!(begin, 190_000);
    let strong = spool.reader().unwrap();
    let mut reader = spool.weak_reader_from(Start::Back(100)).unwrap();
    for position in [0, 1, 65_535, 65_536, 131_072, 189_999] {
        for length in [1, 100_000] {
            let evicted = Err(ReadError::Evicted { position, begin, len });
            assert_eq!(reader.try_read_at(&mut vec![0; length], position), evicted);
            assert_eq!(strong.try_read_at(&mut vec![0; length], position), evicted);
        }
        let sought = reader.try_seek(SeekFrom::Start(position));
        assert_eq!(sought, Err(SeekError::Evicted { position, begin, len }));
        let begun = spool.weak_reader_from(Start::At(position)).unwrap_err();
        assert_eq!(begun, StartError::Evicted { position, begin, len });
    }
    assert_eq!(reader.position(), 200_400);
    for position in [begin, 195_000, 200_499] {
        assert_eq!(reader.try_seek(SeekFrom::Start(position)), Ok(position));
        read(&mut reader, (len - position) as usize);
    }
}

#[test]
fn the_writer_waits_for_strong_readers_by_bytes() {
    let (spool, mut writer) = bounded(1000, 300);
    let mut reader = spool.reader().unwrap();
    let bytes = bytes_from(0, 5000);
    assert_eq!(writer.try_write(&bytes), Ok(1000));
    assert_eq!(writer.try_write(&bytes), Err(WriteError::Full { bytes: 1000 }));
    let error = writer.fill(|_| panic!("there is no room")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    read(&mut reader, 7);
    write(&mut writer, 7);
    assert_eq!(writer.try_write(&bytes), Err(WriteError::Full { bytes: 1000 }));
    reader.make_weak();
    write(&mut writer, 200_000);
}

#[test]
fn every_strong_reader_gets_every_byte_while_the_file_is_let_go_of() {
    const LENGTH: u64 = 3 << 20;
    let (spool, mut writer) = bounded(20_000, 5000);
    let readers: Vec<_> = (0..3).map(|_| spool.reader().unwrap()).collect();
    let threads: Vec<_> = readers
        .into_iter()
        .zip([100, 5000, 30_000])
        .map(|(reader, length)| {
            thread::spawn(move || {
                let (mut position, mut buffer) = (0, vec![0; length]);
                let mut reader = reader.blocking();
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => return position,
                        read => {
                            assert!(buffer[..read] == bytes_from(position, read), "at {position}");
                            position += read as u64;
                        }
                    }
                }
            })
        })
        .collect();
    within(LIMIT, move || {
        let mut numbers = Numbers::new(1);
        while writer.written() < LENGTH {
            let length = (1 + numbers.below(30_000) as u64).min(LENGTH - writer.written());
            writer.write_all(&bytes_from(writer.written(), length as usize)).unwrap();
        }
        assert_eq!(writer.finish(), Ok(LENGTH));
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), LENGTH));
    });
}

#[test]
fn weak_readers_that_race_with_the_holes_read_bytes_of_the_stream_or_are_told() {
    const LENGTH: u64 = 24 << 20;
    let (spool, mut writer) = bounded(4096, 4096);
    let (spool, ends) = (&spool, &AtomicBool::new(false));
    thread::scope(|scope| {
        for length in [4000, 200_000] {
            scope.spawn(move || {
                let mut reader = spool.weak_reader().unwrap();
                let mut buffer = vec![0; length];
                while !ends.load(Ordering::Relaxed) {
                    let position = reader.position();
                    match reader.try_read(&mut buffer) {
                        Ok(read) => {
                            assert!(buffer[..read] == bytes_from(position, read), "at {position}")
                        }
                        Err(ReadError::Lagged { missed }) => {
                            assert!(missed > 0 && reader.position() == position + missed);
                        }
                        Err(error) => assert_eq!(error, ReadError::Empty),
                    }
                    // Where the next holes will be.
                    let begin = spool.stats().evicted;
                    match reader.try_read_at(&mut buffer, begin) {
                        Ok(read) => {
                            assert!(buffer[..read] == bytes_from(begin, read), "at {begin}")
                        }
                        Err(ReadError::Evicted { position, begin: first, .. }) => {
                            assert!(position == begin && first > begin);
                        }
                        Err(error) => assert_eq!(error, ReadError::Empty),
                    }
                }
            });
        }
        let bytes = bytes_from(0, 1 << 24);
        while writer.written() < LENGTH {
            let at = (writer.written() % (1 << 24)) as usize;
            let wrote = writer.try_write(&bytes[at..bytes.len().min(at + 150_000)]);
            assert!(wrote.unwrap() > 0);
        }
        ends.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_next_writer_goes_on_with_what_the_last_one_has_kept() {
    let (spool, mut writer) = bounded(10_000, 1000);
    for _ in 0..50 {
        write(&mut writer, 12_345);
        writer.release();
        writer = spool.writer().unwrap();
        let stats = spool.stats();
        assert!(stats.file_bytes <= 11_000 + PIECE, "{stats:?}");
        read(&mut spool.weak_reader().unwrap(), (stats.len - stats.evicted) as usize);
    }
}

#[test]
fn a_promise_and_the_end_hold_where_the_last_bytes_are_kept_in_a_file() {
    let builder = segments_of(10).retain(Retain::Last(100)).known_len(250);
    let spool = builder.temp_file().unwrap();
    let mut writer = spool.writer().unwrap();
    assert_eq!(writer.try_write(&bytes_from(0, 1000)), Ok(250));
    assert_eq!(writer.try_write(b"x"), Err(WriteError::BeyondKnownLen { known_len: 250 }));
    assert!(spool.is_finished());
    let mut reader = spool.weak_reader().unwrap();
    read(&mut reader, (250 - spool.stats().evicted) as usize);
    assert_eq!(reader.try_read(&mut [0; 10]), Ok(0));
    #[cfg(feature = "futures")]
    {
        let evicted = spool.stats().evicted;
        let error = spool.freeze().unwrap_err();
        assert_eq!(error, overfall::spool::FreezeError::Evicted { evicted });
    }
}

#[test]
fn settings_that_do_not_fit_are_refused_before_there_is_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream");
    let last = || Spool::builder().retain(Retain::Last(1 << 20));
    let refused = FileError::Build(BuildError::RetainsNothing);
    assert_eq!(Spool::builder().retain(Retain::Last(0)).create(&path).unwrap_err(), refused);
    assert!(!path.exists(), "nothing was made");
    for bytes in [0, 100, u64::MAX] {
        let error = last().spill_at(bytes).build().unwrap_err();
        assert_eq!(error, BuildError::RetainInBoth);
        assert!(error.to_string().contains("`temp_file`"), "{error}");
    }
    let nothing = Spool::builder().retain(Retain::Last(0)).temp_file().unwrap_err();
    assert_eq!(nothing, FileError::Build(BuildError::RetainsNothing));
}
