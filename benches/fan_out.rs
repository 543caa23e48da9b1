//! What it costs that several read: 1, 2, 4, 8 strong readers, and taps (weak readers) beside one.
//!
//! The time is that of one message until everybody has it, and the bytes are those that were
//! written, however often they were read. Strong readers are threads, or tasks, of their own. Two
//! kinds of taps make for figures that can be had again:
//!
//! - `keeping_up`: the party of the strong reader reads each message from every tap first. The
//!   strong reader's hold, which is behind them, is why they miss nothing; what they cost the
//!   party is a read each.
//! - `overrun`: the same party looks at each tap every three laps of the ring, finds it overrun,
//!   always, and lets it read one message. They should cost nobody anything.
//!
//! ```sh
//! cargo bench --all-features --bench fan_out
//! ```

mod common;

use common::parties::{self, Letter, put, take};
use common::team::{Runtime, Team};
use common::{bench_team, group, is_whole, tasks};
use criterion::{BenchmarkId, Criterion};
use overfall::error::TryReadError;
use overfall::{Channel, WeakReader};
use std::hint::black_box;

const SIZES: [usize; 2] = [64, 1024];
const READERS: [usize; 4] = [1, 2, 4, 8];
/// Small, so that three laps are soon over.
const RING: usize = 64 * 1024;

fn main() {
    overfall::prepare();
    common::run(&[blocking, tokio, taps_blocking, taps_tokio]);
}

fn blocking(criterion: &mut Criterion) {
    let mut group = group(criterion, "fan_out/blocking");
    for size in SIZES {
        for count in READERS {
            let id = BenchmarkId::new(format!("{size}_bytes"), format!("{count}_readers"));
            bench_team(&mut group, id, size, || {
                let channel = Channel::new(RING);
                let mut writer = channel.new_strong_writer().blocking();
                let mut team = Team::default();
                for _ in 0..count {
                    let mut reader = channel.new_strong_reader().blocking();
                    team.thread(move |orders| {
                        parties::read(orders, size, 1, |buffer| take(&mut reader, buffer));
                    });
                }
                team.thread(move |orders| {
                    let letter = Letter::new(size, 0, 1);
                    parties::write(orders, letter, |message| put(&mut writer, message));
                });
                team
            });
        }
    }
}

fn tokio(criterion: &mut Criterion) {
    let mut group = group(criterion, "fan_out/tokio_multi_thread");
    for size in SIZES {
        for count in READERS {
            let id = BenchmarkId::new(format!("{size}_bytes"), format!("{count}_readers"));
            bench_team(&mut group, id, size, || {
                let channel = Channel::new(RING);
                let writer = tasks::write(Letter::new(size, 0, 1), channel.new_strong_writer());
                let readers = (0..count).map(|_| tasks::read(size, 1, channel.new_strong_reader()));
                let mut team = Team::default();
                team.tasks(Runtime::MultiThread, readers.chain([writer]));
                team
            });
        }
    }
}

/// How many taps, and of which kind.
#[derive(Clone, Copy)]
struct Taps {
    keeping_up: usize,
    overrun: usize,
}

const TAPS: [Taps; 5] = [
    Taps { keeping_up: 0, overrun: 0 },
    Taps { keeping_up: 1, overrun: 0 },
    Taps { keeping_up: 4, overrun: 0 },
    Taps { keeping_up: 0, overrun: 1 },
    Taps { keeping_up: 0, overrun: 4 },
];

impl Taps {
    fn id(self, size: usize) -> BenchmarkId {
        let taps = match self {
            Self { keeping_up: 0, overrun: 0 } => "no_tap".into(),
            Self { keeping_up, overrun: 0 } => format!("{keeping_up}_taps_keeping_up"),
            Self { overrun, .. } => format!("{overrun}_taps_overrun"),
        };
        BenchmarkId::new(format!("{size}_bytes"), taps)
    }
}

/// Taps that are left alone until they are overrun.
struct Overrun {
    taps: Vec<WeakReader>,
    /// Messages until they are looked at.
    left: usize,
    buffer: Vec<u8>,
}

impl Overrun {
    fn new(channel: &Channel, count: usize, size: usize) -> Self {
        let taps = (0..count).map(|_| channel.new_weak_reader()).collect();
        Self { taps, left: Self::pause(size), buffer: vec![0; size] }
    }

    fn pause(size: usize) -> usize {
        3 * RING / size.next_multiple_of(64)
    }

    fn after_message(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.left = Self::pause(self.buffer.len());
            self.look();
        }
    }

    fn look(&mut self) {
        for tap in &mut self.taps {
            let overrun = tap.try_read(&mut self.buffer);
            assert!(matches!(overrun, Err(TryReadError::Lagged(_))), "not overrun: {overrun:?}");
            match tap.try_read(&mut self.buffer) {
                Ok(read) => {
                    assert_eq!(read, self.buffer.len());
                    assert!(is_whole(black_box(&self.buffer)), "a tap has read a torn message");
                }
                // The writer is that fast.
                Err(TryReadError::Lagged(_)) => {}
                Err(error) => panic!("a read: {error}"),
            }
        }
    }
}

fn taps_blocking(criterion: &mut Criterion) {
    let mut group = group(criterion, "taps/blocking");
    for size in SIZES {
        for taps in TAPS {
            bench_team(&mut group, taps.id(size), size, || {
                let channel = Channel::new(RING);
                let mut writer = channel.new_strong_writer().blocking();
                let mut reader = channel.new_strong_reader().blocking();
                let keeping_up =
                    (0..taps.keeping_up).map(|_| channel.new_weak_reader().blocking()).collect();
                let mut overrun = Overrun::new(&channel, taps.overrun, size);
                let mut team = Team::default();
                team.thread(move |orders| {
                    parties::read_with_taps(orders, size, 1, keeping_up, |buffer| {
                        take(&mut reader, buffer);
                        overrun.after_message();
                    });
                });
                team.thread(move |orders| {
                    let letter = Letter::new(size, 0, 1);
                    parties::write(orders, letter, |message| put(&mut writer, message));
                });
                team
            });
        }
    }
}

fn taps_tokio(criterion: &mut Criterion) {
    let mut group = group(criterion, "taps/tokio_multi_thread");
    for size in SIZES {
        for taps in TAPS {
            bench_team(&mut group, taps.id(size), size, || {
                let channel = Channel::new(RING);
                let writer = tasks::write(Letter::new(size, 0, 1), channel.new_strong_writer());
                let keeping_up = (0..taps.keeping_up).map(|_| channel.new_weak_reader()).collect();
                let mut overrun = Overrun::new(&channel, taps.overrun, size);
                let reader = channel.new_strong_reader();
                let after_message = move || overrun.after_message();
                let reader = tasks::read_with_taps(size, 1, keeping_up, reader, after_message);
                let mut team = Team::default();
                team.tasks(Runtime::MultiThread, [reader, writer]);
                team
            });
        }
    }
}
