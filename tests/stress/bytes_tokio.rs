//! As `bytes.rs`, with tasks on tokio's multi-threaded runtime, which are cancelled at random.

use super::common::{
    any_reader, strong_if_possible,
    tasks::{join, perhaps},
    time,
};
use super::records::{Checker, LONGEST, Records};
use overfall::error::Lagged;
use overfall::{AfterLast, Channel, StrongReader, WeakReader, Writer};
use overfall_tests::Numbers;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// One record, or an attempt at one. Tells whether it was written.
async fn write_once(
    writer: &mut Writer,
    record: &[u8],
    spare: usize,
    numbers: &mut Numbers,
) -> bool {
    let length = record.len();
    let choice = numbers.below(8);
    match choice {
        0 => {
            let (first, rest) = record.split_at(numbers.below(length + 1));
            let buffers = [first, &[], rest].map(IoSlice::new);
            match perhaps(writer.write_vectored(&buffers), numbers).await {
                Some(written) => written.unwrap() == length,
                None => false,
            }
        }
        1 | 2 => {
            let spare = spare.min(numbers.below(200));
            let Some(slice) = perhaps(writer.reserve(length + spare), numbers).await else {
                return false;
            };
            let mut slice = slice.unwrap();
            let (first, rest) = record.split_at(numbers.below(length));
            slice.write_all(first).unwrap();
            if numbers.below(4) == 0 {
                yield_now().await;
            }
            slice.write_all(rest).unwrap();
            if choice == 1 {
                slice.commit()
            } else {
                slice.abort()
            }
            choice == 1
        }
        _ => match perhaps(writer.write(record), numbers).await {
            Some(written) => written.unwrap() == length,
            None => false,
        },
    }
}

async fn write(
    mut writer: Writer,
    mut records: Records,
    mut numbers: Numbers,
    stop: Arc<AtomicBool>,
) -> Records {
    while !stop.load(Ordering::Relaxed) {
        let record = records.next();
        let spare = records.longest - record.len();
        if write_once(&mut writer, &record, spare, &mut numbers).await {
            records.count(&record);
        }
    }
    writer.shutdown().await.unwrap();
    records
}

async fn write_slices(
    channel: Arc<Channel>,
    mut records: Records,
    mut numbers: Numbers,
    stop: Arc<AtomicBool>,
) -> Records {
    while !stop.load(Ordering::Relaxed) {
        let record = records.next();
        if let Some(slice) = perhaps(channel.reserve_slice(record.len()), &mut numbers).await {
            let mut slice = slice.unwrap();
            slice.write_all(&record).unwrap();
            slice.commit();
            records.count(&record);
        }
        yield_now().await;
    }
    records
}

async fn read_strong(
    mut reader: StrongReader,
    mut checker: Checker,
    mut numbers: Numbers,
) -> Checker {
    let start = reader.stats().position;
    let mut buffer = vec![0; 2 * LONGEST];
    loop {
        let most = [50, 2 * LONGEST][numbers.below(2)];
        let length = 1 + numbers.below(most);
        let read = match numbers.below(3) {
            0 => match perhaps(reader.fill_buf(), &mut numbers).await {
                Some(lent) => {
                    let lent = lent.unwrap();
                    let amount = lent.len().min(length);
                    checker.feed(&lent[..amount]);
                    reader.consume(amount);
                    amount
                }
                None => continue,
            },
            _ => match perhaps(reader.read(&mut buffer[..length]), &mut numbers).await {
                Some(read) => {
                    let read = read.unwrap();
                    checker.feed(&buffer[..read]);
                    read
                }
                None => continue,
            },
        };
        if read == 0 {
            break;
        }
    }
    checker.check_accounts(start, &reader.stats());
    checker
}

/// Takes what a read of a weak reader gave, and tells whether that was the end.
fn take(checker: &mut Checker, read: Option<io::Result<usize>>, buffer: &[u8]) -> bool {
    match read {
        None => false,
        Some(Ok(read)) => {
            checker.feed(&buffer[..read]);
            read == 0
        }
        Some(Err(error)) => {
            let lagged = error.get_ref().and_then(|error| error.downcast_ref::<Lagged>());
            assert!(lagged.expect("nothing else can go wrong").ring_bytes > 0);
            checker.gap();
            false
        }
    }
}

async fn read_weak(mut reader: WeakReader, mut checker: Checker, mut numbers: Numbers) -> Checker {
    let start = reader.stats().position;
    let mut buffer = vec![0; 2 * LONGEST];
    loop {
        if numbers.below(20) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let length = 1 + numbers.below(2 * LONGEST);
        let read = perhaps(reader.read(&mut buffer[..length]), &mut numbers).await;
        if take(&mut checker, read, &buffer) {
            break;
        }
    }
    checker.check_accounts(start, &reader.stats());
    checker
}

/// Comes, reads a little as this and as that, and goes, over and over.
async fn visit(channel: Arc<Channel>, writers: usize, mut numbers: Numbers, stop: Arc<AtomicBool>) {
    let mut buffer = vec![0; LONGEST];
    while !stop.load(Ordering::Relaxed) {
        let mut reader = any_reader(&channel, 8 * LONGEST, &mut numbers);
        let start = reader.stats().position;
        let mut checker = Checker::new(writers, true);
        for _ in 0..numbers.below(40) {
            match numbers.below(8) {
                0 => reader = reader.into_weak().into(),
                1 => reader = strong_if_possible(reader),
                _ => {
                    let length = 1 + numbers.below(LONGEST);
                    let read = reader.read(&mut buffer[..length]);
                    let read = timeout(Duration::from_millis(2), read).await.ok();
                    take(&mut checker, read, &buffer);
                }
            }
        }
        checker.check_accounts(start, &reader.stats());
        drop(reader);
        yield_now().await;
    }
}

/// A channel, and everybody on it, for as long as `time`.
async fn round(seed: u64, time: Duration) -> u64 {
    let mut numbers = Numbers::new(seed);
    let size = 4096 << numbers.below(4);
    let start = (1 << 63) - 64 * numbers.below(1000) as u64;
    let builder = Channel::builder().size(size).start_position(start);
    let channel = builder.after_last_strong_reader(AfterLast::Overwrite).build().unwrap();
    let writers = 1 + numbers.below(6);
    let (strong, weak, visitors) = (numbers.below(5), numbers.below(3), numbers.below(3));
    let stop = Arc::new(AtomicBool::new(false));
    let mut seed = || Numbers::new(numbers.below(1 << 30) as u64);
    let all = writers + 1;
    let mut strong_readers = Vec::new();
    for _ in 0..strong {
        let task = read_strong(channel.new_strong_reader(), Checker::new(all, false), seed());
        strong_readers.push(tokio::spawn(task));
    }
    let mut weak_readers = Vec::new();
    for _ in 0..weak {
        let task = read_weak(channel.new_weak_reader(), Checker::new(all, false), seed());
        weak_readers.push(tokio::spawn(task));
    }
    let mut visiting = Vec::new();
    for _ in 0..visitors {
        visiting.push(tokio::spawn(visit(channel.clone(), all, seed(), stop.clone())));
    }
    let longest = size.min(LONGEST);
    let records = |writer| Records::new(writer as u8, longest, start ^ writer as u64);
    let mut writing = Vec::new();
    for number in 0..writers {
        let writer = match seed().below(2) {
            0 => channel.new_writer(),
            _ => channel.new_weak_writer().into(),
        };
        writing.push(tokio::spawn(write(writer, records(number), seed(), stop.clone())));
    }
    let slices = write_slices(channel.clone(), records(writers), seed(), stop.clone());
    writing.push(tokio::spawn(slices));

    sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut written = Vec::new();
    for task in writing {
        written.push(join(&channel, "writer", task).await);
    }
    for task in visiting {
        join(&channel, "visitor", task).await;
    }
    channel.drain().unwrap();
    let stats = channel.stats();
    assert_eq!(stats.slices, written.iter().map(|records| records.slices).sum::<u64>());
    let payload = written.iter().map(|records| records.payload).sum::<u64>();
    assert_eq!(stats.payload_bytes, payload);
    let next: Vec<_> = written.iter().map(|records| Some(records.sequence())).collect();
    let mut order = None;
    for task in strong_readers {
        let sum = join(&channel, "strong reader", task).await.sum();
        assert_eq!((sum.1, &sum.2), (payload, &next), "every record");
        assert_eq!(*order.get_or_insert(sum.0), sum.0, "one order for all");
    }
    for task in weak_readers {
        join(&channel, "weak reader", task).await.sum();
    }
    stats.slices
}

#[test]
fn many_tasks_to_many() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .unwrap();
    let (began, time) = (Instant::now(), time(2));
    let (mut rounds, mut slices) = (0, 0);
    while began.elapsed() < time {
        rounds += 1;
        slices += runtime.block_on(round(rounds, Duration::from_millis(200).min(time)));
    }
    runtime.shutdown_timeout(Duration::from_secs(1));
    println!("{rounds} rounds, {slices} slices");
}
