//! From everything that is a source into everything that is a sink.

use crate::{all_of, bytes, join, read_to_end};
use overfall::pump::{Pump, Transform};
use overfall::spool::{Growth, Spool};
use overfall::{Channel, pipe};
use overfall_tests::sources::{Does, Script};
use std::io::{self, Write};

#[test]
fn what_is_read_is_what_a_spool_has() {
    for size in [1, 7, 4096, 1 << 20] {
        let spool = Spool::builder().growth(Growth::Constant { size }).build().unwrap();
        let all = bytes(3 * 4096);
        let pump = Pump::new(io::Cursor::new(all.clone()), spool.writer().unwrap());
        let (pump, result) = join(pump.spawn().unwrap());
        assert_eq!(result, Ok(()));
        assert_eq!((pump.bytes_in(), pump.bytes_out()), (all.len() as u64, all.len() as u64));
        assert_eq!(all_of(&spool), (all.clone(), None));
        let parts = pump.into_parts();
        assert_eq!(parts.source.position(), all.len() as u64);
        assert!(parts.unwritten.is_empty());
    }
}

#[test]
fn what_is_read_is_what_a_channel_passes_on() {
    let (writer, reader) = pipe(1024);
    let reading = read_to_end(reader.blocking());
    let all = bytes(200_000);
    let (pump, result) = join(Pump::new(io::Cursor::new(all.clone()), writer).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(join(reading), (all, None));
    // The pump is still here, and holds nobody up.
    assert_eq!(pump.bytes_out(), 200_000);
}

#[test]
fn a_channel_goes_on_while_one_of_its_pumps_does() {
    let (writer, reader) = pipe(1024);
    let other = writer.clone();
    let reading = read_to_end(reader.blocking());
    let (first, result) = join(Pump::new(&b"first"[..], writer).spawn().unwrap());
    assert_eq!(result, Ok(()));
    let (_second, result) = join(Pump::new(&b"second"[..], other).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(join(reading), (b"firstsecond".to_vec(), None));
    drop(first);
}

#[test]
fn a_source_that_gives_byte_by_byte_and_is_interrupted_loses_none() {
    let all = bytes(300);
    let between =
        [Does::Fails(io::ErrorKind::Interrupted), Does::Fails(io::ErrorKind::Interrupted)];
    let source = || Script::drop_by_drop(&all, &between);
    let spool = Spool::memory();
    let (_, result) = join(Pump::new(source(), spool.writer().unwrap()).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(all_of(&spool), (all.clone(), None));

    let (writer, reader) = pipe(128);
    let reading = read_to_end(reader.blocking());
    let (_, result) = join(Pump::new(source(), writer).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(join(reading), (all, None));
}

#[test]
fn a_reader_of_a_channel_or_of_a_spool_is_a_source() {
    let all = bytes(100_000);
    for kind in 0..3 {
        let channel = Channel::new(4096);
        let mut writer = channel.new_writer().blocking();
        let spool = Spool::memory();
        let sink = spool.writer().unwrap();
        let pumping = match kind {
            0 => {
                let pump = Pump::new(channel.new_strong_reader(), sink);
                let thread = pump.spawn().unwrap();
                std::thread::spawn(move || thread.join().unwrap().1)
            }
            1 => {
                let pump = Pump::new(overfall::Reader::from(channel.new_strong_reader()), sink);
                let thread = pump.spawn().unwrap();
                std::thread::spawn(move || thread.join().unwrap().1)
            }
            _ => {
                let between = Spool::memory();
                let second = Pump::new(between.reader().unwrap(), sink).spawn().unwrap();
                let reader = channel.new_strong_reader();
                let first = Pump::new(reader, between.writer().unwrap()).spawn().unwrap();
                std::thread::spawn(move || {
                    first.join().unwrap().1?;
                    second.join().unwrap().1
                })
            }
        };
        writer.write_all(&all).unwrap();
        drop((writer, channel));
        assert_eq!(join(pumping), Ok(()), "{kind}");
        assert_eq!(all_of(&spool), (all.clone(), None), "{kind}");
    }
}

#[test]
fn a_spools_reader_lends_to_a_channel() {
    let all = bytes(100_000);
    let spool = Spool::memory();
    let mut kept = spool.writer().unwrap();
    kept.write_all(&all).unwrap();
    kept.finish().unwrap();
    let (writer, reader) = pipe(512);
    let reading = read_to_end(reader.blocking());
    let (_, result) = join(Pump::new(spool.reader().unwrap(), writer).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(join(reading), (all, None));
}

/// Doubles each byte, and counts them at the end.
struct Doubles(u64);

impl Transform for Doubles {
    fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        assert!(!input.is_empty() && output.is_empty());
        self.0 += input.len() as u64;
        output.extend(input.iter().flat_map(|&byte| [byte, byte]));
        Ok(())
    }

    fn finish(&mut self, output: &mut Vec<u8>) -> io::Result<()> {
        output.extend_from_slice(&self.0.to_le_bytes());
        Ok(())
    }
}

#[test]
fn a_transform_sees_all_bytes_and_has_the_last_word() {
    let all = bytes(100_000);
    let mut expected: Vec<_> = all.iter().flat_map(|&byte| [byte, byte]).collect();
    expected.extend_from_slice(&100_000u64.to_le_bytes());

    let spool = Spool::memory();
    let pump = Pump::new(io::Cursor::new(all.clone()), spool.writer().unwrap());
    let (pump, result) = join(pump.through(Doubles(0)).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!((pump.bytes_in(), pump.bytes_out()), (100_000, 200_008));
    assert_eq!(pump.into_parts().transform.0, 100_000);
    assert_eq!(all_of(&spool), (expected.clone(), None));

    // From what lends, into a channel.
    let again = Spool::memory();
    let mut writer = again.writer().unwrap();
    writer.write_all(&all).unwrap();
    writer.finish().unwrap();
    let (writer, reader) = pipe(512);
    let reading = read_to_end(reader.blocking());
    let pump = Pump::new(again.reader().unwrap(), writer).through(Doubles(0));
    assert_eq!(join(pump.spawn().unwrap()).1, Ok(()));
    assert_eq!(join(reading), (expected, None));
}

#[test]
fn a_transform_of_an_empty_source_has_the_last_word() {
    let spool = Spool::memory();
    let pump = Pump::new(io::empty(), spool.writer().unwrap()).through(Doubles(0));
    assert_eq!(join(pump.spawn().unwrap()).1, Ok(()));
    assert_eq!(all_of(&spool), (vec![0; 8], None));
}

#[test]
fn a_closure_is_a_transform() {
    let spool = Spool::memory();
    let upper = |input: &[u8], output: &mut Vec<u8>| -> io::Result<()> {
        output.extend(input.iter().map(u8::to_ascii_uppercase));
        Ok(())
    };
    let pump = Pump::new(&b"loud"[..], spool.writer().unwrap()).through(upper);
    assert_eq!(join(pump.spawn().unwrap()).1, Ok(()));
    assert_eq!(all_of(&spool), (b"LOUD".to_vec(), None));
}

#[cfg(feature = "tokio")]
#[test]
fn tokios_and_futures_sources_run_as_tasks() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let all = bytes(100_000);
        let (mut client, server) = tokio::io::duplex(256);
        let spool = Spool::memory();
        let mut pump = Pump::new(overfall::source::Tokio(server), spool.writer().unwrap());
        let pumping = tokio::spawn(async move { pump.run().await });
        tokio::io::AsyncWriteExt::write_all(&mut client, &all).await.unwrap();
        drop(client);
        assert_eq!(pumping.await.unwrap(), Ok(()));
        assert_eq!(all_of(&spool), (all.clone(), None));

        #[cfg(feature = "futures")]
        {
            let source = Script::drop_by_drop(&all[..1000], &[Does::Pends]);
            let spool = Spool::memory();
            let source = overfall::source::Futures(source);
            let mut pump = Pump::new(source, spool.writer().unwrap());
            assert_eq!(tokio::spawn(async move { pump.run().await }).await.unwrap(), Ok(()));
            assert_eq!(all_of(&spool), (all[..1000].to_vec(), None));
        }
    });
}
