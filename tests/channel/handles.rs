//! Handles that look on and hold nothing.

use overfall::error::{ChannelError, TryReadError, TryWriteError};
use overfall::{Channel, Reader, StartAt, Writer, pipe};
use std::io::Read;

#[test]
fn who_only_looks_on_does_not_keep_readers_waiting() {
    let channel = Channel::new(1024);
    let (mut writer, reader) = (channel.new_writer(), channel.new_strong_reader());
    let (first, second, third) = (channel.downgrade(), writer.channel(), reader.channel());
    writer.try_write(b"all").unwrap();
    drop((channel, writer));
    let mut text = String::new();
    reader.blocking().read_to_string(&mut text).unwrap();
    assert_eq!(text, "all");
    for looks_on in [first, second, third] {
        assert!(looks_on.is_closed());
    }
}

#[test]
fn it_looks_at_the_same_figures_as_the_handle_and_outlives_it() {
    let channel = Channel::builder().size(1024).name("lines").build().unwrap();
    let looks_on = channel.downgrade();
    let mut writer = channel.new_writer();
    writer.set_name("one");
    writer.try_write(b"12345").unwrap();
    assert_eq!(looks_on.stats(), channel.stats());
    assert_eq!((looks_on.capacity(), looks_on.max_slice()), (1024, 1024));
    assert_eq!(looks_on.backpressure(), channel.backpressure());
    let id = writer.id();
    drop((channel, writer));
    assert_eq!(looks_on.name(), Some("lines"));
    assert_eq!(looks_on.writer_name(id).as_deref(), Some("one"));
    assert_eq!(looks_on.stats().payload_bytes, 5);
    assert!(format!("{looks_on:?}").starts_with("WeakChannel { name: Some(\"lines\")"));
}

#[test]
fn each_endpoint_leads_to_its_channel() {
    let (writer, reader) = pipe(64);
    let channel = writer.channel();
    let (_, stranger) = pipe(64);
    let mut ways = vec![channel.clone(), reader.channel()];
    ways.push(reader.clone().into_weak().channel());
    ways.push(Reader::from(reader.clone()).channel());
    ways.push(reader.clone().blocking().channel());
    ways.push(writer.clone().into_weak().channel());
    ways.push(Writer::from(writer.clone()).channel());
    ways.push(writer.clone().blocking().channel());
    for way in &ways {
        assert!(*way == channel && *way != stranger.channel());
    }
}

#[test]
fn a_pipe_is_drained_and_terminated_through_an_endpoint() {
    let (mut writer, mut reader) = pipe(1024);
    writer.try_write(b"last").unwrap();
    reader.channel().drain().unwrap();
    assert_eq!(writer.try_write(b"late"), Err(TryWriteError::Closed));
    let mut buffer = [0; 8];
    assert_eq!(reader.try_read(&mut buffer), Ok(4));
    assert_eq!(reader.try_read(&mut buffer), Ok(0));
    writer.channel().terminate();
    assert_eq!(reader.try_read(&mut buffer), Err(TryReadError::Terminated));
    assert_eq!(reader.channel().drain(), Err(ChannelError::Terminated));
}

#[test]
fn readers_that_it_makes_are_as_those_of_the_handle() {
    let (writer, reader) = pipe(128);
    let channel = writer.channel();
    drop(reader.into_weak().into_strong().unwrap().clone());
    assert!(channel.is_closed(), "its last reader has gone");

    let (mut other, reader) = pipe(128);
    let channel = other.channel();
    let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    drop(reader);
    assert!(!channel.is_closed(), "others are left");
    other.try_write(&[1; 128]).unwrap();
    assert_eq!(other.try_write(&[2]), Err(TryWriteError::Full), "a strong one holds");
    let mut buffer = [0; 256];
    assert_eq!(strong.try_read(&mut buffer), Ok(128));
    assert_eq!(weak.try_read(&mut buffer), Ok(128));
    let mut now = channel.new_strong_reader_at(StartAt::Now);
    other.try_write(&[3]).unwrap();
    assert_eq!(now.try_read(&mut buffer), Ok(1));
}

#[test]
fn a_reader_of_a_channel_that_has_ended_reads_what_is_left_and_then_the_end() {
    for drain in [false, true] {
        let channel = Channel::new(1024);
        let mut writer = channel.new_writer();
        writer.try_write(b"what is left").unwrap();
        let looks_on = channel.downgrade();
        if drain {
            looks_on.drain().unwrap();
        }
        drop((channel, writer));
        assert!(looks_on.is_closed());
        for strong in [true, false] {
            let mut reader: Reader = match strong {
                true => looks_on.new_strong_reader().into(),
                false => looks_on.new_weak_reader().into(),
            };
            let mut buffer = [0; 64];
            assert_eq!(reader.try_read(&mut buffer), Ok(12));
            assert_eq!(reader.try_read(&mut buffer), Ok(0));
        }
    }
}

#[test]
fn waiting_for_the_end_through_it_keeps_nothing_open() {
    let (writer, reader) = pipe(64);
    let closed = reader.channel().closed();
    drop(writer);
    futures::executor::block_on(closed);
}
