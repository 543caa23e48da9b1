//! One message or several, sent by a thread in every way there is.

use super::posts::{Count, Sender};
use overfall::error::{ReserveError, TrySendError, TryWriteError};
use overfall::{Blocking, Sent, Slice, Writer};
use overfall_tests::Numbers;
use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

/// Fills a slice in pieces.
pub(crate) fn fill(slice: &mut Slice<'_>, message: &[u8], numbers: &mut Numbers) {
    let (first, rest) = message.split_at(numbers.below(message.len() + 1));
    assert_eq!(slice.write(first), first.len());
    if numbers.below(4) == 0 {
        thread::yield_now();
    }
    slice.write_all(rest).unwrap();
}

/// A slice, unless writers do not wait and there is no room.
fn reserve<'a>(writer: &'a mut Blocking<Writer>, length: usize) -> Option<Slice<'a>> {
    match writer.reserve(length) {
        Ok(slice) => Some(slice),
        Err(ReserveError::Full) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Whether it was sent, or there was no time for it.
fn in_time(sent: Result<Sent, TrySendError>) -> bool {
    sent.map_err(|error| assert_eq!(error, TrySendError::Full)).is_ok()
}

/// Whether it was sent, or there was no room for it.
fn if_room(sent: Result<(), TrySendError>) -> bool {
    sent.map_err(|error| assert_eq!(error, TrySendError::Full)).is_ok()
}

/// A write that is longer than a slice can be, or, if it is given up, the beginning of one.
fn write_long(writer: &mut Blocking<Writer>, sender: &mut Sender, is_given_up: bool) {
    let longest = writer.get_ref().max_slice();
    let more = sender.numbers.below(2 * longest);
    let message = sender.long(longest + 1 + more);
    let mut left = &message[..];
    while !left.is_empty() {
        let written = match sender.numbers.below(4) {
            0 => match writer.get_mut().try_write(left) {
                Ok(written) => written,
                Err(TryWriteError::Full) => {
                    thread::yield_now();
                    continue;
                }
                // Nobody waits: it is dropped whole.
                Err(TryWriteError::TooLong { .. }) => writer.write(left).unwrap(),
                Err(error) => panic!("{error}"),
            },
            1 => match writer.write_timeout(left, Duration::from_micros(100)) {
                Ok(written) => written,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut);
                    continue;
                }
            },
            _ => writer.write(left).unwrap(),
        };
        sender.count(written);
        left = &left[written..];
        if is_given_up {
            // What is sent next is no piece of it.
            sender.abandoned = sender.abandoned.plus(Count::new(1, written as u64));
            let message = sender.next();
            if message.is_empty() || sender.numbers.below(2) == 0 {
                writer.send(&message).unwrap();
            } else {
                writer.write_all(&message).unwrap();
            }
            sender.count(message.len());
            return;
        }
    }
    sender.long += 1;
}

/// Several messages at once, or an attempt at them.
fn send_batch(writer: &mut Blocking<Writer>, sender: &mut Sender) {
    let batch = sender.batch(writer.get_ref().max_slice());
    let messages: Vec<&[u8]> = batch.iter().map(|message| &message[..]).collect();
    let micros = Duration::from_micros(sender.numbers.below(300) as u64);
    let sent = match sender.numbers.below(4) {
        0 => if_room(writer.get_mut().try_send_many(&messages)),
        1 => in_time(writer.send_many_deadline(&messages, Instant::now() + micros)),
        _ => writer.send_many(&messages).is_ok(),
    };
    if sent {
        batch.iter().for_each(|message| sender.count(message.len()));
    }
}

/// One message or several, or an attempt at them.
pub(crate) fn send_once(writer: &mut Blocking<Writer>, sender: &mut Sender) {
    let message = sender.next();
    let length = message.len();
    let micros = Duration::from_micros(sender.numbers.below(300) as u64);
    let is_sent = match sender.numbers.below(20) {
        0 | 1 => if_room(writer.get_mut().try_send(&message)),
        2 => in_time(writer.send_timeout(&message, micros)),
        3 => in_time(writer.send_deadline(&message, Instant::now() + micros)),
        4 | 5 => {
            // More than is needed.
            let spare = sender.numbers.below(200).min(writer.get_ref().max_slice() - length);
            reserve(writer, length + spare).is_some_and(|mut slice| {
                fill(&mut slice, &message, &mut sender.numbers);
                slice.commit();
                true
            })
        }
        6 => {
            if let Some(mut slice) = reserve(writer, length) {
                fill(&mut slice, &message, &mut sender.numbers);
                slice.abort();
            }
            false
        }
        7 => {
            // The next operation gives it up.
            std::mem::forget(reserve(writer, length));
            false
        }
        8 => {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _slice = reserve(writer, length);
                resume_unwind(Box::new(()));
            }));
            assert!(unwound.is_err());
            false
        }
        9..13 => {
            send_batch(writer, sender);
            false
        }
        13 if length > 0 => writer.write(&message).unwrap() == length,
        14 => {
            let is_given_up = sender.numbers.below(3) == 0;
            write_long(writer, sender, is_given_up);
            false
        }
        _ => {
            writer.send(&message).unwrap();
            true
        }
    };
    if is_sent {
        sender.count(length);
    }
}
