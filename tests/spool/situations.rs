//! Situations from public reports.

use crate::{bytes_from, drain, segments_of, stream};
use overfall::pump::Pump;
use overfall::spool::{Builder, Missing, ReadError, Retain, Spool};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::thread;
use std::time::{Duration, Instant};

/// The bytes of this process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn a_length_that_the_other_side_made_up_costs_address_space_at_most() {
    let before = resident();
    for hint in [31 << 30, 1 << 45, 1 << 60, u64::MAX] {
        let (_spool, mut writer, mut reader) = stream(Spool::builder().expected_len(hint));
        writer.write_all(&bytes_from(0, 1000)).unwrap();
        writer.finish().unwrap();
        assert_eq!(drain(&mut reader), (bytes_from(0, 1000), None));
        // Tests beside this one take some as well.
        assert!(resident() < before + (1 << 30), "{hint}");
    }
    let spool = Spool::builder().known_len((1 << 61) - 1).build().unwrap();
    spool.writer().unwrap().write_all(b"little of much").unwrap();
}

#[test]
fn a_player_that_has_all_bytes_does_not_wait_for_the_connection_to_close() {
    let (spool, mut writer, reader) = stream(Spool::builder().known_len(1000));
    writer.write_all(&bytes_from(0, 1000)).unwrap();
    let all = within(LIMIT, || {
        let mut all = Vec::new();
        reader.blocking().read_to_end(&mut all).map(|_| all)
    });
    assert_eq!(all.unwrap(), bytes_from(0, 1000));
    drop(writer);
    assert_eq!(drain(&mut spool.reader().unwrap()), (bytes_from(0, 1000), None));
}

#[test]
fn a_decoder_that_probes_head_and_tail_gets_an_answer_at_once() {
    let (_spool, mut writer, reader) = stream(Spool::builder().known_len(100_000));
    writer.write_all(&bytes_from(0, 1000)).unwrap();
    let start = Instant::now();
    assert_eq!((reader.len(), reader.known_len()), (1000, Some(100_000)));
    for missing in [Missing::WouldBlock, Missing::End] {
        let mut view = reader.clone().without_waiting(missing);
        let mut head = [0; 128];
        view.read_exact(&mut head).unwrap();
        view.seek(SeekFrom::End(-128)).unwrap();
        let tail = view.read(&mut head).map_err(|error| error.kind());
        match missing {
            Missing::WouldBlock => assert_eq!(tail, Err(ErrorKind::WouldBlock)),
            Missing::End => assert_eq!(tail, Ok(128)),
        }
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_transfer_that_broke_is_taken_up_and_every_reader_gets_each_byte_once() {
    within(LIMIT, || {
        let spool = Spool::builder().release_dropped_writers(true).build().unwrap();
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let mut reader = spool.reader().unwrap().blocking();
                thread::spawn(move || {
                    let mut all = Vec::new();
                    reader.read_to_end(&mut all).map(|_| all)
                })
            })
            .collect();
        let mut writer = spool.writer().unwrap();
        let breaking = thread::spawn(move || -> std::io::Result<()> {
            writer.write_all(&bytes_from(0, 401_408))?;
            Err(ErrorKind::ConnectionReset.into())
        });
        assert!(breaking.join().unwrap().is_err());
        let mut writer = spool.writer().unwrap();
        let rest = 1_000_000 - writer.written();
        writer.write_all(&bytes_from(writer.written(), rest as usize)).unwrap();
        writer.finish().unwrap();
        for reader in readers {
            assert_eq!(reader.join().unwrap().unwrap(), bytes_from(0, 1_000_000));
        }
    });
}

#[test]
fn the_last_bytes_of_a_stream_that_has_fewer_are_told_and_begin_at_the_oldest() {
    let (_spool, mut writer, mut reader) = stream(segments_of(1000));
    writer.write_all(&bytes_from(0, 8193)).unwrap();
    writer.finish().unwrap();
    for back in [0, 8192, 8193] {
        assert_eq!(reader.try_seek(SeekFrom::End(-back)), Ok(8193 - back as u64));
        assert_eq!(drain(&mut reader), (bytes_from(8193 - back as u64, back as usize), None));
    }
    for back in [8194, i64::MAX] {
        assert!(reader.try_seek(SeekFrom::End(-back)).is_err(), "a seek moves nothing then");
        assert_eq!(reader.position(), 8193);
    }
}

#[test]
fn a_stream_that_ends_with_a_segment_takes_not_one_byte_more() {
    for length in [4095, 4096, 4097, 4 * 4096 - 1, 4 * 4096, 4 * 4096 + 1] {
        for builder in [segments_of(4096), segments_of(4096).expected_len(length)] {
            let (spool, mut writer, mut early) = stream(builder);
            let mut at_end = spool.reader().unwrap();
            at_end.advance(length);
            let mut buffer = [0];
            let waiting = Task::parked(at_end.read(&mut buffer));
            writer.write_all(&bytes_from(0, length as usize)).unwrap();
            assert_eq!(drain(&mut early), (bytes_from(0, length as usize), Some(ReadError::Empty)));
            let taken = spool.stats();
            writer.finish().unwrap();
            assert_eq!(waiting.wakes(), 1);
            assert_eq!(waiting.result(), Ok(0));
            let mut late = spool.reader().unwrap();
            assert_eq!(drain(&mut late), (bytes_from(0, length as usize), None));
            let stats = spool.stats();
            assert_eq!((stats.segments, stats.memory_bytes), (taken.segments, taken.memory_bytes));
            assert!(stats.memory_bytes < length + 4096);
        }
    }
}

/// The same, where who writes learns only then that there is nothing more: a source that is read, and one
/// that is pulled.
#[test]
fn a_source_that_ends_with_a_segment_takes_not_one_byte_more() {
    for length in [0, 4095, 4096, 4097, 4 * 4096] {
        for expected in [None, Some(length), Some(5 * length)] {
            let bounded = segments_of(4096).retain(Retain::Last(1 << 20));
            for (builder, may_expect) in [(segments_of(4096), true), (bounded, false)] {
                let expect = |builder: Builder| match expected {
                    None => builder,
                    Some(expected) => builder.expected_len(expected),
                };
                let bytes = bytes_from(0, length as usize);
                let by_pump = expect(builder.clone()).build().unwrap();
                let pump = Pump::new(Cursor::new(bytes.clone()), by_pump.writer().unwrap());
                // The pump is there for as long as nobody joins it, and its writer with it.
                let (_pump, result) = within(LIMIT, || pump.spawn().unwrap().join().unwrap());
                result.unwrap();
                let by_pull = expect(builder.clone()).build().unwrap();
                by_pull.pull(Cursor::new(bytes.clone())).unwrap();
                assert_eq!(by_pull.load_all_timeout(LIMIT), Some(Ok(length)));
                overfall_tests::until("the thread that pulls has ended", || {
                    !by_pull.stats().has_writer
                });
                let by_fill = expect(builder).build().unwrap();
                let (mut writer, mut source) = (by_fill.writer().unwrap(), &bytes[..]);
                while writer.fill(|rest| source.read(rest)).unwrap() > 0 {}
                writer.finish().unwrap();
                for spool in [by_pump, by_pull, by_fill] {
                    let read = drain(&mut spool.reader().unwrap());
                    assert_eq!(read, (bytes.clone(), None));
                    let first = expected.filter(|&first| first > 0 && may_expect);
                    let (segments, bytes) = match first {
                        Some(first) => (1, first),
                        None => (length.div_ceil(4096), length.next_multiple_of(4096)),
                    };
                    let stats = spool.stats();
                    assert_eq!((stats.segments, stats.memory_bytes), (segments, bytes), "{length}");
                }
            }
        }
    }
}

#[test]
fn a_producer_that_only_stops_is_told_from_a_slow_one_and_failed_from_outside() {
    within(LIMIT, || {
        let (spool, mut writer, _reader) = stream(segments_of(64));
        writer.write_all(b"then nothing").unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let readers: Vec<_> = (0..40)
            .map(|_| {
                let mut reader = spool.reader().unwrap().blocking();
                let tell = tell.clone();
                thread::spawn(move || {
                    let mut all = Vec::new();
                    let timeout = Duration::from_millis(1);
                    let mut buffer = [0; 12];
                    reader.read_exact(&mut buffer).unwrap();
                    let timed_out = reader.read_timeout(&mut [0], timeout).unwrap_err();
                    assert_eq!(timed_out.kind(), ErrorKind::TimedOut);
                    tell.send(()).unwrap();
                    reader.read_to_end(&mut all).unwrap_err().to_string()
                })
            })
            .collect();
        overfall_tests::until("nothing comes for a while", || {
            spool.stats().unchanged_for() > Duration::from_millis(10)
        });
        assert_eq!(told.iter().take(40).count(), 40);
        spool.fail("nothing came for 10 ms").unwrap();
        for reader in readers {
            let told = reader.join().unwrap();
            assert_eq!(told, "the stream failed: nothing came for 10 ms");
        }
        assert!(writer.write_all(b"too late").is_err());
        assert!(block_on(spool.finished()).is_err());
    });
}

#[test]
fn a_decoder_that_is_told_to_come_again_begins_its_page_again() {
    let (_spool, mut writer, reader) = stream(segments_of(5));
    let mut view = reader.without_waiting(Missing::WouldBlock);
    let mut pages = Vec::new();
    for position in 0..1000 {
        writer.write_all(&bytes_from(position, 1)).unwrap();
        let page_start = view.stream_position().unwrap();
        let mut page = [0; 27];
        match view.read_exact(&mut page) {
            Ok(()) => pages.extend(page),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                view.seek(SeekFrom::Start(page_start)).unwrap();
            }
        }
    }
    assert_eq!(pages, bytes_from(0, 999));
}
