//! Histories of real threads, checked against the channel as an object that does one thing at a
//! time.
//!
//! A few threads do a few operations each on a small ring, and note what came of each and, from one
//! counter, when it began and when it had returned. Then a search looks for an order of steps that
//! explains the whole: each operation's steps lie between its two moments, in their order. There has
//! to be one, for every history.
//!
//! The channel is not one object whose every operation is one step, and its documentation does not
//! say so. These are the steps:
//!
//! - A write: it reserves, then it commits. Where a lap ends it first reserves the padding and then
//!   lets it be skipped, before it starts over. It is `Full` only at a moment when there is no room
//!   for its next step: one capacity past the oldest slice in flight, or past the oldest that a
//!   strong reader has not given back; skipped slices are not held. It is `Closed` only after the
//!   first step of a drain, and `Ok` only before.
//! - `try_reserve` and the guard's `commit` and `abort`, which are operations of their own here:
//!   the same steps.
//! - A read of a strong reader: it takes, at one moment, every committed slice from where it stands
//!   to the first one that is in flight, in the order of their reservations, and in a second step
//!   gives them back. If there is none it is `Empty`, or at the end if the channel has drained and
//!   nothing is left. So it says `Empty` while an earlier write is under way, even when a later
//!   one has returned: slices become visible in the order of their reservations.
//! - A read of a weak reader: it takes slice after slice, each at a moment at which that slice is
//!   committed and nobody has reserved over it, and stops at a moment at which there is no such
//!   slice next. It says `Lagged` only at a moment at which the slice where it stands is overrun,
//!   and goes on at the start of a slice with nothing intact before it.
//! - A drain: it closes the channel for writers, then lets readers come to the end.
//!
//! After the threads, strong readers read what is left, so that nothing is lost unseen.

mod object;

use object::{Done, History, Operation, Read, Written};
use overfall::error::{TryReadError, TryReserveError, TryWriteError};
use overfall::{AfterLast, Channel, Reader, Slice, StrongWriter};
use overfall_tests::{Numbers, until};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A moment that no other has.
#[derive(Default)]
struct Clock(AtomicU64);

impl Clock {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// Does something, and notes it.
    fn note<T>(
        &self,
        operations: &mut Vec<Operation>,
        work: impl FnOnce() -> T,
        done: impl FnOnce(&T) -> Done,
    ) -> T {
        let began = self.now();
        let result = work();
        let returned = self.now();
        operations.push(Operation { began, returned, done: done(&result) });
        result
    }
}

/// Where threads meet: how many have come.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    /// Waits until so many have come. They go on at once, as far as there are processors.
    fn wait_for(&self, parties: usize) {
        self.0.fetch_add(1, Ordering::SeqCst);
        until("a round of all threads", || self.0.load(Ordering::SeqCst) >= parties);
    }

    /// Waits a little for somebody else, so that two operations begin at once.
    fn wait_a_little(&self, patience: usize) {
        let place = self.0.fetch_add(1, Ordering::Relaxed);
        let mut left = if place % 2 == 0 { patience } else { 0 };
        while left > 0 && self.0.load(Ordering::Relaxed) == place + 1 {
            left -= 1;
            std::hint::spin_loop();
        }
    }
}

/// Lets nobody wait for a thread that has failed.
struct CallOff<'a>(&'a Meeting);

impl Drop for CallOff<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.0.store(usize::MAX / 2, Ordering::SeqCst);
        }
    }
}

/// What a thread knows of a round.
struct Round {
    numbers: Numbers,
    clock: Arc<Clock>,
    meeting: Arc<Meeting>,
}

impl Round {
    /// Something between two operations.
    fn pause(&mut self) {
        match self.numbers.below(4) {
            0 => thread::yield_now(),
            1 => {}
            _ => self.meeting.wait_a_little(self.numbers.below(300)),
        }
    }
}

/// The bytes of the slice that stands for a value: one granule, two, or three.
fn length(value: u8) -> u64 {
    [1, 40, 64, 65, 128, 150][usize::from(value) % 6]
}

fn bytes(value: u8) -> Vec<u8> {
    vec![value; length(value) as usize]
}

/// The values of whole slices. Nothing is left over.
fn values(mut bytes: &[u8]) -> Vec<u8> {
    let mut values = Vec::new();
    while let Some(&value) = bytes.first() {
        let (slice, rest) = bytes.split_at(bytes.len().min(length(value) as usize));
        assert_eq!(slice, self::bytes(value), "a slice in pieces");
        values.push(value);
        bytes = rest;
    }
    values
}

fn write(writer: &mut StrongWriter, values: &[u8], round: &mut Round) -> Vec<Operation> {
    let (clock, mut operations) = (round.clock.clone(), Vec::new());
    for &value in values {
        round.pause();
        let (length, bytes) = (length(value), bytes(value));
        if round.numbers.below(3) > 0 {
            let done = |result: &Result<usize, TryWriteError>| {
                let result = match result {
                    Ok(_) => Written::Ok,
                    Err(TryWriteError::Full) => Written::Full,
                    Err(_) => Written::Closed,
                };
                Done::Write { value, length, result }
            };
            let _ = clock.note(&mut operations, || writer.try_write(&bytes), done);
            continue;
        }
        let done = |result: &Result<Slice<'_>, TryReserveError>| {
            let result = match result {
                Ok(_) => Written::Ok,
                Err(TryReserveError::Full) => Written::Full,
                Err(_) => Written::Closed,
            };
            Done::Reserve { value, length, result }
        };
        let slice = clock.note(&mut operations, || writer.try_reserve(bytes.len()), done);
        if let Ok(mut slice) = slice {
            slice.write_all(&bytes[..1]).unwrap();
            round.pause();
            slice.write_all(&bytes[1..]).unwrap();
            if round.numbers.below(4) > 0 {
                clock.note(&mut operations, || slice.commit(), |()| Done::Commit);
            } else {
                clock.note(&mut operations, || slice.abort(), |()| Done::Abort);
            }
        }
    }
    operations
}

fn read_once(reader: &mut Reader, number: usize, clock: &Clock, operations: &mut Vec<Operation>) {
    let mut buffer = [0; 8192];
    let done = |result: &Result<Vec<u8>, TryReadError>| {
        let result = match result {
            Ok(bytes) if bytes.is_empty() => Read::End,
            Ok(bytes) => Read::Values(values(bytes)),
            Err(TryReadError::Empty) => Read::Empty,
            Err(TryReadError::Lagged(lagged)) => Read::Lagged(lagged.ring_bytes),
            Err(error) => panic!("{error}"),
        };
        Done::Read { reader: number, result }
    };
    let read = || reader.try_read(&mut buffer).map(|length| buffer[..length].to_vec());
    let _ = clock.note(operations, read, done);
}

/// What a thread has in a round.
enum Party {
    Writer(StrongWriter, Vec<u8>),
    Reader(Reader, usize),
    Drainer(Arc<Channel>),
}

impl Party {
    fn take_part(&mut self, round: &mut Round) -> Vec<Operation> {
        let mut operations = Vec::new();
        match self {
            Self::Writer(writer, values) => return write(writer, values, round),
            Self::Reader(reader, number) => {
                for _ in 0..4 {
                    round.pause();
                    read_once(reader, *number, &round.clock, &mut operations);
                }
            }
            Self::Drainer(channel) => {
                (0..round.numbers.below(4)).for_each(|_| round.pause());
                let clock = round.clock.clone();
                clock.note(&mut operations, || channel.drain().unwrap(), |()| Done::Drain);
            }
        }
        operations
    }
}

/// Rounds of the same threads, a channel each.
const ROUNDS: usize = 50;

/// Lets threads loose on channels, and tells what they did.
fn record(seed: u64) -> Vec<History> {
    let mut numbers = Numbers::new(seed);
    let writers = 1 + numbers.below(3);
    let strong = numbers.below(3);
    let weak = if strong == 0 { 1 } else { numbers.below(3) };
    let drains = numbers.below(3) == 0;
    let kinds: Vec<bool> = (0..strong + weak).map(|number| number < strong).collect();
    let parties = writers + kinds.len() + usize::from(drains);
    let mut rounds: Vec<Vec<(Party, Round)>> = (0..parties).map(|_| Vec::new()).collect();
    let (mut histories, mut channels) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let capacity = [256, 256, 512][numbers.below(3)];
        let first = (1 << 63) - 64 * (1 + numbers.below(8) as u64);
        let builder = Channel::builder().size(capacity as usize).start_position(first);
        let builder = builder.after_last_strong_reader(AfterLast::Overwrite);
        let channel = builder.build().unwrap();
        let values = |number| (1..6).map(|value| number as u8 * 5 + value).collect();
        let party = |number: usize| match number.checked_sub(writers) {
            None => Party::Writer(channel.new_strong_writer(), values(number)),
            Some(number) if number == kinds.len() => Party::Drainer(channel.clone()),
            Some(number) if kinds[number] => {
                Party::Reader(channel.new_strong_reader().into(), number)
            }
            Some(number) => Party::Reader(channel.new_weak_reader().into(), number),
        };
        let (clock, meeting) = (Arc::<Clock>::default(), Arc::<Meeting>::default());
        for (number, rounds) in rounds.iter_mut().enumerate() {
            let numbers = Numbers::new(numbers.below(usize::MAX) as u64);
            let round = Round { numbers, clock: clock.clone(), meeting: meeting.clone() };
            rounds.push((party(number), round));
        }
        let (readers, start) = (kinds.clone(), first % capacity);
        histories.push(History { capacity, start, readers, threads: Vec::new() });
        // Nothing ends because its last endpoint is gone.
        channels.push(channel);
    }
    let meeting = Meeting::default();
    let take_part = |rounds: &mut Vec<(Party, Round)>| -> Vec<Vec<Operation>> {
        let _guard = CallOff(&meeting);
        let rounds = rounds.iter_mut().enumerate();
        rounds
            .map(|(number, (party, round))| {
                meeting.wait_for((number + 1) * parties);
                party.take_part(round)
            })
            .collect()
    };
    let done: Vec<Vec<Vec<Operation>>> = thread::scope(|scope| {
        let threads = rounds.iter_mut().map(|rounds| scope.spawn(|| take_part(rounds)));
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    for thread in done {
        for (history, operations) in histories.iter_mut().zip(thread) {
            history.threads.push(operations);
        }
    }
    // What is left.
    for history in &mut histories {
        history.threads.push(Vec::new());
    }
    for thread in rounds {
        for ((party, round), history) in thread.into_iter().zip(&mut histories) {
            if let Party::Reader(mut reader, number) = party {
                let last = history.threads.last_mut().unwrap();
                (0..2).for_each(|_| read_once(&mut reader, number, &round.clock, last));
            }
        }
    }
    histories
}

#[test]
fn what_threads_see_could_have_come_one_step_at_a_time() {
    let seconds = std::env::var("OVERFALL_STRESS_SECONDS").map_or(4, |text| text.parse().unwrap());
    let limit = Duration::from_secs(seconds);
    let began = Instant::now();
    let mut seed = 0;
    while began.elapsed() < limit {
        seed += 1;
        for history in record(seed) {
            assert!(history.is_linearizable(), "{history:#?}");
        }
    }
    println!("{} histories", seed * ROUNDS as u64);
}

/// A history by hand: operations of one thread after the other, with these moments.
fn history(readers: &[bool], threads: &[&[(u64, u64, Done)]]) -> History {
    let operation = |(began, returned, done): &(u64, u64, Done)| Operation {
        began: *began,
        returned: *returned,
        done: done.clone(),
    };
    let threads = threads.iter().map(|thread| thread.iter().map(operation).collect()).collect();
    History { capacity: 256, start: 0, readers: readers.to_vec(), threads }
}

fn wrote(value: u8, length: u64, result: Written) -> Done {
    Done::Write { value, length, result }
}

fn saw(reader: usize, result: Read) -> Done {
    Done::Read { reader, result }
}

fn saw_values(reader: usize, values: &[u8]) -> Done {
    saw(reader, Read::Values(values.to_vec()))
}

#[test]
fn right_histories_pass() {
    use Written::{Closed, Full, Ok};
    for (name, history) in [
        ("one after the other", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (4, 5, wrote(2, 64, Ok))];
            let reads = [(2, 3, saw_values(0, &[1])), (6, 7, saw_values(0, &[2]))];
            history(&[true], &[&writes, &reads])
        }),
        ("an earlier reservation holds up a later one", {
            let reserved = Done::Reserve { value: 1, length: 1, result: Ok };
            let slow = [(0, 1, reserved), (6, 7, Done::Commit)];
            let fast = [(2, 3, wrote(2, 64, Ok))];
            let reads = [(4, 5, saw(0, Read::Empty)), (8, 9, saw_values(0, &[1, 2]))];
            history(&[true], &[&slow, &fast, &reads])
        }),
        ("a read gives back after it has read", {
            let writes = [(0, 1, wrote(1, 256, Ok)), (3, 4, wrote(2, 64, Full))];
            let reads = [(2, 5, saw_values(0, &[1]))];
            history(&[true], &[&writes, &reads])
        }),
        ("overrun", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (2, 3, wrote(2, 256, Ok))];
            let reads = [(4, 5, saw(0, Read::Lagged(256))), (6, 7, saw_values(0, &[2]))];
            history(&[false], &[&writes, &reads])
        }),
        ("a slice over its padding, which a reader steps over or has missed", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (4, 9, wrote(2, 256, Ok))];
            let steps = [(2, 3, saw_values(0, &[1])), (6, 7, saw(0, Read::Empty))];
            let steps = [steps[0].clone(), steps[1].clone(), (10, 11, saw(0, Read::Lagged(192)))];
            let over = [(2, 3, saw_values(1, &[1])), (5, 8, saw_values(1, &[2]))];
            history(&[false, false], &[&writes, &steps, &over])
        }),
        ("drained", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (2, 4, wrote(2, 64, Closed))];
            let drain = [(3, 5, Done::Drain)];
            let reads = [(6, 7, saw_values(0, &[1])), (8, 9, saw(0, Read::End))];
            history(&[false], &[&writes, &drain, &reads])
        }),
    ] {
        assert!(history.is_linearizable(), "{name}");
    }
}

#[test]
fn wrong_histories_are_refused() {
    use Written::{Closed, Full, Ok};
    for (name, history) in [
        ("a value twice", {
            let writes = [(0, 1, wrote(1, 64, Ok))];
            let reads = [(2, 3, saw_values(0, &[1])), (4, 5, saw_values(0, &[1]))];
            history(&[true], &[&writes, &reads])
        }),
        ("a value before it was written", {
            let writes = [(2, 3, wrote(1, 64, Ok))];
            history(&[true], &[&writes, &[(0, 1, saw_values(0, &[1]))]])
        }),
        ("a value lost", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (2, 3, wrote(2, 64, Ok))];
            history(&[true], &[&writes, &[(4, 5, saw_values(0, &[2]))]])
        }),
        ("nothing, after a write has returned", {
            let writes = [(0, 1, wrote(1, 64, Ok))];
            history(&[true], &[&writes, &[(2, 3, saw(0, Read::Empty))]])
        }),
        ("two orders", {
            let one = [(0, 3, wrote(1, 64, Ok))];
            let two = [(1, 2, wrote(2, 64, Ok))];
            let reads = [(4, 5, saw_values(0, &[1, 2])), (6, 7, saw_values(1, &[2, 1]))];
            history(&[true, true], &[&one, &two, &reads])
        }),
        ("full with room", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (2, 3, wrote(2, 192, Full))];
            history(&[true], &[&writes])
        }),
        ("room that a refused slice has taken", {
            let writes =
                [(0, 1, wrote(1, 64, Ok)), (2, 3, wrote(2, 256, Full)), (4, 5, wrote(3, 64, Full))];
            history(&[true], &[&writes])
        }),
        ("room where a reader holds", {
            let writes = [(0, 1, wrote(1, 256, Ok)), (2, 3, wrote(2, 64, Ok))];
            history(&[true], &[&writes])
        }),
        ("room over a slice in flight", {
            let reserved = Done::Reserve { value: 1, length: 64, result: Ok };
            let writes = [(2, 3, wrote(2, 192, Ok)), (4, 5, wrote(3, 64, Ok))];
            history(&[false], &[&[(0, 1, reserved)], &writes])
        }),
        ("an aborted slice is read", {
            let reserved = Done::Reserve { value: 1, length: 64, result: Ok };
            let aborts = [(0, 1, reserved), (2, 3, Done::Abort)];
            history(&[true], &[&aborts, &[(4, 5, saw_values(0, &[1]))]])
        }),
        ("overrun, and read all the same", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (2, 3, wrote(2, 256, Ok))];
            history(&[false], &[&writes, &[(4, 5, saw_values(0, &[1]))]])
        }),
        ("more lag than there is", {
            let writes = [
                (0, 1, wrote(1, 64, Ok)),
                (2, 3, wrote(2, 64, Ok)),
                (4, 5, wrote(3, 128, Ok)),
                (6, 7, wrote(4, 64, Ok)),
            ];
            history(&[false], &[&writes, &[(8, 9, saw(0, Read::Lagged(128)))]])
        }),
        ("lag without a reason", {
            let writes = [(0, 1, wrote(1, 64, Ok)), (2, 3, wrote(2, 64, Ok))];
            history(&[false], &[&writes, &[(4, 5, saw(0, Read::Lagged(64)))]])
        }),
        ("closed by nobody", history(&[true], &[&[(0, 1, wrote(1, 64, Closed))]])),
        ("written after the drain", {
            let drain = [(0, 1, Done::Drain), (2, 3, wrote(1, 64, Ok))];
            history(&[true], &[&drain])
        }),
        ("the end with something left", {
            let drain = [(0, 1, wrote(1, 64, Ok)), (2, 3, Done::Drain)];
            history(&[true], &[&drain, &[(4, 5, saw(0, Read::End))]])
        }),
    ] {
        assert!(!history.is_linearizable(), "{name}");
    }
}
