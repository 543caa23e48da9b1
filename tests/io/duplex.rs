//! Two ends, each of which reads what the other writes, with threads that park.

use overfall::error::{TryReadError, TryWriteError};
use overfall::{Blocking, Duplex, duplex};
use overfall_tests::{LIMIT, within};
use std::io::{BufRead, ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

fn blocking_duplex(size: usize) -> (Blocking<Duplex>, Blocking<Duplex>) {
    let (one, other) = duplex(size);
    (one.blocking(), other.blocking())
}

#[test]
fn each_end_reads_what_the_other_writes_and_nothing_of_its_own() {
    let (one, other) = duplex(256);
    let ((mut there, mut from_other), (mut back, mut from_one)) =
        (one.into_split(), other.into_split());
    there.try_write(b"there").unwrap();
    back.try_write(b"and back").unwrap();
    let mut buffer = [0; 64];
    assert_eq!(from_one.try_read(&mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"there");
    assert_eq!(from_other.try_read(&mut buffer), Ok(8));
    assert_eq!(&buffer[..8], b"and back");
    assert_eq!(from_one.try_read(&mut buffer), Err(TryReadError::Empty));
    assert_eq!(from_other.try_read(&mut buffer), Err(TryReadError::Empty));
}

#[test]
fn a_full_direction_does_not_hold_up_the_other() {
    let (one, other) = duplex(64);
    let ((mut there, mut from_other), (mut back, mut from_one)) =
        (one.into_split(), other.into_split());
    assert_eq!(there.try_write(&[1; 64]), Ok(64));
    assert_eq!(there.try_write(&[1; 64]), Err(TryWriteError::Full));
    assert_eq!(back.try_write(&[2; 64]), Ok(64));
    let mut buffer = [0; 64];
    assert_eq!(from_other.try_read(&mut buffer), Ok(64));
    assert_eq!(buffer, [2; 64]);
    assert_eq!(from_one.try_read(&mut buffer), Ok(64));
    assert_eq!(buffer, [1; 64]);
}

#[test]
fn threads_ask_and_answer_by_the_line() {
    within(LIMIT, || {
        let (mut client, mut server) = blocking_duplex(256);
        let thread = thread::spawn(move || {
            let mut line = String::new();
            while server.read_line(&mut line).unwrap() > 0 {
                server.write_all(line.to_uppercase().as_bytes()).unwrap();
                line.clear();
            }
        });
        let mut answer = String::new();
        for number in 0..500 {
            client.write_all(format!("line {number}\n").as_bytes()).unwrap();
            answer.clear();
            client.read_line(&mut answer).unwrap();
            assert_eq!(answer, format!("LINE {number}\n"));
        }
        drop(client);
        thread.join().unwrap();
    });
}

#[test]
fn both_directions_carry_more_than_they_hold_at_the_same_time() {
    within(LIMIT, || {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let ends = duplex(512);
        let threads = [(ends.0, 0), (ends.1, 7)].map(|(end, shift)| {
            let (writer, reader) = end.into_split();
            let sent: Vec<u8> = bytes.iter().map(|byte| byte ^ shift).collect();
            let writing = thread::spawn(move || writer.blocking().write_all(&sent).unwrap());
            let reading = thread::spawn(move || {
                let mut all = Vec::new();
                reader.blocking().read_to_end(&mut all).unwrap();
                all
            });
            (writing, reading, shift)
        });
        for (writing, reading, shift) in threads {
            writing.join().unwrap();
            let all = reading.join().unwrap();
            // What comes is the other end's.
            assert!(all.iter().zip(&bytes).all(|(byte, sent)| *byte == sent ^ 7 ^ shift));
            assert_eq!(all.len(), bytes.len());
        }
    });
}

#[test]
fn a_dropped_end_ends_the_reads_of_the_other_after_what_is_there_and_fails_its_writes() {
    within(LIMIT, || {
        let (mut one, mut other) = blocking_duplex(256);
        one.write_all(b"last").unwrap();
        drop(one);
        let error = other.write_all(b"to nobody").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let mut all = String::new();
        other.read_to_string(&mut all).unwrap();
        assert_eq!(all, "last");
        assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_dropped_end_wakes_who_waits_for_room_and_who_waits_for_bytes() {
    within(LIMIT, || {
        let (one, other) = duplex(64);
        let (writer, reader) = other.into_split();
        let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
        writer.write_all(&[0; 64]).unwrap();
        let writing = thread::spawn(move || writer.write_all(b"more").unwrap_err().kind());
        let reading = thread::spawn(move || reader.read(&mut [0; 8]).unwrap());
        drop(one);
        assert_eq!(writing.join().unwrap(), ErrorKind::BrokenPipe);
        assert_eq!(reading.join().unwrap(), 0);
    });
}

#[test]
fn a_writer_that_was_split_off_ends_its_direction_alone() {
    let (one, other) = duplex(256);
    let ((there, mut from_other), (mut back, mut from_one)) =
        (one.into_split(), other.into_split());
    drop(there);
    assert_eq!(from_one.try_read(&mut [0; 8]), Ok(0));
    back.try_write(b"still").unwrap();
    assert_eq!(from_other.try_read(&mut [0; 8]), Ok(5));
    drop(from_other);
    assert_eq!(back.try_write(b"gone"), Err(TryWriteError::Closed));
}

#[test]
fn a_deadline_that_passes_leaves_an_end_as_it_was() {
    within(LIMIT, || {
        let (mut one, mut other) = blocking_duplex(64);
        let kind = one.read_timeout(&mut [0; 8], Duration::ZERO).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::TimedOut);
        let kind = one.fill_buf_deadline(Instant::now()).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::TimedOut);
        assert_eq!(one.write_timeout(&[3; 64], Duration::ZERO).unwrap(), 64);
        let kind = one.write_timeout(b"more", Duration::ZERO).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::TimedOut);
        assert_eq!(other.fill_buf().unwrap(), [3; 64]);
        other.consume(64);
        assert_eq!(one.write(b"more").unwrap(), 4);
    });
}

#[test]
fn debug_shows_both_directions() {
    let (one, _other) = duplex(64);
    let text = format!("{one:?}");
    for part in ["Duplex", "writer: StrongWriter", "reader: StrongReader"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
#[should_panic(expected = "no channel of 0 bytes")]
fn an_end_of_nothing_is_refused() {
    let _never = duplex(0);
}
