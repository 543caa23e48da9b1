//! What a weak reader missed.

use crate::{all_of, join};
use overfall::error::Lagged;
use overfall::pump::{Pump, PumpError, Transform};
use overfall::spool::{ReadError, Spool};
use overfall::{WeakReader, WeakWriter};
use overfall_tests::overwriting;
use std::io;
use std::sync::Arc;

/// A reader that has been overrun, and what it missed of the messages `0`, `1`, `2`...
fn overrun() -> (Arc<overfall::Channel>, WeakWriter, WeakReader) {
    let channel = overwriting(1024);
    let reader = channel.new_weak_reader();
    let mut writer = channel.new_weak_writer();
    for number in 0..200u8 {
        writer.try_send([number]).unwrap();
    }
    (channel, writer, reader)
}

#[derive(Default)]
struct Notes(Vec<Lagged>);

impl Transform for Notes {
    fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        output.extend_from_slice(input);
        Ok(())
    }

    fn gap(&mut self, lagged: &Lagged, output: &mut Vec<u8>) -> io::Result<()> {
        self.0.push(*lagged);
        output.extend_from_slice(b"gap");
        Ok(())
    }
}

#[test]
fn a_gap_is_given_to_the_transform_at_its_place() {
    let (channel, _writer, reader) = overrun();
    let spool = Spool::memory();
    let pump = Pump::new(reader, spool.writer().unwrap()).through(Notes::default());
    channel.drain().unwrap();
    let (pump, result) = join(pump.spawn().unwrap());
    assert_eq!(result, Ok(()));
    let (bytes, end) = all_of(&spool);
    assert_eq!(end, None);
    let rest = bytes.strip_prefix(b"gap").unwrap();
    let first = rest[0];
    assert!(first > 0);
    assert_eq!(rest, (first..200).collect::<Vec<_>>());
    let parts = pump.into_parts();
    assert_eq!(parts.transform.0.len(), 1);
    assert_eq!(parts.transform.0[0].bytes_at_least, u64::from(first));
}

#[test]
fn a_gap_that_nobody_expects_is_an_error() {
    let (channel, _writer, reader) = overrun();
    let spool = Spool::memory();
    channel.drain().unwrap();
    let (_, result) = join(Pump::new(reader, spool.writer().unwrap()).spawn().unwrap());
    let Err(PumpError::Transform(failure)) = result else { panic!("{result:?}") };
    assert!(failure.to_string().contains("overrun"));
    assert_eq!(all_of(&spool), (vec![], Some(ReadError::Failed(failure))));
}

#[test]
fn a_silent_reader_has_no_gap() {
    let (channel, _writer, mut reader) = overrun();
    reader.set_silent(true);
    let spool = Spool::memory();
    channel.drain().unwrap();
    let (_, result) = join(Pump::new(reader, spool.writer().unwrap()).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(all_of(&spool).0.last(), Some(&199));
}
