//! Futures that are dropped at each point where they wait, and spools that end there.

use crate::{bytes_from, drain, segments_of, stream};
use overfall::spool::{ReadError, SpoolReader};
use overfall_tests::{Task, block_on};
use std::io::{SeekFrom, Write};

/// Each operation that waits, with what it waits for 10 bytes from the start of the stream.
async fn wait(reader: &mut SpoolReader, which: usize) -> Result<(), ReadError> {
    let mut buffer = [0; 4];
    match which {
        0 => reader.read(&mut buffer).await.map(drop),
        1 => reader.fill_buf().await.map(drop),
        2 => reader.read_at(&mut buffer, 10).await.map(drop),
        3 => reader.read_exact_at(&mut buffer, 8).await,
        4 => reader.seek(SeekFrom::End(0)).await.map(drop).map_err(|error| match error {
            overfall::spool::SeekError::Ended(error) => error,
            other => panic!("{other}"),
        }),
        #[cfg(feature = "futures")]
        5 => reader.read_bytes(4).await.map(drop),
        _ => reader.clone().read(&mut buffer).await.map(drop),
    }
}

#[test]
fn a_future_that_is_dropped_while_it_waits_has_done_nothing() {
    for which in 0..7 {
        let (spool, mut writer, mut reader) = stream(segments_of(4));
        writer.write_all(&bytes_from(0, 10)).unwrap();
        reader.advance(10);
        for _ in 0..3 {
            drop(Task::parked(wait(&mut reader, which)));
            assert_eq!(reader.position(), 10);
        }
        assert_eq!(spool.readers(), 1);
        writer.write_all(&bytes_from(10, 10)).unwrap();
        writer.finish().unwrap();
        assert_eq!(drain(&mut reader), (bytes_from(10, 10), None), "{which}");
    }
}

#[test]
fn whatever_waits_is_woken_by_each_end() {
    for which in 0..7 {
        for end in ["finish", "fail", "drop", "terminate"] {
            let (spool, mut writer, mut reader) = stream(segments_of(4));
            writer.write_all(&bytes_from(0, 10)).unwrap();
            reader.advance(10);
            let waiting = Task::parked(wait(&mut reader, which));
            match end {
                "finish" => drop(writer.finish()),
                "fail" => drop(writer.fail("why")),
                "drop" => drop(writer),
                _ => spool.terminate(),
            }
            assert_eq!(waiting.wakes(), 1, "{which} {end}");
            let result = waiting.result();
            match end {
                "finish" if which == 3 => assert_eq!(result, Err(ReadError::Short { len: 10 })),
                "finish" => assert_eq!(result, Ok(())),
                "terminate" => assert_eq!(result, Err(ReadError::Terminated)),
                _ => assert!(matches!(result, Err(ReadError::Failed(_)))),
            }
        }
    }
}

#[test]
fn who_waits_for_a_change_and_is_dropped_leaves_no_trace() {
    let (spool, writer, _reader) = stream(segments_of(4));
    for _ in 0..3 {
        drop(Task::parked(spool.finished()));
        drop(Task::parked(spool.idle()));
        drop(Task::parked(spool.without_readers()));
    }
    let mut finished = Task::parked(spool.finished());
    let idle = Task::parked(spool.idle());
    drop(idle);
    writer.finish().unwrap();
    assert_eq!(finished.wakes(), 1);
    assert!(finished.poll().is_ready());
    assert_eq!(block_on(spool.finished()), Ok(0));
}
