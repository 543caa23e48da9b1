//! Holds are taken from readers that lend, copy, wait, are cloned and turned, while writers push.

use crate::common::{join, time};
use overfall::error::{ReadError, TryReadError};
use overfall::{Channel, Message, Reader, StrongWriter};
use overfall_tests::{Numbers, block_on};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a message of a writer with this number is full of.
fn filler(writer: u32, sequence: u64) -> u8 {
    (writer as u8).wrapping_mul(31).wrapping_add(sequence as u8)
}

fn send(mut writer: StrongWriter, mut numbers: Numbers, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let message = vec![filler(writer.id(), sent); 1 + numbers.below(200)];
        block_on(writer.send(&message)).unwrap();
        sent += 1;
    }
    sent
}

/// A message is whole, and stays so while it is in hand.
fn check(message: &Message<'_>, numbers: &mut Numbers) {
    let header = message.header();
    let filler = filler(header.writer, header.sequence);
    for _ in 0..1 + numbers.below(3) {
        assert!(message.iter().all(|&byte| byte == filler), "{message:?}");
        if numbers.below(4) == 0 {
            thread::yield_now();
        }
    }
}

/// Reads once in one way or another, and counts messages; nothing at the end.
fn read(
    reader: &mut Reader,
    received: &mut u64,
    numbers: &mut Numbers,
) -> Result<Option<()>, TryReadError> {
    match numbers.below(5) {
        0 => {
            let Some(message) = block_on(reader.recv())? else { return Ok(None) };
            *received += 1;
            check(&message, numbers);
        }
        1 => {
            let Some(message) = reader.try_recv()? else { return Ok(None) };
            *received += 1;
            check(&message, numbers);
        }
        2 => {
            let Some(messages) = reader.try_recv_many(numbers.below(8))? else { return Ok(None) };
            *received += messages.len() as u64;
            for message in &messages {
                check(&message, numbers);
            }
        }
        3 => {
            let mut bytes = Vec::new();
            let Some(header) = reader.try_recv_into(&mut bytes)? else { return Ok(None) };
            *received += 1;
            let filler = filler(header.writer, header.sequence);
            assert!(bytes.iter().all(|&byte| byte == filler), "{header:?}: {bytes:?}");
        }
        _ => {
            if let Reader::Strong(reader) = reader {
                let lent = reader.try_fill_buf()?;
                let before = lent.to_vec();
                thread::yield_now();
                assert_eq!(lent, before, "what is lent has changed");
            }
        }
    }
    Ok(Some(()))
}

/// Reads to the end, and tells how often the hold was taken.
fn read_all(
    channel: &Channel,
    mut reader: Reader,
    mut numbers: Numbers,
    sent: impl Fn() -> u64,
) -> u64 {
    // Whether it is not known any more what it should have missed.
    let (mut received, mut taken, mut ended) = (0, 0, false);
    loop {
        match read(&mut reader, &mut received, &mut numbers) {
            Ok(Some(())) | Err(TryReadError::Lagged(_)) => {}
            Ok(None) => break,
            Err(TryReadError::Empty) => thread::yield_now(),
            Err(TryReadError::HoldTaken) => {
                taken += 1;
                assert_eq!(reader.try_recv().unwrap_err(), TryReadError::HoldTaken);
                assert_eq!(block_on(reader.recv()).unwrap_err(), ReadError::HoldTaken);
                if numbers.below(8) == 0 {
                    // The clone of one without a hold has none, and goes on like it.
                    reader = reader.clone();
                    received = 0;
                    ended = true;
                }
                reader = reader.into_weak().into();
            }
            Err(TryReadError::Terminated) => {
                reader = channel.new_strong_reader().into();
                (received, ended) = (0, true);
            }
            Err(error) => panic!("{error:?} is news"),
        }
        if numbers.below(4) == 0 {
            // Stuck outside for a moment.
            (0..numbers.below(20)).for_each(|_| thread::yield_now());
        }
        if numbers.below(4) == 0 {
            reader = match reader.into_strong() {
                Ok(strong) => strong.into(),
                Err(error) => error.reader,
            };
        }
    }
    if !ended {
        assert_eq!(received + reader.missed().messages, sent(), "received and missed");
    }
    taken
}

fn take(channel: &Channel, mut numbers: Numbers, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let strong: Vec<_> = channel
            .stats()
            .readers
            .iter()
            .filter(|reader| reader.strong)
            .map(|reader| reader.id)
            .collect();
        if !strong.is_empty() {
            let reader = strong[numbers.below(strong.len())];
            if numbers.below(10) == 0 {
                channel.end_reader(reader);
            } else {
                channel.take_hold(reader);
            }
        }
        (0..numbers.below(4)).for_each(|_| thread::yield_now());
    }
}

fn round(seed: u64, time: Duration) -> u64 {
    let channel = Channel::builder()
        .after_last_strong_reader(overfall::AfterLast::Overwrite)
        .size(1024)
        .membarrier(seed % 2 == 0)
        .build()
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let total = Arc::new(AtomicU64::new(0));
    let readers = [0, 1, 2].map(|number| {
        let (reader, total) = (channel.new_strong_reader().into(), total.clone());
        let (channel, numbers) = (channel.clone(), Numbers::new(seed * 16 + number));
        thread::spawn(move || read_all(&channel, reader, numbers, || total.load(Ordering::SeqCst)))
    });
    let writers = [3, 4].map(|number| {
        let (writer, stop) = (channel.new_strong_writer(), stop.clone());
        thread::spawn(move || send(writer, Numbers::new(seed * 16 + number), &stop))
    });
    let taker = {
        let (channel, stop) = (channel.clone(), stop.clone());
        thread::spawn(move || take(&channel, Numbers::new(seed * 16 + 5), &stop))
    };
    thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    let sent: u64 = writers.into_iter().map(|writer| join(&channel, "writer", writer)).sum();
    join(&channel, "taker", taker);
    // Readers look at it when they have come to the end.
    total.store(sent, Ordering::SeqCst);
    channel.drain().unwrap();
    readers.into_iter().map(|reader| join(&channel, "reader", reader)).sum()
}

#[test]
fn what_readers_have_in_hand_is_whole_while_their_holds_are_taken() {
    let (began, time) = (Instant::now(), time(2));
    let (mut rounds, mut taken) = (0, 0);
    while began.elapsed() < time {
        rounds += 1;
        taken += round(rounds, Duration::from_millis(200).min(time));
    }
    println!("{rounds} rounds, {taken} holds were taken");
    assert!(taken > 0);
}
