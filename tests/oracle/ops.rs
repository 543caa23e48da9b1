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
    for (number, operation) in operations.iter().enumerate() {
        let trace = Trace(setup, &operations[..=number]);
        driver.apply(operation);
        driver.check();
        std::mem::forget(trace);
    }
    driver.finish();
}

/// Shows what led to a panic.
struct Trace<'a>(&'a Setup, &'a [Operation]);

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        eprintln!("{:?}", self.0);
        for (number, operation) in self.1.iter().enumerate() {
            eprintln!("{number:4}: {operation:?}");
        }
    }
}

/// Bytes, one after the other; zeros follow the last.
struct Bytes<'a> {
    left: std::slice::Iter<'a, u8>,
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.left.next().copied().unwrap_or(0)
    }

    fn flag(&mut self) -> bool {
        self.next() & 1 != 0
    }

    fn wide(&mut self) -> u16 {
        u16::from_le_bytes([self.next(), self.next()])
    }

    /// Mostly short, sometimes about as long as the ring.
    fn length(&mut self, capacity: usize) -> usize {
        match usize::from(self.next()) {
            byte @ 0..128 => byte,
            byte @ 128..192 => (byte - 127) * capacity / 64,
            byte @ 192..224 => (byte - 191) * 64 + 1,
            byte => capacity + (byte - 224) * capacity / 32 - 1,
        }
    }
}

/// Makes a channel and operations of any bytes.
pub(crate) fn decode(data: &[u8]) -> (Setup, Vec<Operation>) {
    let bytes = &mut Bytes { left: data.iter() };
    let kind = bytes.next();
    let size = match bytes.next() {
        // One granule or a few: this is where most things happen.
        byte @ 0..192 => 64 << (byte % 5),
        _ => usize::from(bytes.wide()) % 4096 + 1,
    };
    let start = match kind >> 5 {
        0 | 1 => 0,
        // Close to the wrap of positions, and of what the gate keeps of them.
        2 | 3 => (1 << 63) - 64 * (1 + u64::from(bytes.next())),
        4 => (1 << 46) - 64 * (1 + u64::from(bytes.next())),
        _ => (0..8).fold(0, |start, _| start << 8 | u64::from(bytes.next())),
    };
    let setup = Setup {
        size,
        start,
        backpressure: if kind & 7 == 0 { Backpressure::Drop } else { Backpressure::Block },
        writer: kind & 8 == 0,
        strong_reader: kind & 16 == 0,
        weak_reader: kind & 3 != 3,
    };
    let capacity = size.next_power_of_two().max(64);
    let mut operations = Vec::new();
    while bytes.left.len() > 0 {
        operations.push(operation(bytes, capacity));
    }
    (setup, operations)
}

fn operation(bytes: &mut Bytes<'_>, capacity: usize) -> Operation {
    use Operation::*;
    match bytes.next() {
        0..4 => NewWriter { strong: bytes.flag() },
        4..6 => CloneWriter(bytes.next()),
        6..10 => DropWriter(bytes.next()),
        10..14 => TurnWriter { writer: bytes.next(), strong: bytes.flag() },
        14..46 => TryWrite { writer: bytes.next(), length: bytes.length(capacity) },
        46..52 => TryWriteVectored {
            writer: bytes.next(),
            lengths: [(); 3].map(|()| bytes.length(capacity)),
        },
        52..72 => PollWrite { writer: bytes.next(), length: bytes.length(capacity) },
        72..84 => TryReserve { writer: bytes.next(), length: bytes.length(capacity) },
        84..100 => Reserve { writer: bytes.next(), length: bytes.length(capacity) },
        100 => ShutDown(bytes.next()),
        101 => TerminateWriter(bytes.next()),
        102..106 => TryReserveSlice { length: bytes.length(capacity) },
        106..112 => ReserveSlice { length: bytes.length(capacity) },
        112..120 => PollSlice(bytes.next()),
        120..130 => Fill { slice: bytes.next(), length: bytes.length(capacity) },
        130..140 => Commit(bytes.next()),
        140..142 => Abort(bytes.next()),
        142..144 => Leak(bytes.next()),
        144..150 => DropSlice(bytes.next()),
        150..160 => NewReader {
            strong: bytes.flag(),
            from: match bytes.next() {
                0..100 => From::Oldest,
                100..180 => From::Now,
                180..=255 => From::Back(bytes.length(capacity) as u64),
            },
        },
        160..164 => CloneReader(bytes.next()),
        164..170 => DropReader(bytes.next()),
        170..178 => TurnReader { reader: bytes.next(), strong: bytes.flag() },
        178..204 => TryRead { reader: bytes.next(), length: bytes.length(capacity) },
        204..220 => PollRead { reader: bytes.next(), length: bytes.length(capacity) },
        220..228 => FillBuf(bytes.next()),
        228..232 => PollFillBuf(bytes.next()),
        232..242 => Consume { reader: bytes.next(), part: bytes.next() },
        242..244 => SetSilent { reader: bytes.next(), silent: bytes.flag() },
        244 => TerminateReader(bytes.next()),
        245 => Drain,
        246 => Terminate,
        247 => DropHandle,
        248..252 => Closed(match bytes.next() {
            0..100 => Whose::Channel,
            byte @ 100..180 => Whose::Writer(byte),
            byte => Whose::Reader(byte),
        }),
        252..254 => PollClosed(bytes.next()),
        254 => DropClosed(bytes.next()),
        255 => Show,
    }
}
