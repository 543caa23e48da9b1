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
use overfall::{AfterLast, Backpressure};

/// What the channel is like at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Setup {
    pub(crate) size: usize,
    pub(crate) start: u64,
    pub(crate) backpressure: Backpressure,
    pub(crate) waits_for_first: bool,
    pub(crate) after_last: AfterLast,
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
    Newest,
}

/// Who is asked to wait for the end, or until what was sent has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whose {
    Channel,
    Writer(u8),
    Reader(u8),
}

/// The lengths of some messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Batch {
    lengths: [usize; 4],
    many: usize,
}

impl Batch {
    fn lengths(&self) -> &[usize] {
        &self.lengths[..self.many]
    }
}

/// How to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    One,
    Into,
    Many(usize),
    /// Looks at it, and receives it when it is given back, unless that is leaked.
    Peek,
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
    SetBackpressure {
        writer: u8,
        drops: bool,
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
    /// Reserves and gives up, several times in a row: nothing moves positions faster.
    GiveUp {
        writer: u8,
        length: usize,
        times: u8,
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

    TrySend {
        writer: u8,
        length: usize,
    },
    /// Makes the future, and polls it once.
    Send {
        writer: u8,
        length: usize,
    },
    TrySendMany {
        writer: u8,
        batch: Batch,
    },
    /// Makes the future, and polls it once.
    SendMany {
        writer: u8,
        batch: Batch,
    },
    /// The same. The message is dropped once it is given up.
    SendOrDrop {
        writer: u8,
        length: usize,
    },
    PollSend(u8),
    /// The time of a message that is to be sent or dropped is up. Polls the future.
    GiveUpSend(u8),
    DropSend(u8),

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
    /// Also of a reader that has messages in hand.
    TakeHold {
        reader: u8,
        ends: bool,
    },

    /// With a future, which is polled once, or without. What is lent is kept for a while, or given
    /// back at once.
    Receive {
        reader: u8,
        form: Form,
        waits: bool,
        keeps: bool,
    },
    PollReceipt(u8),
    /// Drops what was lent, or the future that waits for it, or leaks what was lent.
    GiveBack {
        receipt: u8,
        leaks: bool,
    },
    SkipRest(u8),
    SkipTo {
        reader: u8,
        start: From,
    },

    Drain,
    Fail,
    FailWriter(u8),
    Terminate,
    DropHandle,
    Closed(Whose),
    PollClosed(u8),
    DropClosed(u8),
    Flushed(Whose),
    PollFlushed(u8),
    DropFlushed(u8),
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
        // Close to the wrap of positions, and of what users see of them; and to where they change their
        // sign.
        2 | 3 => (1 << 63) - 64 * (1 + u64::from(start[0])),
        4 => (1 << 62) - 64 * (1 + u64::from(start[0])),
        _ => u64::from_le_bytes(start),
    };
    let setup = Setup {
        size,
        start,
        backpressure: if kind & 7 == 7 { Backpressure::Drop } else { Backpressure::Block },
        // Bits that no size is made of.
        waits_for_first: high & 0x40 != 0,
        after_last: match high >> 4 & 3 {
            0 | 1 => AfterLast::Overwrite,
            2 => AfterLast::Wait,
            _ => AfterLast::Close,
        },
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

/// Mostly several short ones.
fn batch([who, what, more]: [u8; 3], capacity: usize) -> Batch {
    let bytes = [what, more, what ^ more, what.wrapping_add(more)];
    let is_short = who & 7 != 7;
    let lengths = bytes.map(|byte| length(if is_short { byte % 128 } else { byte }, capacity));
    Batch { lengths, many: usize::from(who >> 5) % 5 }
}

fn whose(who: u8, what: u8) -> Whose {
    match what {
        0..100 => Whose::Channel,
        100..180 => Whose::Writer(who),
        180..=255 => Whose::Reader(who),
    }
}

fn operation([code, who, what, more]: [u8; OPERATION], capacity: usize) -> Operation {
    use Operation::*;
    let strong = what & 1 != 0;
    let length = |byte| length(byte, capacity);
    let batch = || batch([who, what, more], capacity);
    match code {
        0..4 => NewWriter { strong },
        4..6 => CloneWriter(who),
        6..10 => DropWriter(who),
        10..12 => TurnWriter { writer: who, strong },
        12 => SetBackpressure { writer: who, drops: strong },
        13..33 => TryWrite { writer: who, length: length(what) },
        33..37 => TryWriteVectored { writer: who, lengths: [what, more, what ^ more].map(length) },
        37..49 => PollWrite { writer: who, length: length(what) },
        49..57 => TryReserve { writer: who, length: length(what) },
        57..62 => Reserve { writer: who, length: length(what) },
        62..67 => GiveUp { writer: who, length: length(what), times: 1 + more % 16 },
        67 => ShutDown(who),
        68 => TerminateWriter(who),
        69..83 => TrySend { writer: who, length: length(what) },
        83..88 => Send { writer: who, length: length(what) },
        88..91 => SendOrDrop { writer: who, length: length(what) },
        91..98 => TrySendMany { writer: who, batch: batch() },
        98..105 => SendMany { writer: who, batch: batch() },
        105..108 => PollSend(who),
        108 => GiveUpSend(who),
        109 => DropSend(who),
        110..113 => TryReserveSlice { length: length(what) },
        113..117 => ReserveSlice { length: length(what) },
        117..123 => PollSlice(who),
        123..130 => Fill { slice: who, length: length(what) },
        130..138 => Commit(who),
        138..140 => Abort(who),
        140..142 => Leak(who),
        142..146 => DropSlice(who),
        146..154 => NewReader {
            strong,
            from: match more {
                0..100 => From::Oldest,
                100..160 => From::Now,
                160..180 => From::Newest,
                180..=255 => From::Back(length(what) as u64),
            },
        },
        154..158 => CloneReader(who),
        158..162 => DropReader(who),
        162..170 => TurnReader { reader: who, strong },
        170..184 => TryRead { reader: who, length: length(what) },
        184..192 => PollRead { reader: who, length: length(what) },
        192..198 => FillBuf(who),
        198..201 => PollFillBuf(who),
        201..208 => Consume { reader: who, part: what },
        208..210 => SetSilent { reader: who, silent: strong },
        210 => TerminateReader(who),
        211..234 => Receive {
            reader: who,
            form: match what {
                0..80 => Form::One,
                80..120 => Form::Peek,
                120..160 => Form::Into,
                160..=255 => Form::Many(usize::from(what % 9)),
            },
            waits: more & 1 != 0,
            keeps: more & 6 == 0,
        },
        234..237 => PollReceipt(who),
        237..240 => GiveBack { receipt: who, leaks: what & 7 == 7 },
        240..242 => TakeHold { reader: who, ends: what > 200 },
        242 => SkipRest(who),
        243..245 => SkipTo {
            reader: who,
            start: match more {
                0..20 => From::Oldest,
                20..100 => From::Now,
                100..180 => From::Newest,
                180..=255 => From::Back(length(what) as u64),
            },
        },
        245 => match what & 7 {
            6 => Fail,
            7 => FailWriter(who),
            _ => Drain,
        },
        246 => Terminate,
        247 => DropHandle,
        248..250 => Closed(whose(who, what)),
        250..252 => Flushed(whose(who, what)),
        252 => PollClosed(who),
        253 => PollFlushed(who),
        254 if strong => DropClosed(who),
        254 => DropFlushed(who),
        255 => Show,
    }
}
