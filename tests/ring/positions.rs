//! Positions that run far ahead of memory: slices that are given up move them by all that was reserved.
//!
//! Here as far as a second goes, 2^47 bytes, from places around each wrap. `src/ring/tests.rs` goes
//! almost a whole turn, at each step of each operation, and the models go around it.

use overfall::error::{TryReadError, TryWriteError};
use overfall::{Backpressure, Channel, StartAt, StrongWriter};
use overfall_tests::{LIMIT, within};
use std::sync::Arc;

/// 128 MiB, so that it takes few laps.
const SIZE: usize = 1 << 27;

/// Together they are past what 45, 46 and 47 bits of bytes can tell.
const LAPS: [u64; 3] = [(1 << 18) + 2, (1 << 19) + 2, (1 << 20) + 2];

/// Places to start at: close to the wrap of what users see, in the middle, and where it begins.
const STARTS: [u64; 3] = [0, (1 << 62) - 4096, (1 << 63) - 4096];

fn channel(start: u64) -> Arc<Channel> {
    Channel::builder().size(SIZE).start_position(start).build().unwrap()
}

/// Reserves whole rings and gives them up.
fn run(writer: &mut StrongWriter, laps: u64) {
    for _ in 0..laps {
        drop(writer.try_reserve(SIZE).unwrap());
    }
}

#[test]
fn a_strong_reader_that_was_not_polled_comes_to_what_is_written() {
    for (start, laps) in STARTS.into_iter().zip(LAPS) {
        within(LIMIT, move || {
            let channel = channel(start);
            let mut reader = channel.new_strong_reader();
            let mut writer = channel.new_strong_writer();
            run(&mut writer, laps);
            writer.try_send(b"at last").unwrap();
            assert_eq!(&*reader.try_recv().unwrap().unwrap(), b"at last");
            assert_eq!(reader.try_recv().err(), Some(TryReadError::Empty));
            run(&mut writer, laps);
            // Now it holds something, and nobody writes over that.
            writer.try_send(b"and this").unwrap();
            assert!(writer.try_reserve(SIZE).is_err());
            let stats = reader.stats();
            assert_eq!(&*reader.try_recv().unwrap().unwrap(), b"and this");
            assert!(stats.lag > 0);
            let mut twin = reader.clone();
            writer.try_send(b"twice").unwrap();
            for reader in [&mut reader, &mut twin] {
                assert_eq!(&*reader.try_recv().unwrap().unwrap(), b"twice");
            }
        });
    }
}

#[test]
fn a_weak_reader_that_idled_goes_on_at_what_is_there() {
    within(LIMIT, || {
        let channel = channel(STARTS[2]);
        let mut reader = channel.new_weak_reader();
        let mut writer = channel.new_strong_writer();
        writer.try_send(b"early").unwrap();
        run(&mut writer, LAPS[0]);
        writer.try_send(b"late").unwrap();
        let told = reader.try_recv().map(drop);
        assert!(
            matches!(told, Err(TryReadError::Lagged(gap)) if gap.ring_bytes > 1 << 44),
            "{told:?}"
        );
        assert_eq!(&*reader.try_recv().unwrap().unwrap(), b"late");
        for start in [StartAt::Oldest, StartAt::Back(4)] {
            let mut other = channel.new_weak_reader_at(start);
            assert_eq!(&*other.try_recv().unwrap().unwrap(), b"late");
        }
        let mut strong = reader.into_strong().unwrap();
        writer.try_send(b"later").unwrap();
        assert_eq!(&*strong.try_recv().unwrap().unwrap(), b"later");
    });
}

#[test]
fn a_writer_that_idled_takes_no_room_that_is_held() {
    within(LIMIT, || {
        let channel = channel(STARTS[1]);
        let mut idle = channel.new_strong_writer();
        let mut writer = channel.new_strong_writer();
        idle.try_send(b"early").unwrap();
        run(&mut writer, LAPS[1]);
        let mut reader = channel.new_strong_reader();
        writer.try_send(b"held").unwrap();
        let held = reader.try_recv().unwrap().unwrap();
        let (mut written, bytes) = (0, vec![1; SIZE / 16]);
        while idle.try_write(&bytes).is_ok() {
            written += 1;
        }
        assert!((14..=15).contains(&written), "{written}");
        assert_eq!(idle.try_write(&bytes), Err(TryWriteError::Full));
        assert_eq!(&*held, b"held");
    });
}

#[test]
fn two_writers_that_give_up_in_turns_lose_nothing_of_a_third() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(1 << 16, Backpressure::Block);
        let mut reader = channel.new_strong_reader();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let mut writer = channel.new_strong_writer();
                scope.spawn(move || {
                    for length in (0..50_000).map(|number| 1 + number * 97 % (1 << 16)) {
                        let _given_up = writer.try_reserve(length).map(drop);
                    }
                });
            }
            let mut third = channel.new_strong_writer();
            for number in 0..5_000u32 {
                while third.try_send(&number.to_le_bytes()).is_err() {
                    std::thread::yield_now();
                }
                let message = loop {
                    match reader.try_recv() {
                        Ok(message) => break message.unwrap(),
                        Err(error) => assert_eq!(error, TryReadError::Empty),
                    }
                };
                assert_eq!(&*message, number.to_le_bytes());
            }
        });
    });
}

#[test]
fn what_is_lent_around_the_wrap_is_kept_wherever_its_reader_has_jumped_to() {
    for (before, skipped) in
        (1..=8_u64).flat_map(|before| (0..=4).map(move |skipped| (before, skipped)))
    {
        let channel =
            Channel::builder().size(256).start_position((1 << 63) - 64 * before).build().unwrap();
        let mut writer = channel.new_writer();
        for _ in 0..skipped {
            writer.try_send(b"before").unwrap();
        }
        let mut reader = channel.new_strong_reader_at(StartAt::Now);
        let what = format!("{before} granules before the wrap, {skipped} skipped");
        for round in 0..4 {
            writer.try_send(&[round; 64]).unwrap();
            let message = reader.try_recv().unwrap().unwrap();
            let written = (0..9).take_while(|_| writer.try_send(&[9; 64]).is_ok()).count();
            assert_eq!(&*message, &[round; 64][..], "{what}");
            assert_eq!(written, 3, "{what}");
            drop(message);
            while reader.try_recv().is_ok() {}
        }
    }
}
