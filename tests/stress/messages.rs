//! Threads that send and receive messages in every way there is, for as long as they are asked to
//! (`OVERFALL_STRESS_SECONDS`).
//!
//! Of each writer, a reader that is there from the start has in the end received or missed all that
//! was sent, to the byte: a strong one has missed what the writer dropped, and nothing where writers
//! wait. Each writer sends a last message when all others are done, so that everybody learns what it
//! missed before.

use super::common::{any_reader, join, strong_if_possible, time};
use super::posting::{fill, send_once};
use super::posts::{Checker, LONGEST, Sender, check_name, name};
use super::sent::{Sent, send_last};
use overfall::error::{TryReadError, TryReserveError};
use overfall::{AfterLast, Backpressure, Blocking, Channel, Reader, Writer};
use overfall_tests::{LIMIT, Numbers, within};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self};
use std::time::{Duration, Instant};

/// Lets others get room, who would wait for the next operation of this writer.
fn give_up_leaked(writer: &mut Blocking<Writer>) {
    let _ = writer.get_mut().try_reserve(1);
}

/// Sends until it is stopped, and hands the writer back for its last message.
fn send(writer: Writer, mut sender: Sender, stop: &AtomicBool) -> (Writer, Sender) {
    let mut writer = writer.blocking();
    while !stop.load(Ordering::Relaxed) {
        send_once(&mut writer, &mut sender);
        if sender.numbers.below(100) == 0 {
            // It stays who it is.
            let inner = writer.into_inner();
            let turned: Writer = if inner.is_strong() {
                inner.into_weak().into()
            } else {
                inner.into_strong().into()
            };
            writer = turned.blocking();
        }
    }
    give_up_leaked(&mut writer);
    (writer.into_inner(), sender)
}

/// A writer that is none: slices of the channel's own.
fn send_slices(channel: &Channel, mut sender: Sender, stop: &AtomicBool) -> Sender {
    while !stop.load(Ordering::Relaxed) {
        let message = sender.next();
        match channel.try_reserve_slice(message.len() + sender.numbers.below(2)) {
            Ok(mut slice) => {
                fill(&mut slice, &message, &mut sender.numbers);
                slice.commit();
                sender.count(message.len());
            }
            Err(error) => assert_eq!(error, TryReserveError::Full),
        }
        thread::yield_now();
    }
    sender
}

/// Writers that come, send a little and go. Tells what each of them sent.
fn come_and_go(channel: &Channel, mut numbers: Numbers, stop: &AtomicBool) -> Vec<Sender> {
    let mut gone = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut writers: Vec<_> = (0..1 + numbers.below(100))
            .map(|_| {
                let writer = channel.new_writer();
                writer.set_name(name(writer.id()));
                let seed = Numbers::new(u64::from(writer.id()));
                let sender = Sender::new(writer.id(), 200, seed);
                (writer.blocking(), sender)
            })
            .collect();
        for (writer, sender) in &mut writers {
            (0..numbers.below(4)).for_each(|_| send_once(writer, sender));
            give_up_leaked(writer);
        }
        for (writer, sender) in writers {
            sender.check(&writer.get_ref().stats());
            gone.push(sender);
        }
    }
    gone
}

/// How a reader goes about it.
struct Manner {
    channel: Arc<Channel>,
    numbers: Numbers,
    /// It sleeps now and then.
    is_slow: bool,
    is_silent: bool,
}

/// One message or several. Tells whether it goes on.
fn receive_once(
    reader: &mut Blocking<Reader>,
    checker: &mut Checker,
    manner: &mut Manner,
) -> io::Result<bool> {
    let is_strong = reader.get_ref().is_strong();
    let numbers = &mut manner.numbers;
    let micros = Duration::from_micros(numbers.below(300) as u64);
    let way = numbers.below(10);
    let message = match way {
        // A joiner has to see messages.
        0 | 1 if !checker.has_joiner() => {
            let mut buffer = b"before".to_vec();
            let header = match way {
                0 => reader.recv_into(&mut buffer)?,
                _ => reader.recv_into_deadline(&mut buffer, Instant::now() + micros)?,
            };
            let Some(header) = header else { return Ok(false) };
            assert_eq!(buffer[..6], *b"before");
            checker.take_parts(&header, &buffer[6..]);
            return Ok(true);
        }
        2..5 => {
            let limit = 1 + numbers.below(40);
            let messages = match way {
                2 => reader.recv_many_deadline(limit, Instant::now() + micros)?,
                _ => reader.recv_many(limit)?,
            };
            let Some(messages) = messages else { return Ok(false) };
            assert!((1..=limit).contains(&messages.len()));
            for message in &messages {
                checker.take(&message);
                if is_strong && numbers.below(16) == 0 {
                    check_name(&manner.channel, &message.header());
                }
            }
            if numbers.below(8) == 0 {
                // What is received next gives it back.
                std::mem::forget(messages);
            }
            return Ok(true);
        }
        5 => reader.recv_timeout(micros)?,
        6 => match reader.get_mut().try_recv() {
            Err(TryReadError::Empty) => {
                thread::yield_now();
                return Ok(true);
            }
            found => found?,
        },
        _ => reader.recv()?,
    };
    let Some(message) = message else { return Ok(false) };
    if numbers.below(8) == 0 {
        // It stays as it is meanwhile.
        thread::yield_now();
    }
    checker.take(&message);
    if is_strong && numbers.below(16) == 0 {
        check_name(&manner.channel, &message.header());
    }
    if numbers.below(16) == 0 {
        std::mem::forget(message);
    }
    Ok(true)
}

fn receive(reader: Reader, mut checker: Checker, mut manner: Manner) -> (Reader, Checker) {
    let start = reader.stats().position;
    let is_strong = reader.is_strong();
    let mut reader = reader.blocking();
    loop {
        match receive_once(&mut reader, &mut checker, &mut manner) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                assert!(!is_strong || error.kind() == ErrorKind::WouldBlock, "{error}");
                checker.excuse(&error);
            }
        }
        if manner.is_slow && manner.numbers.below(20) == 0 {
            thread::sleep(Duration::from_micros(manner.numbers.below(1000) as u64));
        }
    }
    let reader = reader.into_inner();
    checker.check(start, &reader, manner.is_silent);
    (reader, checker)
}

/// Comes, receives a little as this and as that, reads bytes in between, and goes, over and over.
fn visit(channel: &Arc<Channel>, mut numbers: Numbers, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut reader = any_reader(channel, 8 * LONGEST, &mut numbers);
        let mut checker = Checker::new(false);
        let seed = Numbers::new(numbers.below(1 << 30) as u64);
        let (channel, is_slow, is_silent) = (channel.clone(), false, false);
        let mut manner = Manner { channel, numbers: seed, is_slow, is_silent };
        for _ in 0..numbers.below(60) {
            match numbers.below(16) {
                0 => reader = reader.into_weak().into(),
                1 => reader = strong_if_possible(reader),
                2 => reader = reader.clone(),
                3 => thread::sleep(Duration::from_micros(100)),
                4 => {
                    let mut bytes = vec![0; 1 + numbers.below(LONGEST)];
                    match reader.try_read(&mut bytes) {
                        Ok(_) | Err(TryReadError::Lagged(_) | TryReadError::Empty) => {}
                        Err(error) => panic!("{error}"),
                    }
                    checker.restart();
                    if numbers.below(2) == 0 {
                        reader = strong_if_possible(reader);
                    }
                    reader.skip_rest();
                }
                _ => {
                    let mut blocking = reader.blocking();
                    if let Err(error) = receive_once(&mut blocking, &mut checker, &mut manner) {
                        checker.excuse(&error);
                    }
                    reader = blocking.into_inner();
                }
            }
        }
    }
}

/// What came of a round.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    sent: u64,
    dropped: u64,
    gone: u64,
    gaps: u64,
    missed_of_weak: u64,
}

/// A channel, and everybody on it, for as long as `time`.
fn round(seed: u64, time: Duration, backpressure: Backpressure, figures: &mut Figures) {
    let mut numbers = Numbers::new(seed);
    let size = 4096 << numbers.below(4);
    let start = (1 << 63) - 64 * numbers.below(1000) as u64;
    let builder = Channel::builder().size(size).start_position(start);
    let builder = builder.backpressure(backpressure);
    let channel = builder.after_last_strong_reader(AfterLast::Overwrite).build().unwrap();
    let (writers, comers, visitors) = (1 + numbers.below(4), numbers.below(2), numbers.below(3));
    let (strong, weak) = (numbers.below(4), 1 + numbers.below(3));
    let stop = Arc::new(AtomicBool::new(false));
    let mut seed = || Numbers::new(numbers.below(1 << 30) as u64);
    let receivers: Vec<_> = (0..strong + weak)
        .map(|number| {
            let mut numbers = seed();
            let is_silent = number >= strong && numbers.below(4) == 0;
            let mut reader = Reader::from(channel.new_weak_reader());
            if let Reader::Weak(reader) = &mut reader {
                reader.set_silent(is_silent);
            }
            if number < strong {
                reader = channel.new_strong_reader().into();
            }
            let checker = Checker::new(true);
            let checker = if number % 2 == 0 { checker.with_joiner() } else { checker };
            // Somebody slow among the weak ones, and seldom a strong one, for whom all wait.
            let is_slow = numbers.below(if number < strong { 8 } else { 2 }) == 0;
            let manner = Manner { channel: channel.clone(), numbers, is_slow, is_silent };
            thread::spawn(move || receive(reader, checker, manner))
        })
        .collect();
    let visitors: Vec<_> = (0..visitors)
        .map(|_| {
            let (channel, numbers, stop) = (channel.clone(), seed(), stop.clone());
            thread::spawn(move || visit(&channel, numbers, &stop))
        })
        .collect();
    let writers: Vec<_> = (0..writers)
        .map(|_| {
            let (writer, stop) = (channel.new_writer(), stop.clone());
            writer.set_name(name(writer.id()));
            let sender = Sender::new(writer.id(), size, seed());
            thread::spawn(move || send(writer, sender, &stop))
        })
        .collect();
    let comers: Vec<_> = (0..comers)
        .map(|_| {
            let (channel, numbers, stop) = (channel.clone(), seed(), stop.clone());
            thread::spawn(move || come_and_go(&channel, numbers, &stop))
        })
        .collect();
    let of_channel = {
        let (channel, sender, stop) = (channel.clone(), Sender::new(0, size, seed()), stop.clone());
        thread::spawn(move || send_slices(&channel, sender, &stop))
    };

    thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    let writers = writers.into_iter().map(|thread| join(&channel, "writer", thread));
    let mut sent = Sent {
        writers: writers.collect(),
        of_channel: join(&channel, "channel's own writer", of_channel),
        gone: comers.into_iter().flat_map(|thread| join(&channel, "comer", thread)).collect(),
    };
    send_last(&mut sent.writers);
    channel.drain().unwrap();
    visitors.into_iter().for_each(|thread| join(&channel, "visitor", thread));
    let mut order = None;
    for thread in receivers {
        let (reader, checker) = join(&channel, "reader", thread);
        assert_eq!(reader.stats().lag, 0);
        if !reader.is_strong() {
            sent.check_weak(&reader, &checker);
            figures.gaps += checker.gaps;
            figures.missed_of_weak += checker.missed.messages;
            continue;
        }
        sent.check_strong(&channel, &reader, &checker);
        assert_eq!(*order.get_or_insert(checker.order()), checker.order(), "one order for all");
    }
    let stats = channel.stats();
    figures.sent += stats.slices;
    figures.dropped += stats.dropped_slices;
    figures.gone += sent.gone.len() as u64;
}

fn rounds(backpressure: Backpressure) {
    let (began, time) = (Instant::now(), time(1));
    let mut figures = Figures::default();
    let mut rounds = 0;
    while began.elapsed() < time {
        rounds += 1;
        round(rounds, Duration::from_millis(200).min(time), backpressure, &mut figures);
    }
    println!("{rounds} rounds, {figures:?}");
}

#[test]
fn whatever_was_sent_was_received_or_missed_to_the_byte() {
    within(time(1) + 2 * LIMIT, || rounds(Backpressure::Block));
}

#[test]
fn strong_readers_miss_what_was_dropped_to_the_byte() {
    within(time(1) + 2 * LIMIT, || rounds(Backpressure::Drop));
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    const BATCHES: u64 = 10_000;
    const MESSAGES: u64 = 8;
    within(LIMIT, || {
        let channel = Channel::new(1 << 14);
        let readers: [Reader; 2] =
            [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
        let mut writer = channel.new_writer().blocking();
        drop(channel);
        let threads = readers.map(|mut reader| {
            thread::spawn(move || {
                // What a gap has cut off.
                let mut is_cut = false;
                loop {
                    match reader.try_recv_many(1000) {
                        Ok(None) => break,
                        Ok(Some(messages)) => {
                            assert!(!is_cut, "the rest of a batch came later");
                            let last = messages.iter().last().unwrap().header().sequence;
                            is_cut = last % MESSAGES != MESSAGES - 1;
                        }
                        Err(TryReadError::Lagged(_)) => is_cut = false,
                        Err(error) => assert_eq!((error, is_cut), (TryReadError::Empty, false)),
                    }
                }
                assert!(!is_cut);
            })
        });
        for _ in 0..BATCHES {
            writer.send_many(&[b"m"; MESSAGES as usize].map(|message| &message[..])).unwrap();
        }
        drop(writer);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
