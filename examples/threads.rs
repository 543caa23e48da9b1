//! Many blocking threads to many: every reader reads every line of every writer, in one order.
//!
//! ```text
//! cargo run --release --example threads
//! ```

use overfall::{Channel, LineWriter, StrongReader};
use std::io::{self, BufRead, Write};
use std::thread;

const WRITERS: u32 = 4;
const READERS: u32 = 3;
const LINES: u32 = 100_000;

/// What a reader has read.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Count {
    lines: u32,
    bytes: usize,
    checksum: u32,
}

/// Reads lines until the channel ends.
fn count(reader: StrongReader) -> io::Result<Count> {
    let mut reader = reader.blocking();
    let mut checksum = crc32fast::Hasher::new();
    let (mut lines, mut bytes) = (0, 0);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        assert!(line.starts_with("writer ") && line.ends_with('\n'), "nobody wrote {line:?}");
        checksum.update(line.as_bytes());
        lines += 1;
        bytes += line.len();
        line.clear();
    }
    Ok(Count { lines, bytes, checksum: checksum.finalize() })
}

fn main() -> io::Result<()> {
    let channel = Channel::new(64 * 1024);
    let readers: Vec<_> = (0..READERS).map(|_| channel.new_strong_reader()).collect();
    let writers: Vec<_> = (0..WRITERS).map(|_| channel.new_strong_writer()).collect();
    // Without a handle the channel drains when the last writer is done.
    drop(channel);

    let counts = thread::scope(|scope| -> io::Result<Vec<Count>> {
        let readers: Vec<_> =
            readers.into_iter().map(|reader| scope.spawn(|| count(reader))).collect();
        let writers = writers.into_iter().zip(1..).map(|(writer, id)| {
            scope.spawn(move || {
                // Each line is one slice; `writeln!` into the writer itself would make it five.
                let mut lines = LineWriter::new(writer.blocking());
                (1..=LINES).try_for_each(|line| writeln!(lines, "writer {id}, line {line}"))
            })
        });
        for (writer, id) in writers.collect::<Vec<_>>().into_iter().zip(1..) {
            writer.join().unwrap()?;
            println!("writer {id}: {LINES} lines");
        }
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    })?;

    for (Count { lines, bytes, checksum }, id) in counts.iter().zip(1..) {
        println!("reader {id}: {lines} lines, {bytes} bytes, crc32 {checksum:08x}");
    }
    assert_eq!(counts[0].lines, WRITERS * LINES);
    assert!(counts.iter().all(|count| *count == counts[0]), "all read the same");
    Ok(())
}
