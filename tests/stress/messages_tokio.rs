//! As `messages.rs`, with tasks on tokio's multi-threaded runtime, whose sends and receives are
//! cancelled at random.

use super::common::{
    tasks::{join, perhaps},
    time,
};
use super::posts::{Checker, Sender, name};
use super::sent::{Sent, send_last};
use overfall::error::{ReadError, ReserveError};
use overfall::{AfterLast, Backpressure, Channel, Reader, Writer};
use overfall_tests::Numbers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::yield_now;
use tokio::time::sleep;

/// One message or several, or an attempt at them.
async fn send_once(writer: &mut Writer, sender: &mut Sender, numbers: &mut Numbers) {
    let message = sender.next();
    let choice = numbers.below(8);
    let is_sent = match choice {
        0 => writer.try_send(&message).is_ok(),
        1 | 2 => {
            let spare = numbers.below(200).min(writer.max_slice() - message.len());
            match perhaps(writer.reserve(message.len() + spare), numbers).await {
                None | Some(Err(ReserveError::Full)) => false,
                Some(slice) => {
                    let mut slice = slice.unwrap();
                    assert_eq!(slice.write(&message), message.len());
                    if numbers.below(4) == 0 {
                        yield_now().await;
                    }
                    if choice == 1 {
                        slice.commit();
                    }
                    choice == 1
                }
            }
        }
        3 | 4 => {
            let batch = sender.batch(writer.max_slice());
            let messages: Vec<&[u8]> = batch.iter().map(|message| &message[..]).collect();
            if let Some(sent) = perhaps(writer.send_many(&messages), numbers).await {
                sent.unwrap();
                batch.iter().for_each(|message| sender.count(message.len()));
            }
            false
        }
        _ => perhaps(writer.send(&message), numbers).await.is_some_and(|sent| {
            sent.unwrap();
            true
        }),
    };
    if is_sent {
        sender.count(message.len());
    }
}

async fn send(
    mut writer: Writer,
    mut sender: Sender,
    mut numbers: Numbers,
    stop: Arc<AtomicBool>,
) -> (Writer, Sender) {
    while !stop.load(Ordering::Relaxed) {
        send_once(&mut writer, &mut sender, &mut numbers).await;
        // With tasks that never wait nobody else would come to run.
        if numbers.below(8) == 0 {
            yield_now().await;
        }
    }
    (writer, sender)
}

/// A writer that is none: slices of the channel's own.
async fn send_slices(
    channel: Arc<Channel>,
    mut sender: Sender,
    mut numbers: Numbers,
    stop: Arc<AtomicBool>,
) -> Sender {
    while !stop.load(Ordering::Relaxed) {
        let message = sender.next();
        if let Some(Ok(mut slice)) =
            perhaps(channel.reserve_slice(message.len()), &mut numbers).await
        {
            slice.write_all(&message).unwrap();
            slice.commit();
            sender.count(message.len());
        }
        yield_now().await;
    }
    sender
}

/// Writers that come, send a little and go.
async fn come_and_go(
    channel: Arc<Channel>,
    mut numbers: Numbers,
    stop: Arc<AtomicBool>,
) -> Vec<Sender> {
    let mut gone = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut writer: Writer = match numbers.below(2) {
            0 => channel.new_writer(),
            _ => channel.new_weak_writer().into(),
        };
        writer.set_name(name(writer.id()));
        let mut sender = Sender::new(writer.id(), 200, Numbers::new(u64::from(writer.id())));
        for _ in 0..numbers.below(4) {
            send_once(&mut writer, &mut sender, &mut numbers).await;
        }
        sender.check(&writer.stats());
        gone.push(sender);
        yield_now().await;
    }
    gone
}

/// One message or several. Tells whether it goes on.
async fn receive_once(
    reader: &mut Reader,
    checker: &mut Checker,
    numbers: &mut Numbers,
) -> Result<bool, ReadError> {
    match numbers.below(6) {
        0 if !checker.has_joiner() => {
            let mut buffer = b"before".to_vec();
            let received = perhaps(reader.recv_into(&mut buffer), numbers).await;
            let header = match received {
                Some(Ok(header)) => header,
                // Nothing was appended.
                not_received => {
                    assert_eq!(buffer, b"before");
                    not_received.transpose()?;
                    return Ok(true);
                }
            };
            let Some(header) = header else { return Ok(false) };
            checker.take_parts(&header, &buffer[6..]);
        }
        1 | 2 => {
            let limit = 1 + numbers.below(40);
            let received = perhaps(reader.recv_many(limit), numbers).await;
            let Some(messages) = received.transpose()? else { return Ok(true) };
            let Some(messages) = messages else { return Ok(false) };
            if numbers.below(8) == 0 {
                yield_now().await;
            }
            messages.iter().for_each(|message| checker.take(&message));
        }
        _ => {
            let received = perhaps(reader.recv(), numbers).await;
            let Some(message) = received.transpose()? else { return Ok(true) };
            let Some(message) = message else { return Ok(false) };
            if numbers.below(8) == 0 {
                // It stays as it is meanwhile.
                yield_now().await;
            }
            checker.take(&message);
        }
    }
    Ok(true)
}

async fn receive(
    mut reader: Reader,
    mut checker: Checker,
    mut numbers: Numbers,
) -> (Reader, Checker) {
    let start = reader.stats().position;
    loop {
        match receive_once(&mut reader, &mut checker, &mut numbers).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(ReadError::Lagged(lagged)) if !reader.is_strong() => checker.gap(lagged.ring_bytes),
            Err(error) => panic!("{error}"),
        }
        if !reader.is_strong() && numbers.below(50) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    checker.check(start, &reader, false);
    (reader, checker)
}

/// A channel, and everybody on it, for as long as `time`. Tells how much was sent and dropped.
async fn round(seed: u64, time: Duration) -> (u64, u64) {
    let mut numbers = Numbers::new(seed);
    let size = 4096 << numbers.below(4);
    let start = (1 << 63) - 64 * numbers.below(1000) as u64;
    let backpressure = [Backpressure::Block, Backpressure::Drop][usize::from(seed % 3 == 0)];
    let builder = Channel::builder().size(size).start_position(start);
    let builder = builder.backpressure(backpressure);
    let channel = builder.after_last_strong_reader(AfterLast::Overwrite).build().unwrap();
    let (writers, comers) = (1 + numbers.below(6), numbers.below(3));
    let (strong, weak) = (numbers.below(5), 1 + numbers.below(3));
    let stop = Arc::new(AtomicBool::new(false));
    let mut seed = || Numbers::new(numbers.below(1 << 30) as u64);
    let mut receivers = Vec::new();
    for number in 0..strong + weak {
        let reader: Reader = match number < strong {
            true => channel.new_strong_reader().into(),
            false => channel.new_weak_reader().into(),
        };
        let checker = Checker::new(true);
        let checker = if number % 2 == 0 { checker.with_joiner() } else { checker };
        receivers.push(tokio::spawn(receive(reader, checker, seed())));
    }
    let mut sending = Vec::new();
    for _ in 0..writers {
        let writer = channel.new_writer();
        writer.set_name(name(writer.id()));
        let sender = Sender::new(writer.id(), size, seed());
        sending.push(tokio::spawn(send(writer, sender, seed(), stop.clone())));
    }
    let mut coming = Vec::new();
    for _ in 0..comers {
        coming.push(tokio::spawn(come_and_go(channel.clone(), seed(), stop.clone())));
    }
    let of_channel = Sender::new(0, size, seed());
    let of_channel = tokio::spawn(send_slices(channel.clone(), of_channel, seed(), stop.clone()));

    sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut writers = Vec::new();
    for task in sending {
        writers.push(join(&channel, "writer", task).await);
    }
    let mut gone = Vec::new();
    for task in coming {
        gone.extend(join(&channel, "comer", task).await);
    }
    let of_channel = join(&channel, "channel's own writer", of_channel).await;
    send_last(&mut writers);
    let sent = Sent { writers, of_channel, gone };
    channel.drain().unwrap();
    let mut order = None;
    for task in receivers {
        let (reader, checker) = join(&channel, "reader", task).await;
        assert_eq!(reader.stats().lag, 0);
        if reader.is_strong() {
            sent.check_strong(&channel, &reader, &checker);
            assert_eq!(*order.get_or_insert(checker.order()), checker.order(), "one order for all");
        } else {
            sent.check_weak(&reader, &checker);
        }
    }
    let stats = channel.stats();
    (stats.slices, stats.dropped_slices)
}

#[test]
fn tasks_that_are_cancelled_send_and_receive_every_message_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .unwrap();
    let (began, time) = (Instant::now(), time(1));
    let (mut rounds, mut sent, mut dropped) = (0, 0, 0);
    while began.elapsed() < time {
        rounds += 1;
        let round = runtime.block_on(round(rounds, Duration::from_millis(200).min(time)));
        (sent, dropped) = (sent + round.0, dropped + round.1);
    }
    runtime.shutdown_timeout(Duration::from_secs(1));
    println!("{rounds} rounds, {sent} messages, {dropped} dropped");
}
