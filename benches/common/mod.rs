//! What the benches have in common: how they are run, and how they know that the bytes are right.
//!
//! A figure is worth something only if the work behind it was done. So each case is first checked:
//! every byte of several laps of the ring, with a pattern that differs from message to message. Only
//! then is it timed, and a timed reader still copies each message into a buffer of its own, passes
//! that through `black_box`, and adds up the first word of it; the sum must be right in the end.
#![allow(dead_code, reason = "no bench needs all of it")]

pub(crate) mod parties;
#[cfg(feature = "tokio")]
pub(crate) mod tasks;
pub(crate) mod team;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use std::hint::black_box;
use std::time::Duration;
use team::{Round, Team};

/// The ring of every bench that does not say otherwise: it holds four of the longest messages, and
/// it fits the second-level cache together with its descriptors, as a pipe in steady use does.
pub(crate) const RING: usize = 256 * 1024;

pub(crate) type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// The `main` of a bench: the usual command line of criterion, and about 1.5 seconds for a case.
pub(crate) fn run(benches: &[fn(&mut Criterion)]) {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .noise_threshold(0.05)
        .without_plots()
        .configure_from_args();
    benches.iter().for_each(|bench| bench(&mut criterion));
    criterion.final_summary();
}

/// A group whose samples are all of the same length. With the default, a few of them would be so
/// short that the waking of the threads at the start of a round counts.
pub(crate) fn group<'a>(criterion: &'a mut Criterion, name: &str) -> Group<'a> {
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group
}

/// How many messages of `size` bytes go around a ring three times, and a few more, so that a round
/// does not end where it began.
pub(crate) fn laps(ring: usize, size: usize) -> u64 {
    (3 * ring / size.next_multiple_of(64) + 7) as u64
}

/// Times a team; one iteration is one message of `size` bytes.
///
/// Criterion calls what it is given once a sample, and not at all for a case that the command line
/// leaves out: so the team is made, and checked, when it is first needed, and then kept.
pub(crate) fn bench_team(
    group: &mut Group<'_>,
    id: BenchmarkId,
    size: usize,
    make: impl Fn() -> Team,
) {
    let mut team = None;
    group.throughput(Throughput::Bytes(size as u64));
    group.bench_function(id, |bencher| {
        let team = team.get_or_insert_with(|| {
            let mut team = make();
            team.round(Round { messages: laps(RING, size), check: true });
            team
        });
        bencher.iter_custom(|messages| team.round(Round { messages, check: false }));
    });
}

/// Times something that one thread does with a message and then a buffer: write, and read.
pub(crate) fn bench_here<F: FnMut(&[u8], &mut [u8])>(
    group: &mut Group<'_>,
    id: BenchmarkId,
    size: usize,
    make: impl Fn() -> F,
) {
    let mut checked = None;
    group.throughput(Throughput::Bytes(size as u64));
    group.bench_function(id, |bencher| {
        let (pass_on, message, buffer) = checked.get_or_insert_with(|| {
            let (mut pass_on, mut message, mut buffer) = (make(), vec![0; size], vec![0; size]);
            let round = Round { messages: laps(RING, size), check: true };
            let mut seen = Seen::new(round, size, 1);
            for number in 0..round.messages {
                stamp(&mut message, 0, number);
                pass_on(&message, &mut buffer);
                seen.message(&buffer);
            }
            seen.finish();
            (pass_on, message, buffer)
        });
        buffer.fill(0);
        bencher.iter(|| {
            pass_on(black_box(message), buffer);
            black_box(&mut *buffer);
        });
        assert_eq!(buffer, message, "the last message came through");
    });
}

/// The first word of a message: who wrote it, and which one it is.
fn header(writer: usize, number: u64) -> u64 {
    ((writer as u64 + 1) << 48) | number
}

fn header_of(message: &[u8]) -> u64 {
    message.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// Fills a message, of 8 bytes at least, with a pattern that no other one has at any place.
pub(crate) fn stamp(message: &mut [u8], writer: usize, number: u64) {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut word = header(writer, number);
    for chunk in message.chunks_mut(8) {
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        word = word.wrapping_add(STEP);
    }
}

/// Whether a message is one that a writer wrote, and not pieces of two.
pub(crate) fn is_whole(message: &[u8]) -> bool {
    let header = header_of(message);
    let mut expected = vec![0; message.len()];
    stamp(&mut expected, (header >> 48) as usize - 1, header & ((1 << 48) - 1));
    message == expected
}

/// How many of a round's messages this one of several writers writes.
pub(crate) fn share(messages: u64, writer: usize, writers: usize) -> u64 {
    let (writer, writers) = (writer as u64, writers as u64);
    messages / writers + u64::from(writer < messages % writers)
}

/// What a reader has seen of a round.
#[derive(Clone)]
pub(crate) struct Seen {
    round: Round,
    /// The number of each writer's next message.
    next: Vec<u64>,
    /// What that message should look like.
    expected: Vec<u8>,
    /// The first words of all messages, when they are not looked at more closely.
    sum: u64,
}

impl Seen {
    pub(crate) fn new(round: Round, size: usize, writers: usize) -> Self {
        Self { round, next: vec![0; writers], expected: vec![0; size], sum: 0 }
    }

    /// Takes note of a message that was copied out.
    pub(crate) fn message(&mut self, message: &[u8]) {
        let message = black_box(message);
        if self.round.check {
            self.compare(message);
        } else {
            self.sum = self.sum.wrapping_add(header_of(message));
        }
    }

    #[cold]
    fn compare(&mut self, message: &[u8]) {
        let writer = (header_of(message) >> 48).wrapping_sub(1) as usize;
        let number = self.next.get_mut(writer).expect("a message that is of no writer");
        stamp(&mut self.expected, writer, *number);
        assert!(message == self.expected, "message {number} of writer {writer} is wrong");
        *number += 1;
    }

    /// The round is over: everything must have come, once.
    pub(crate) fn finish(self) {
        let writers = self.next.len();
        let shares = (0..writers).map(|writer| share(self.round.messages, writer, writers));
        if self.round.check {
            assert!(shares.eq(self.next), "messages are missing");
        } else {
            // A writer sends its message 0 over and over when it is timed.
            let sums = shares.enumerate().map(|(writer, n)| header(writer, 0).wrapping_mul(n));
            assert_eq!(self.sum, sums.fold(0, u64::wrapping_add), "messages are missing or wrong");
        }
    }
}
