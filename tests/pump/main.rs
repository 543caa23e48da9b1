//! Pumps: from sources into channels and spools.

#[cfg(feature = "futures")]
mod cancelling;
mod ends;
mod gaps;
mod listeners;
mod moving;

use overfall::spool::{ReadError, Spool, SpoolReader};
use overfall::{Blocking, StrongReader};
use overfall_tests::{LIMIT, within};
use std::io::Read;

/// All that is there, without waiting, and what comes behind it: `None` is the end.
fn drain(reader: &mut SpoolReader) -> (Vec<u8>, Option<ReadError>) {
    let mut all = Vec::new();
    loop {
        let mut buffer = [0; 7];
        match reader.try_read(&mut buffer) {
            Ok(0) => return (all, None),
            Ok(read) => all.extend_from_slice(&buffer[..read]),
            Err(error) => return (all, Some(error)),
        }
    }
}

/// The same of a spool from its first byte.
fn all_of(spool: &Spool) -> (Vec<u8>, Option<ReadError>) {
    drain(&mut spool.reader().unwrap())
}

/// Reads a channel to its end, or to its error.
fn read_to_end(
    mut reader: Blocking<StrongReader>,
) -> std::thread::JoinHandle<(Vec<u8>, Option<String>)> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let error = reader.read_to_end(&mut all).err();
        (all, error.map(|error| error.to_string()))
    })
}

/// Many bytes that tell their place.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place ^ (place >> 8)) as u8).collect()
}

/// Joins in time.
fn join<T: Send + 'static>(thread: std::thread::JoinHandle<T>) -> T {
    within(LIMIT, move || match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
