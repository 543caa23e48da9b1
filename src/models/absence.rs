//! Strong readers that come and go, where writers wait for the next one.

use super::watch::{read_byte, shared};
use super::*;
use crate::channel::reader::StrongReader;
use crate::channel::shared::Shared;
use crate::channel::terms::{AfterLast, StartAt};
use loom::future::block_on;
use loom::thread;

/// A ring of one granule, which waits for the next reader, and what fills it.
fn full() -> (Arc<Shared>, StrongReader) {
    let mut shared = shared(1);
    Arc::get_mut(&mut shared).unwrap().after_last = AfterLast::Wait;
    let reader = StrongReader::new(&shared, StartAt::Oldest);
    write(&shared.ring, 1, 1).unwrap();
    (shared, reader)
}

/// Guards that readers are counted out in one step with what follows: one of the two is the last, and
/// leaves its hold to the channel.
#[test]
fn of_two_readers_that_go_one_leaves_its_hold() {
    model(PREEMPTIONS, || {
        let (shared, reader) = full();
        let another = reader.clone();
        let thread = thread::spawn(move || drop(another));
        drop(reader);
        thread.join().unwrap();
        assert_eq!(write(&shared.ring, 1, 2), Err(Refused::Full));
        let mut next = StrongReader::new(&shared, StartAt::Oldest);
        assert_eq!(block_on(read_byte(&mut next)), Ok(Some(1)));
    });
}

/// Guards that there is no moment without a hold while the last reader goes and the next one comes.
#[test]
fn a_reader_that_comes_while_the_last_one_goes_finds_what_is_unread() {
    model(2, || {
        let (shared, reader) = full();
        let coming = shared.clone();
        let thread = thread::spawn(move || {
            let mut next = StrongReader::new(&coming, StartAt::Oldest);
            block_on(read_byte(&mut next))
        });
        drop(reader);
        let written = write(&shared.ring, 1, 2);
        assert_eq!(thread.join().unwrap(), Ok(Some(1)));
        // The writer may have come after the next reader had read it.
        assert!(matches!(written, Ok(()) | Err(Refused::Full)));
    });
}
