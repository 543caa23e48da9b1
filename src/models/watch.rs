//! Parking and waking, on the endpoints themselves.

use super::*;
use crate::channel::reader::Read;
use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::terms::Backpressure;
use crate::channel::terms::StartAt;
use crate::channel::writer::StrongWriter;
use crate::channel::writer::{HasCore, Wait};
use crate::error::{ReadError, WriteError};
use crate::sync::asymmetric::Abilities;
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;

pub(super) fn shared(granules: u64) -> Arc<Shared> {
    shared_with(granules, true)
}

pub(super) fn shared_with(granules: u64, sections: bool) -> Arc<Shared> {
    let geometry = Geometry::new(granules * GRANULE);
    let abilities = Abilities { heavy_fences: true, sections };
    Arc::new(Shared::new(geometry, start(granules), Backpressure::Block, abilities).unwrap())
}

/// Writes a slice that is full of `byte`.
pub(super) async fn write_slice(
    writer: &mut StrongWriter,
    granules: u64,
    byte: Fill,
) -> Result<usize, WriteError> {
    let bytes = vec![byte; (granules * GRANULE) as usize];
    poll_fn(|context| writer.writer_core().poll_write(context, &[&*bytes], Wait::LeavesWhenDropped))
        .await
}

pub(super) async fn read_byte(reader: &mut impl Read) -> Result<Option<Fill>, ReadError> {
    let mut buffer = [0; GRANULE as usize];
    let read = poll_fn(|context| reader.poll_read(context, &mut buffer)).await?;
    Ok((read > 0).then_some(buffer[0]))
}

/// Guards the fence of a writer that commits without a look (ORD(light)), and that of a reader that
/// sleeps nevertheless (ORD(heavy)). Without either, or if the reader does not turn the watch on,
/// or relies on it before the fence, it sleeps for ever.
#[test]
fn a_reader_that_sleeps_while_nobody_looks_is_woken() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        shared.end_watch();
        let ring = shared.clone();
        let thread = thread::spawn(move || {
            write(&ring.ring, 1, 1).unwrap();
            ring.after_commit();
        });
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
        thread.join().unwrap();
    });
}

/// Guards that a writer which wakes later owes that for each commit after which somebody may sleep: a reader finds
/// nothing before the first one, and sleeps, or finds that one, and sleeps before the second. Were the wake kept from
/// it, or not owed, it would sleep for ever.
#[test]
fn who_sleeps_while_a_writer_puts_its_wakes_off_is_woken_in_the_end() {
    for is_watched in [true, false] {
        model_of_heavy_fences(PREEMPTIONS, move || {
            let shared = shared(2);
            let mut reader = StrongReader::new(&shared, StartAt::Oldest);
            let mut writer = StrongWriter::new(&shared);
            writer.writer_core().wakes_later = true;
            if !is_watched {
                shared.end_watch();
            }
            let thread = thread::spawn(move || {
                for byte in 1..=2 {
                    let full = [byte; GRANULE as usize];
                    assert_eq!(writer.try_write(&full), Ok(full.len()));
                }
                writer.writer_core().wake();
                writer
            });
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(2)));
            drop(thread.join().unwrap());
        });
    }
}

/// The same for a writer that waits for room.
#[test]
fn a_writer_that_sleeps_while_nobody_looks_is_woken() {
    model_of_heavy_fences(2, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        assert_eq!(block_on(write_slice(&mut writer, 1, 1)), Ok(GRANULE as usize));
        shared.end_watch();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            reader
        });
        assert_eq!(block_on(write_slice(&mut writer, 1, 2)), Ok(GRANULE as usize));
        drop(thread.join().unwrap());
    });
}

/// Guards that a reader which finds the watch *rising* issues a heavy fence of its own: A and B go
/// to sleep while no thread looks, and B must not rely on A's fence before it is done.
#[test]
fn two_readers_that_sleep_while_nobody_looks_are_woken() {
    model_of_heavy_fences(2, || {
        let shared = shared(2);
        let mut strong = StrongReader::new(&shared, StartAt::Oldest);
        let mut weak = WeakReader::new(&shared, StartAt::Oldest);
        shared.end_watch();
        let ring = shared.clone();
        let writing = thread::spawn(move || {
            write(&ring.ring, 1, 1).unwrap();
            ring.after_commit();
        });
        let reading = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut weak)), Ok(Some(1)));
        });
        assert_eq!(block_on(read_byte(&mut strong)), Ok(Some(1)));
        writing.join().unwrap();
        reading.join().unwrap();
    });
}

/// Guards the last look of the thread that ends the watch, and the fence before it: a reader went
/// to sleep because it found the watch on, and the next commit does not look.
#[test]
fn the_watch_does_not_end_over_a_sleeper() {
    model_of_heavy_fences(2, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let ending = shared.clone();
        let ending = thread::spawn(move || ending.end_watch());
        let ring = shared.clone();
        let writing = thread::spawn(move || {
            write(&ring.ring, 1, 1).unwrap();
            ring.after_commit();
        });
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
        ending.join().unwrap();
        writing.join().unwrap();
    });
}
