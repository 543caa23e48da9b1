//! Slices that are filled from descriptors.

use overfall::Channel;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 % 251) as u8).collect()
}

#[test]
fn a_slice_is_filled_from_a_descriptor_wherever_it_lies_in_the_ring() {
    let (from, mut to) = UnixStream::pair().unwrap();
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    for length in (1..=200).chain([255, 256]) {
        let sent = bytes(length);
        to.write_all(&sent).unwrap();
        let mut slice = writer.try_reserve(length).unwrap();
        let mut read = 0;
        while read < length {
            read += slice.read_from(&from).unwrap();
        }
        assert_eq!((slice.written(), slice.remaining()), (length, 0));
        slice.commit();
        assert_eq!(*strong.try_recv().unwrap().unwrap(), *sent);
        assert_eq!(*weak.try_recv().unwrap().unwrap(), *sent);
    }
}

#[test]
fn pieces_from_a_descriptor_and_from_memory_lie_behind_each_other() {
    let (from, mut to) = UnixStream::pair().unwrap();
    let channel = Channel::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let mut slice = writer.try_reserve(100).unwrap();
    slice.write_all(b"one ").unwrap();
    to.write_all(b"two ").unwrap();
    assert_eq!(slice.read_from(&from).unwrap(), 4);
    slice.write_all(b"three ").unwrap();
    to.write_all(b"four").unwrap();
    assert_eq!(slice.read_from(&from).unwrap(), 4);
    slice.commit();
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"one two three four");
}

#[test]
fn one_read_takes_all_that_is_there() {
    let (from, mut to) = UnixStream::pair().unwrap();
    let channel = Channel::new(256 << 10);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let sent = bytes(60_000);
    to.write_all(&sent).unwrap();
    let mut slice = writer.try_reserve(60_000).unwrap();
    assert_eq!(slice.read_from(&from).unwrap(), 60_000);
    slice.commit();
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *sent);
}

#[test]
fn no_more_is_read_than_was_reserved_and_the_rest_stays_there() {
    let (mut from, mut to) = UnixStream::pair().unwrap();
    let channel = Channel::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    to.write_all(b"0123456789").unwrap();
    let mut slice = writer.try_reserve(4).unwrap();
    assert_eq!(slice.read_from(from.as_fd()).unwrap(), 4);
    assert_eq!(slice.read_from(from.as_fd()).unwrap(), 0, "no room is left");
    slice.commit();
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"0123");
    let mut rest = [0; 6];
    from.read_exact(&mut rest).unwrap();
    assert_eq!(rest, *b"456789");
}

#[test]
fn a_read_that_fails_or_is_at_the_end_appends_nothing() {
    let (from, to) = UnixStream::pair().unwrap();
    from.set_nonblocking(true).unwrap();
    let channel = Channel::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let mut slice = writer.try_reserve(100).unwrap();
    slice.write_all(b"before").unwrap();
    assert_eq!(slice.read_from(&from).unwrap_err().kind(), ErrorKind::WouldBlock);
    let directory = File::open("/").unwrap();
    assert!(slice.read_from(&directory).is_err());
    drop(to);
    assert_eq!(slice.read_from(&from).unwrap(), 0);
    slice.commit();
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"before");
}

#[test]
fn readers_get_what_the_system_wrote_while_the_ring_goes_round() {
    const LENGTH: usize = 4 << 20;
    let (from, mut to) = UnixStream::pair().unwrap();
    let channel = Channel::new(4096);
    let mut writer = channel.new_writer();
    let (strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    let sent = bytes(LENGTH);
    let expected = sent.clone();
    let sending = thread::spawn(move || to.write_all(&sent));
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        strong.blocking().read_to_end(&mut all).map(|_| all)
    });
    let looking = thread::spawn(move || {
        weak.set_silent(true);
        let mut weak = weak.blocking();
        let mut whole = 0;
        while let Some(message) = weak.recv().unwrap() {
            let is_next = |pair: &[u8]| (usize::from(pair[0]) + 31) % 251 == usize::from(pair[1]);
            assert!(message.windows(2).all(is_next), "torn");
            whole += 1;
        }
        whole
    });
    drop(channel);
    futures::executor::block_on(async {
        loop {
            let mut slice = writer.reserve(1000).await.unwrap();
            if slice.read_from(&from).unwrap() == 0 {
                break;
            }
            slice.commit();
        }
    });
    drop(writer);
    sending.join().unwrap().unwrap();
    assert!(reading.join().unwrap().unwrap() == expected);
    looking.join().unwrap();
}
