//! Strong readers that come and go while another one reads long slices, and may hand lines back while it
//! is alone.

use super::common::{join, time};
use overfall::error::TryReadError;
use overfall::{AfterLast, Channel, Reader, StrongReader};
use overfall_tests::Numbers;
use std::io::{BufRead, Write};
use std::thread;
use std::time::{Duration, Instant};

const LONGEST: usize = 8 * 1024;

/// A slice: each of its words is its number, so that it shows if a word of another one lies in it.
fn slice_of(number: u64, words: usize) -> Vec<u8> {
    (0..words).flat_map(|_| number.to_le_bytes()).collect()
}

/// Checks that bytes begin in the middle of a slice or at its start, and that slices follow each other.
fn check(bytes: &[u8], last: &mut u64) {
    for word in bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())) {
        assert!(*last == u64::MAX || word == *last || word == *last + 1, "{word} after {last}");
        *last = word;
    }
}

/// Reads whole words in one way or another, if there are any; tells whether it is the end.
fn read(
    reader: &mut StrongReader,
    numbers: &mut Numbers,
    last: &mut u64,
) -> Result<bool, TryReadError> {
    let length = 8 * (1 + numbers.below(LONGEST / 8));
    if numbers.below(3) == 0 {
        let lent = reader.try_fill_buf()?;
        let amount = lent.len().min(length);
        check(&lent[..amount], last);
        // What is lent stays as it is.
        check(&lent[..amount], &mut u64::MAX.clone());
        reader.consume(amount);
        return Ok(amount > 0);
    }
    let mut buffer = vec![0; length];
    let read = reader.try_read(&mut buffer)?;
    check(&buffer[..read], last);
    Ok(read > 0)
}

/// Comes in one way or another, reads a little, and goes in one way or another.
fn visit(channel: &Channel, numbers: &mut Numbers, original: &mut Option<StrongReader>) {
    let reader = match (numbers.below(3), &*original) {
        (0, Some(original)) => Some(original.clone()),
        (1, _) => channel.new_weak_reader().into_strong().ok(),
        _ => Some(channel.new_strong_reader()),
    };
    let Some(mut reader) = reader else { return };
    let mut last = u64::MAX;
    for _ in 0..numbers.below(8) {
        match read(&mut reader, numbers, &mut last) {
            Ok(true) => {}
            Ok(false) => return,
            // It does not wait: the writer may wait for the original.
            Err(TryReadError::Empty) => break,
            Err(error) => panic!("{error}"),
        }
    }
    match numbers.below(4) {
        // It keeps writers back until the next visit.
        0 => *original = Some(reader),
        1 => drop(Reader::from(reader).into_weak()),
        2 => {
            *original = None;
            let _taken = channel.take_hold(reader.stats().id);
        }
        _ => *original = None,
    }
}

#[test]
fn a_reader_that_hands_lines_back_and_readers_that_come_and_go_read_what_was_written() {
    let channel = Channel::builder()
        .size(64 * 1024)
        .after_last_strong_reader(AfterLast::Overwrite)
        .hand_lines_back(true)
        .build()
        .unwrap();
    let until = Instant::now() + time(1);
    let mut writer = channel.new_strong_writer().blocking();
    let mut alone = channel.new_strong_reader().blocking();
    let end = channel.clone();
    let writing = thread::spawn(move || {
        let mut numbers = Numbers::new(1);
        let mut written = 0;
        while Instant::now() < until {
            let words = 1 + numbers.below(LONGEST / 8);
            writer.write_all(&slice_of(written, words)).unwrap();
            written += 1;
        }
        end.drain().unwrap();
        written
    });
    let coming = channel.clone();
    let visiting = thread::spawn(move || {
        let (mut numbers, mut original) = (Numbers::new(2), None);
        while Instant::now() < until {
            visit(&coming, &mut numbers, &mut original);
            if numbers.below(2) == 0 {
                // Meanwhile the other one may be alone.
                original = None;
                thread::sleep(Duration::from_micros(numbers.below(300) as u64));
            }
        }
    });
    let (mut numbers, mut last) = (Numbers::new(3), u64::MAX);
    while !alone.fill_buf().unwrap().is_empty() {
        assert!(read(alone.get_mut(), &mut numbers, &mut last).unwrap());
    }
    join(&channel, "visitor", visiting);
    let written = join(&channel, "writer", writing);
    assert_eq!(last.wrapping_add(1), written);
}
