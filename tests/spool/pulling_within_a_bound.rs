//! Sources of spools that keep their last bytes alone.

use crate::pulling::{KINDS, pull};
use crate::{bytes_from, segments_of};
use overfall::spool::{ReadError, Retain, Spool};
use overfall_tests::sources::{Does, Script};
use overfall_tests::{LIMIT, block_on, within};
use std::io::{ErrorKind, Read};
use std::thread;
use std::time::Duration;

/// A spool that keeps 64 bytes, in segments of 16.
fn bounded() -> Spool {
    segments_of(16).retain(Retain::Last(64)).build().unwrap()
}

/// A source of so many bytes that follow from their place, sixteen a read.
fn long(length: u64) -> Script {
    Script::new((0..length).step_by(16).map(|place| Does::Gives(bytes_from(place, 16))))
}

#[test]
fn a_source_of_a_bounded_spool_is_read_when_the_slowest_strong_reader_has_made_room() {
    for &blocks in KINDS {
        let spool = bounded();
        pull(&spool, long(1024), blocks);
        let mut slow = spool.reader().unwrap().blocking();
        let mut fast = spool.reader().unwrap().blocking();
        let (mut first, mut buffer) = (Vec::new(), [0; 16]);
        let stopped = loop {
            match fast.read_timeout(&mut buffer, Duration::from_millis(50)) {
                Ok(length) => first.extend_from_slice(&buffer[..length]),
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(stopped, ErrorKind::TimedOut);
        // What is kept for the other one, and a segment at most.
        assert!((64..=80).contains(&first.len()), "{}", first.len());
        let rest = thread::spawn(move || {
            fast.read_to_end(&mut first).unwrap();
            first
        });
        let mut all = Vec::new();
        within(LIMIT, move || {
            slow.read_to_end(&mut all).unwrap();
            assert_eq!(all, bytes_from(0, 1024));
            assert_eq!(rest.join().unwrap(), all);
        });
    }
}

#[test]
fn all_of_a_spool_that_has_let_go_of_something_cannot_be_loaded() {
    for &blocks in KINDS {
        let spool = bounded();
        pull(&spool, long(1024), blocks);
        let loaded = block_on(spool.load_all());
        assert!(
            matches!(loaded, Err(ReadError::Evicted { position: 0, begin: 16.., .. })),
            "{loaded:?}"
        );
    }
}
