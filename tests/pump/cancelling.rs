//! Futures of pumps that are dropped wherever they wait.

use crate::{all_of, bytes};
use overfall::pump::{Pump, Transform};
use overfall::source::Futures;
use overfall::spool::Spool;
use overfall::{Channel, pipe};
use overfall_tests::sources::{Does, Script};
use overfall_tests::{Numbers, Task, block_on};
use std::io;
use std::task::Poll;

/// Writes each byte three times: so there is more to be written than a small channel has room for.
struct Triples;

impl Transform for Triples {
    fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        output.extend(input.iter().flat_map(|&byte| [byte; 3]));
        Ok(())
    }
}

#[test]
fn a_run_that_is_dropped_at_any_point_loses_nothing() {
    for seed in 0..60 {
        let mut numbers = Numbers::new(seed);
        let all = bytes(2000);
        let mut steps = Vec::new();
        let mut rest = &all[..];
        while !rest.is_empty() {
            let (piece, others) = rest.split_at((1 + numbers.below(300)).min(rest.len()));
            rest = others;
            steps.extend((0..numbers.below(3)).map(|_| Does::Pends));
            steps.push(Does::Gives(piece.to_vec()));
        }
        let through = seed % 2 == 0;
        let expected: Vec<_> = match through {
            true => all.iter().flat_map(|&byte| [byte; 3]).collect(),
            false => all,
        };
        let (writer, mut reader) = pipe(128);
        let mut got = Vec::new();
        macro_rules! pump {
            ($pump:expr) => {{
                let mut pump = $pump;
                loop {
                    let mut task = Task::new(pump.run());
                    let polls = numbers.below(4);
                    if (0..polls).any(|_| matches!(task.poll(), Poll::Ready(Ok(())))) {
                        break;
                    }
                    drop(task);
                    if numbers.below(2) == 0 {
                        let mut buffer = [0; 50];
                        let read = reader.try_read(&mut buffer).unwrap_or(0);
                        got.extend_from_slice(&buffer[..read]);
                    }
                }
                assert!(pump.into_parts().unwritten.is_empty());
            }};
        }
        let pump = Pump::new(Futures(Script::new(steps)), writer);
        if through {
            pump!(pump.through(Triples))
        } else {
            pump!(pump)
        }
        let mut buffer = [0; 50];
        loop {
            match reader.try_read(&mut buffer).unwrap() {
                0 => break,
                read => got.extend_from_slice(&buffer[..read]),
            }
        }
        assert!(got == expected, "seed {seed}: {} of {}", got.len(), expected.len());
    }
}

#[test]
fn what_was_read_and_not_written_is_given_back() {
    let (writer, mut reader) = pipe(128);
    let all = bytes(1000);
    let mut pump = Pump::new(Futures(&all[..]), writer);
    assert!(Task::new(pump.run()).poll().is_pending());
    let parts = pump.into_parts();
    let mut got = Vec::new();
    let mut buffer = [0; 50];
    while let Ok(read) = reader.try_read(&mut buffer) {
        got.extend_from_slice(&buffer[..read]);
    }
    assert!(!got.is_empty() && !parts.unwritten.is_empty());
    got.extend_from_slice(&parts.unwritten);
    got.extend_from_slice(parts.source.0);
    assert_eq!(got, all);
}

#[test]
fn a_lent_piece_is_consumed_when_it_is_written() {
    let channel = Channel::new(1024);
    let mut from = channel.new_writer();
    from.try_send(bytes(900)).unwrap();
    let (writer, mut reader) = pipe(128);
    let mut pump = Pump::new(channel.new_strong_reader(), writer);
    assert!(Task::new(pump.run()).poll().is_pending());
    let moved = pump.bytes_in();
    assert_eq!(moved, pump.bytes_out());
    let mut parts = pump.into_parts();
    assert!(parts.unwritten.is_empty());
    let left = parts.source.try_fill_buf().unwrap().len();
    assert!(moved as usize + left <= 900);
    assert!(reader.try_read(&mut [0; 900]).unwrap() > 0);
}

#[test]
fn a_pump_sleeps_while_its_source_has_nothing() {
    let channel = Channel::new(1024);
    let mut from = channel.new_writer();
    let spool = Spool::memory();
    let mut pump = Pump::new(channel.new_strong_reader(), spool.writer().unwrap());
    let task = Task::parked(pump.run());
    assert_eq!(task.wakes(), 0);
    from.try_send(b"now").unwrap();
    assert_eq!(task.wakes(), 1);
    drop(task);
    drop((from, channel));
    assert_eq!(block_on(pump.run()), Ok(()));
    // It says the same each time.
    assert_eq!(block_on(pump.run()), Ok(()));
    assert_eq!(all_of(&spool), (b"now".to_vec(), None));
}
