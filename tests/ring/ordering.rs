//! What readers see: every slice, whole, in one order.

use overfall::{Backpressure, Channel, StartAt, error::TryReadError, pipe};
use std::io::{Read, Write};
use std::thread;

#[test]
fn bytes_come_out_as_they_went_in_across_many_laps() {
    for start in [0, (1 << 63) - 640, 1 << 46] {
        let channel = Channel::builder().size(1024).start_position(start).build().unwrap();
        let mut writer = channel.new_writer();
        let mut reader = channel.new_strong_reader();
        let mut tap = channel.new_weak_reader();
        let mut bytes = (0u8..=255).cycle();
        for length in (0..1000).map(|n| n * 7 % 300 + 1) {
            let slice: Vec<u8> = bytes.by_ref().take(length).collect();
            assert_eq!(writer.try_write(&slice), Ok(length));
            let mut buffer = [0; 300];
            assert_eq!(reader.try_read(&mut buffer), Ok(length));
            assert_eq!(buffer[..length], slice);
            assert_eq!(tap.try_read(&mut buffer), Ok(length));
            assert_eq!(buffer[..length], slice);
            assert_eq!(reader.try_read(&mut buffer), Err(TryReadError::Empty));
        }
    }
}

#[test]
fn an_empty_ring_takes_a_slice_of_its_whole_capacity_wherever_it_stands() {
    let channel = Channel::new(256);
    let mut writer = channel.new_writer();
    let mut reader = channel.new_strong_reader();
    let mut buffer = [0; 256];
    for _ in 0..10 {
        assert_eq!(writer.try_write(&[1; 65]), Ok(65));
        assert_eq!(reader.try_read(&mut buffer), Ok(65));
        assert_eq!(writer.try_write(&[2; 256]), Ok(256));
        assert_eq!(reader.try_read(&mut buffer), Ok(256));
        assert_eq!(buffer, [2; 256]);
    }
}

#[test]
fn many_writers_and_readers_see_one_order() {
    const WRITERS: u8 = 4;
    const SLICES: u32 = 5000;
    let channel = Channel::with_parameters(4096, Backpressure::Block);
    let readers: Vec<_> = (0..3).map(|_| channel.new_strong_reader().blocking()).collect();
    let writers: Vec<_> = (0..WRITERS).map(|_| channel.new_writer().blocking()).collect();
    drop(channel);
    let seen: Vec<Vec<u8>> = thread::scope(|scope| {
        for (id, mut writer) in writers.into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..SLICES {
                    let mut slice = vec![id as u8];
                    slice.extend(number.to_le_bytes());
                    writer.write_all(&slice).unwrap();
                }
            });
        }
        let readers: Vec<_> = readers
            .into_iter()
            .map(|mut reader| {
                scope.spawn(move || {
                    let mut all = Vec::new();
                    reader.read_to_end(&mut all).unwrap();
                    all
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    assert!(seen.iter().all(|all| *all == seen[0]), "one order for all readers");
    let mut next = [0; WRITERS as usize];
    for slice in seen[0].chunks(5) {
        let number = u32::from_le_bytes(slice[1..].try_into().unwrap());
        assert_eq!(number, next[slice[0] as usize]);
        next[slice[0] as usize] += 1;
    }
    assert_eq!(next, [SLICES; WRITERS as usize]);
}

#[test]
fn a_reader_starts_where_it_is_told() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    for slice in ["one", "three", "sixsix"] {
        writer.try_write(slice.as_bytes()).unwrap();
    }
    for (start, expected) in [
        (StartAt::Oldest, "onethreesixsix"),
        (StartAt::Now, ""),
        (StartAt::Back(5), ""),
        (StartAt::Back(6), "sixsix"),
        (StartAt::Back(10), "sixsix"),
        (StartAt::Back(11), "threesixsix"),
        (StartAt::Back(1000), "onethreesixsix"),
    ] {
        let mut buffer = [0; 100];
        let read = channel.new_strong_reader_at(start).try_read(&mut buffer).unwrap_or(0);
        assert_eq!(&buffer[..read], expected.as_bytes(), "strong, {start:?}");
        let read = channel.new_weak_reader_at(start).try_read(&mut buffer).unwrap_or(0);
        assert_eq!(&buffer[..read], expected.as_bytes(), "weak, {start:?}");
    }
}

#[test]
fn a_pipe_ends_when_its_writer_goes() {
    let (writer, reader) = pipe(64);
    let thread = thread::spawn(move || {
        let mut all = Vec::new();
        reader.blocking().read_to_end(&mut all).unwrap();
        all
    });
    let mut writer = writer.blocking();
    let bytes: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
    writer.write_all(&bytes).unwrap();
    drop(writer);
    assert_eq!(thread.join().unwrap(), bytes);
}
