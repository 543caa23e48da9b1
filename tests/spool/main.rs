//! Streams that are kept.

mod cancelling;
mod ends;
mod every_store;
mod files;
#[cfg(all(target_os = "linux", not(miri)))]
mod files_of_children;
mod oracle;
mod pulling;
mod pulling_within_a_bound;
mod reading;
mod retaining;
#[cfg(target_os = "linux")]
mod retaining_in_files;
#[cfg(all(target_os = "linux", not(miri)))]
mod retaining_in_named_files;
mod seeking;
mod situations;
#[cfg(all(feature = "tokio", feature = "futures"))]
mod traits;
mod waiting;
mod writing;

use overfall::spool::{Builder, Growth, ReadError, Spool, SpoolReader, SpoolWriter};

/// Segments of so many bytes.
fn segments_of(size: usize) -> Builder {
    Spool::builder().growth(Growth::Constant { size })
}

/// A spool, its writer, and a reader.
fn stream(builder: Builder) -> (Spool, SpoolWriter, SpoolReader) {
    let spool = builder.build().unwrap();
    let (writer, reader) = (spool.writer().unwrap(), spool.reader().unwrap());
    (spool, writer, reader)
}

/// The byte at a place of a stream that can be checked anywhere.
fn byte_at(position: u64) -> u8 {
    (position ^ (position >> 8) ^ (position >> 16)) as u8
}

/// Bytes of such a stream.
fn bytes_from(position: u64, length: usize) -> Vec<u8> {
    (position..).take(length).map(byte_at).collect()
}

/// All that is there, without waiting, and what comes behind it: `None` is the end.
fn drain(reader: &mut SpoolReader) -> (Vec<u8>, Option<ReadError>) {
    let mut all = Vec::new();
    let mut buffer = [0; 7];
    loop {
        match reader.try_read(&mut buffer) {
            Ok(0) => return (all, None),
            Ok(read) => all.extend_from_slice(&buffer[..read]),
            Err(error) => return (all, Some(error)),
        }
    }
}
