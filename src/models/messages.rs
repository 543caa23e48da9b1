//! Messages, on the endpoints themselves.

use super::watch::shared;
use super::*;
use crate::channel::reader::message::Header;
use crate::channel::reader::{Receive, poll_attempt};
use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::terms::StartAt;
use crate::channel::writer::HasCore;
use crate::channel::writer::StrongWriter;
use crate::error::TryReadError;
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;

/// What fills the message of a writer with this sequence number.
fn fill_of(sequence: u64) -> Fill {
    sequence as Fill + 1
}

fn send(writer: &mut StrongWriter, sequence: u64) {
    writer.try_send(&[fill_of(sequence); GRANULE as usize]).unwrap();
}

/// Checks that a message is the one that its header tells of.
fn check(header: &Header, bytes: &[u8]) {
    assert_eq!(bytes.len(), header.len as usize);
    assert!(bytes.iter().all(|&byte| byte == fill_of(header.sequence)), "torn: {bytes:?}");
}

/// A weak reader that receives messages in one way or another, while a writer overruns it.
fn overrun(take: fn(&mut WeakReader) -> Result<Option<(Header, Vec<u8>)>, TryReadError>) {
    let shared = shared(2);
    let mut reader = WeakReader::new(&shared, StartAt::Oldest);
    let mut writer = StrongWriter::new(&shared);
    (0..2).for_each(|sequence| send(&mut writer, sequence));
    let thread = thread::spawn(move || (2..4).for_each(|sequence| send(&mut writer, sequence)));
    let (mut received, mut told, mut gaps) = (0, 0, 0);
    let mut read = |reader: &mut WeakReader| match take(reader) {
        Ok(Some((header, bytes))) => {
            check(&header, &bytes);
            told += header.missed.messages;
            assert_eq!(received + told, header.sequence);
            assert_eq!(header.missed.bytes, header.missed.messages * GRANULE);
            received += 1;
            // The writer may be about to count what was received already.
            assert!(received + reader.missed().messages <= 4);
            true
        }
        Err(TryReadError::Lagged(_)) => {
            gaps += 1;
            true
        }
        other => {
            assert_eq!(other.err(), Some(TryReadError::Empty));
            false
        }
    };
    for _ in 0..2 {
        read(&mut reader);
    }
    thread.join().unwrap();
    while read(&mut reader) {}
    assert_eq!(received + reader.missed().messages, 4);
    assert!(gaps <= 2);
}

/// Guards the check behind the copy of a message and of its description: without it, a message that
/// is overwritten meanwhile passes for a whole one. And what was received and what was missed add
/// up.
#[test]
fn a_message_is_whole_or_missed_while_a_writer_overruns_the_reader() {
    model(1, || {
        overrun(|reader| {
            let mut bytes = Vec::new();
            Ok(reader.take_into(&mut bytes)?.map(|header| (header, bytes)))
        });
    });
}

/// Guards the same check where the message goes into the buffer of the reader.
#[test]
fn a_message_that_is_right_there_is_whole_or_missed() {
    // With two preemptions it takes more than ten minutes.
    model(1, || {
        overrun(|reader| {
            if !reader.take()? {
                return Ok(None);
            }
            let message = reader.message();
            Ok(Some((message.header(), message.to_vec())))
        });
    });
}

/// Guards the check of the quick way, on which the next message of a writer comes.
#[test]
fn the_next_message_of_a_writer_is_whole_or_missed() {
    model(PREEMPTIONS, || {
        let shared = shared(1);
        let mut reader = WeakReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        send(&mut writer, 0);
        assert_eq!(reader.take(), Ok(true));
        send(&mut writer, 1);
        let thread = thread::spawn(move || {
            if reader.take().is_ok() {
                let message = reader.message();
                check(&message.header(), &message);
            }
        });
        send(&mut writer, 2);
        thread.join().unwrap();
    });
}

/// Guards the wake-up of an abort: a reader that waits at a slice that is given up gets the message
/// behind it.
#[test]
fn a_message_behind_an_aborted_one_is_received() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        let mut other = StrongWriter::new(&shared);
        let _in_flight = other.writer_core().try_reserve(GRANULE as usize).unwrap();
        let aborting = thread::spawn(move || {
            other.writer_core().abort();
            other
        });
        send(&mut writer, 0);
        let taken =
            block_on(poll_fn(|context| poll_attempt(&mut reader, context, StrongReader::take)));
        assert_eq!(taken, Ok(true));
        let message = reader.message();
        check(&message.header(), &message);
        drop(message);
        drop(aborting.join().unwrap());
    });
}

/// Guards the order in which the messages of a batch are committed: the first one last. The other
/// way round, a reader sees a part of it.
#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut strong = StrongReader::new(&shared, StartAt::Oldest);
        let mut weak = WeakReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        let thread = thread::spawn(move || {
            writer.try_send_many(&[&[1; GRANULE as usize], &[2; GRANULE as usize]]).unwrap();
        });
        match strong.take_many(4) {
            Ok(taken) => assert!(taken && strong.messages().len() == 2),
            Err(error) => assert_eq!(error, TryReadError::Empty),
        }
        match weak.take_many(4) {
            Ok(taken) => {
                assert!(taken);
                let messages = weak.messages();
                assert_eq!(messages.len(), 2);
                messages.iter().for_each(|message| check(&message.header(), &message));
            }
            Err(error) => assert_eq!(error, TryReadError::Empty),
        }
        thread.join().unwrap();
    });
}

/// Guards the hold of a message that is lent. The hold stays behind the reader's place until the
/// message is given back. If it moved along with the place, a writer would write over what is lent.
#[test]
fn a_lent_message_is_not_written_over() {
    model(PREEMPTIONS, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        send(&mut writer, 0);
        let thread = thread::spawn(move || {
            let message = [fill_of(1); GRANULE as usize];
            writer.try_send(&message).is_ok()
        });
        assert_eq!(reader.take(), Ok(true));
        let message = reader.message();
        check(&message.header(), &message);
        drop(message);
        let was_sent = thread.join().unwrap();
        assert_eq!(reader.take().is_ok(), was_sent);
    });
}
