//! Random operations on a channel, and on a plain model of it beside.
//!
//! [`decode`] makes operations of any bytes, so that whatever makes bytes can drive this: the tests
//! next to this file, and the fuzz target of the same operations. [`run`] does them, and panics when
//! the channel is not what the model says.

#[path = "driver.rs"]
mod driver;
#[path = "model.rs"]
mod model;

use driver::Driver;
use overfall::Backpressure;

/// What the channel is like at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Setup {
    pub(crate) size: usize,
    pub(crate) start: u64,
    pub(crate) backpressure: Backpressure,
    pub(crate) writer: bool,
    pub(crate) strong_reader: bool,
    pub(crate) weak_reader: bool,
}

/// Where a reader is to start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum From {
    Oldest,
    Now,
    Back(u64),
}

/// Who is asked to wait for the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    Channel,
    Writer(u8),
    Reader(u8),
}

/// One operation. The number of an endpoint, a slice or a future counts, modulo how many there are,
/// those that there are; an operation without one, or on a writer that is busy with a slice, is
/// passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    NewWriter {
        strong: bool,
    },
    CloneWriter(u8),
    DropWriter(u8),
    TurnWriter {
        writer: u8,
        strong: bool,
    },
    TryWrite {
        writer: u8,
        length: usize,
    },
    TryWriteVectored {
        writer: u8,
        lengths: [usize; 3],
    },
    /// The `AsyncWrite` of the feature `futures`; `try_write` without it.
    PollWrite {
        writer: u8,
        length: usize,
    },
    TryReserve {
        writer: u8,
        length: usize,
    },
    /// Makes the future, and polls it once.
    Reserve {
        writer: u8,
        length: usize,
    },
    ShutDown(u8),
    TerminateWriter(u8),

    TryReserveSlice {
        length: usize,
    },
    ReserveSlice {
        length: usize,
    },
    /// Polls the future of a reservation that waits.
    PollSlice(u8),
    Fill {
        slice: u8,
        length: usize,
    },
    Commit(u8),
    Abort(u8),
    Leak(u8),
    /// Drops the guard, or the future that waits for it.
    DropSlice(u8),

    NewReader {
        strong: bool,
        from: From,
    },
    CloneReader(u8),
    DropReader(u8),
    TurnReader {
        reader: u8,
        strong: bool,
    },
    TryRead {
        reader: u8,
        length: usize,
    },
    /// The `AsyncRead` of the feature `futures`; `try_read` without it.
    PollRead {
        reader: u8,
        length: usize,
    },
    FillBuf(u8),
    /// The `AsyncBufRead` of the feature `futures`; `try_fill_buf` without it.
    PollFillBuf(u8),
    /// So many 256ths of what was lent, rounded up.
    Consume {
        reader: u8,
        part: u8,
    },
    SetSilent {
        reader: u8,
        silent: bool,
    },
    TerminateReader(u8),

    Drain,
    Terminate,
    DropHandle,
    Closed(Whose),
    PollClosed(u8),
    DropClosed(u8),
    /// Shows everything with `Debug`.
    Show,
}

/// Does `operations` on a channel made by `setup`, then drops everything.
///
/// # Panics
///
/// If the channel does anything that the model does not.
pub(crate) fn run(setup: &Setup, operations: &[Operation]) {
    let mut driver = Driver::new(setup);
    for operation in operations {
        driver.apply(operation);
        driver.check();
    }
    driver.finish();
}

/// The bytes that [`decode`] takes for the setup, and for each operation.
pub(crate) const SETUP: usize = 12;
pub(crate) const OPERATION: usize = 4;

/// Makes a channel and operations of any bytes.
pub(crate) fn decode(data: &[u8]) -> (Setup, Vec<Operation>) {
    let mut head = [0; SETUP];
    let (first, rest) = data.split_at(data.len().min(SETUP));
    head[..first.len()].copy_from_slice(first);
    let [kind, granules, low, high, start @ ..] = head;
    let size = match granules {
        // One granule or a few: this is where most things happen.
        0..192 => 64 << (granules % 5),
        _ => usize::from(u16::from_le_bytes([low, high])) % 4096 + 1,
    };
    let start = match kind >> 5 {
        0 | 1 => 0,
        // Close to the wrap of positions, and of what the gate keeps of them.
        2 | 3 => (1 << 63) - 64 * (1 + u64::from(start[0])),
        4 => (1 << 46) - 64 * (1 + u64::from(start[0])),
        _ => u64::from_le_bytes(start),
    };
    let setup = Setup {
        size,
        start,
        backpressure: if kind & 7 == 7 { Backpressure::Drop } else { Backpressure::Block },
        writer: kind & 8 == 0,
        strong_reader: kind & 16 == 0,
        weak_reader: kind & 3 != 3,
    };
    let capacity = size.next_power_of_two().max(64);
    let chunks = rest.chunks(OPERATION).map(|chunk| {
        let mut bytes = [0; OPERATION];
        bytes[..chunk.len()].copy_from_slice(chunk);
        operation(bytes, capacity)
    });
    (setup, chunks.collect())
}

/// Mostly short, sometimes about as long as the ring.
fn length(byte: u8, capacity: usize) -> usize {
    match usize::from(byte) {
        byte @ 0..128 => byte,
        byte @ 128..192 => (byte - 127) * capacity / 64,
        byte @ 192..224 => (byte - 191) * 64 + 1,
        byte => capacity + (byte - 224) * capacity / 32 - 1,
    }
}

fn operation([code, who, what, more]: [u8; OPERATION], capacity: usize) -> Operation {
    use Operation::*;
    let strong = what & 1 != 0;
    let length = |byte| length(byte, capacity);
    match code {
        0..4 => NewWriter { strong },
        4..6 => CloneWriter(who),
        6..10 => DropWriter(who),
        10..14 => TurnWriter { writer: who, strong },
        14..46 => TryWrite { writer: who, length: length(what) },
        46..52 => TryWriteVectored { writer: who, lengths: [what, more, what ^ more].map(length) },
        52..72 => PollWrite { writer: who, length: length(what) },
        72..84 => TryReserve { writer: who, length: length(what) },
        84..100 => Reserve { writer: who, length: length(what) },
        100 => ShutDown(who),
        101 => TerminateWriter(who),
        102..106 => TryReserveSlice { length: length(what) },
        106..112 => ReserveSlice { length: length(what) },
        112..120 => PollSlice(who),
        120..130 => Fill { slice: who, length: length(what) },
        130..140 => Commit(who),
        140..142 => Abort(who),
        142..144 => Leak(who),
        144..150 => DropSlice(who),
        150..160 => NewReader {
            strong,
            from: match more {
                0..100 => From::Oldest,
                100..180 => From::Now,
                180..=255 => From::Back(length(what) as u64),
            },
        },
        160..164 => CloneReader(who),
        164..170 => DropReader(who),
        170..178 => TurnReader { reader: who, strong },
        178..204 => TryRead { reader: who, length: length(what) },
        204..220 => PollRead { reader: who, length: length(what) },
        220..228 => FillBuf(who),
        228..232 => PollFillBuf(who),
        232..242 => Consume { reader: who, part: what },
        242..244 => SetSilent { reader: who, silent: strong },
        244 => TerminateReader(who),
        245 => Drain,
        246 => Terminate,
        247 => DropHandle,
        248..252 => Closed(match what {
            0..100 => Whose::Channel,
            100..180 => Whose::Writer(who),
            180..=255 => Whose::Reader(who),
        }),
        252..254 => PollClosed(who),
        254 => DropClosed(who),
        255 => Show,
    }
}
