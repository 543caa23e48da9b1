//! Messages that tell who sent them, how many that one had sent before, and whether they are whole;
//! and what is known from them of a reader that received them.
use crc32fast::Hasher;
use overfall::error::Lagged;
use overfall::stats::{ReaderStats, WriterStats};
use overfall::{Channel, Header, Joiner, Message, Missed, Reader};
use overfall_tests::Numbers;
use std::collections::HashMap;
use std::io::{self, ErrorKind};

/// A message begins with its writer, how many messages and bytes that one had sent before, its
/// length and a checksum; then comes filler. A shorter one is filler only.
const HEAD: usize = 28;
pub(crate) const LONGEST: usize = 3000;
const GRANULE: u64 = 64;
/// The positions are numbers of so many bits.
const POSITIONS: u64 = (1 << 63) - 1;

/// Messages, and their payload bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Count {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Count {
    pub(crate) fn new(messages: u64, bytes: u64) -> Self {
        Self { messages, bytes }
    }

    pub(crate) fn of(missed: Missed) -> Self {
        Self::new(missed.messages, missed.bytes)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self::new(self.messages + other.messages, self.bytes + other.bytes)
    }

    fn is_within(self, other: Self) -> bool {
        self.messages <= other.messages && self.bytes <= other.bytes
    }
}

/// What a writer sends.
pub(crate) struct Sender {
    pub(crate) id: u32,
    pub(crate) numbers: Numbers,
    longest: usize,
    /// Dropped ones, too.
    pub(crate) sent: Count,
    /// Writes that were longer than a slice can be, and were seen through.
    pub(crate) long: u64,
    /// The pieces of those that were not: runs of them, and their bytes.
    pub(crate) abandoned: Count,
}

impl Sender {
    pub(crate) fn new(id: u32, longest: usize, numbers: Numbers) -> Self {
        let (sent, abandoned) = (Count::default(), Count::default());
        Self { id, numbers, longest: longest.min(LONGEST), sent, long: 0, abandoned }
    }

    /// The next message. It stays the next one until it is counted.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let length = self.length();
        compose(self.id, self.sent, length)
    }

    /// Several messages, which take so many ring bytes at most.
    pub(crate) fn batch(&mut self, room: usize) -> Vec<Vec<u8>> {
        let mut before = self.sent;
        let mut left = room;
        let mut batch = Vec::new();
        for _ in 0..self.numbers.below(9) {
            let length = self.length();
            let size = length.max(1).next_multiple_of(GRANULE as usize);
            if size > left {
                break;
            }
            left -= size;
            batch.push(compose(self.id, before, length));
            before = before.plus(Count::new(1, length as u64));
        }
        batch
    }

    fn length(&mut self) -> usize {
        let numbers = &mut self.numbers;
        let length = match numbers.below(10) {
            0 => 0,
            1 => 1 + numbers.below(HEAD),
            2..6 => HEAD + numbers.below(100),
            // With whole granules there is nothing between a message and the next.
            6 => 64 * (1 + numbers.below(4)),
            7 | 8 => HEAD + numbers.below(600),
            _ => HEAD + numbers.below(self.longest - HEAD),
        };
        length.min(self.longest)
    }

    /// A message of so many bytes.
    pub(crate) fn long(&self, length: usize) -> Vec<u8> {
        compose(self.id, self.sent, length)
    }

    /// The last message: long enough to tell everything.
    pub(crate) fn last(&self) -> Vec<u8> {
        compose(self.id, self.sent, HEAD)
    }

    /// A message of so many bytes was sent.
    pub(crate) fn count(&mut self, length: usize) {
        self.sent = self.sent.plus(Count::new(1, length as u64));
    }

    /// What the writer counted is what it sent.
    pub(crate) fn check(&self, stats: &WriterStats) {
        let sent = Count::new(stats.slices, stats.payload_bytes);
        let dropped = Count::new(stats.dropped_slices, stats.dropped_bytes);
        assert_eq!(sent.plus(dropped), self.sent, "{stats:?}");
    }
}

fn compose(id: u32, before: Count, length: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(length);
    if length >= HEAD {
        message.extend(id.to_le_bytes());
        message.extend(before.messages.to_le_bytes());
        message.extend(before.bytes.to_le_bytes());
        message.extend((length as u32).to_le_bytes());
        message.extend([0; 4]);
    }
    let start = message.len();
    message.extend((start..length).map(|index| filler(id, before.messages, index)));
    if length >= HEAD {
        let checksum = checksum(&message);
        message[HEAD - 4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    }
    message
}

fn filler(id: u32, sequence: u64, index: usize) -> u8 {
    (index as u8).wrapping_mul(31) ^ (id as u8).wrapping_mul(7) ^ (sequence as u8)
}

fn checksum(message: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&message[..HEAD - 4]);
    hasher.update(&message[HEAD..]);
    hasher.finalize()
}

/// Checks that a message, or a write of several slices, is whole, and tells what was sent before it,
/// if it is long enough to say so.
fn open(message: &[u8], id: u32, sequence: Option<u64>) -> Option<Count> {
    if message.len() < HEAD {
        let fits = |(index, &byte): (usize, &u8)| {
            // Who wrote through the handle of the channel has no number to go by.
            sequence.is_none_or(|sequence| byte == filler(id, sequence, index))
        };
        assert!(message.iter().enumerate().all(fits), "not of {id}, {sequence:?}: {message:?}");
        return None;
    }
    let short = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().expect("four"));
    let long = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().expect("eight"));
    assert_eq!(short(20) as usize, message.len(), "a message that is not whole");
    assert_eq!(short(HEAD - 4), checksum(message), "a message that is not as it was");
    assert_eq!(short(0), id, "somebody else sent it");
    assert!(sequence.is_none_or(|sequence| sequence == long(4)), "{sequence:?}, not {}", long(4));
    Some(Count::new(long(4), long(12)))
}

/// What a reader knows of a writer.
#[derive(Default)]
pub(crate) struct Account {
    /// The sequence number that comes next, if that is known.
    next: Option<u64>,
    /// The bytes sent before that, if they are.
    next_bytes: Option<u64>,
    /// Whether bytes were read since its last message: then the reader may have begun anew, or not.
    is_unsure: bool,
    pub(crate) received: Count,
    pub(crate) missed: Count,
    /// A long write, and the number of its first piece.
    begun: Option<(u64, Vec<u8>)>,
    pub(crate) long: u64,
}

/// Checks what a reader receives.
pub(crate) struct Checker {
    pub(crate) accounts: HashMap<u32, Account>,
    /// Whether it is there before anything is sent.
    is_early: bool,
    /// Of the numbers and places of all messages, in their order.
    order: Hasher,
    /// Where the next slice can begin at the earliest.
    cursor: Option<u64>,
    /// Ring bytes of a gap that was told since.
    gap: u64,
    /// The ring bytes of all messages.
    taken: u64,
    skipped: u64,
    pub(crate) gaps: u64,
    pub(crate) received: Count,
    pub(crate) missed: Count,
    joiner: Option<Joiner>,
}

impl Checker {
    /// For a reader that is there before anything is sent, or one that is not.
    pub(crate) fn new(is_early: bool) -> Self {
        Self {
            accounts: HashMap::new(),
            is_early,
            order: Hasher::new(),
            cursor: None,
            gap: 0,
            taken: 0,
            skipped: 0,
            gaps: 0,
            received: Count::default(),
            missed: Count::default(),
            joiner: None,
        }
    }

    /// Compares with a joiner, too, which needs to see all messages as such.
    pub(crate) fn with_joiner(self) -> Self {
        Self { joiner: Some(Joiner::new()), ..self }
    }

    pub(crate) fn has_joiner(&self) -> bool {
        self.joiner.is_some()
    }

    /// What the joiner left out.
    pub(crate) fn left_out(&self) -> Option<Count> {
        self.joiner.as_ref().map(|joiner| Count::of(joiner.left_out()))
    }

    /// A message was received.
    pub(crate) fn take(&mut self, message: &Message<'_>) {
        assert!(message.is_empty() || message.as_ptr() as usize % 64 == 0);
        let whole = self.take_parts(&message.header(), message);
        let Some(joiner) = &mut self.joiner else { return };
        let joined = joiner.join(message);
        match (&joined, whole) {
            (Some(joined), Some(Some(long))) => assert_eq!(**joined, *long),
            (Some(joined), Some(None)) => assert_eq!(**joined, **message),
            (None, None) => {}
            (_, whole) => panic!("{joined:?} where {whole:?} was to be expected"),
        }
    }

    /// Bytes were received. Tells whether they complete anything, and what, if it was in pieces.
    pub(crate) fn take_parts(&mut self, header: &Header, bytes: &[u8]) -> Option<Option<Vec<u8>>> {
        assert_eq!(header.len as usize, bytes.len());
        self.go_on(header);
        let count = Count::new(1, bytes.len() as u64);
        self.received = self.received.plus(count);
        self.missed = self.missed.plus(Count::of(header.missed));
        let account = self.accounts.entry(header.writer).or_insert_with(|| {
            let known = self.is_early.then_some(0);
            // A reader that comes late is told what it missed since, and not what was sent before.
            let is_unsure = !self.is_early;
            Account { next: known, next_bytes: known, is_unsure, ..Account::default() }
        });
        account.received = account.received.plus(count);
        if header.writer == 0 {
            account.take_of_channel(header, bytes);
            return Some(None);
        }
        account.take(header, bytes)
    }

    /// Goes past the message, which begins behind the one before and behind the gap.
    fn go_on(&mut self, header: &Header) {
        self.order.update(&header.writer.to_le_bytes());
        self.order.update(&header.sequence.to_le_bytes());
        self.order.update(&header.position.to_le_bytes());
        let position = header.position;
        assert_eq!(position % GRANULE, 0);
        if let Some(cursor) = self.cursor {
            let way = position.wrapping_sub(cursor) & POSITIONS;
            assert!(way < POSITIONS / 2 && way >= self.gap, "{way} on, with {} skipped", self.gap);
        }
        self.gap = 0;
        let size = u64::from(header.len).max(1).next_multiple_of(GRANULE);
        self.taken += size;
        self.cursor = Some((position + size) & POSITIONS);
    }

    /// A gap was told.
    pub(crate) fn gap(&mut self, skipped: u64) {
        assert!(skipped > 0);
        self.gap += skipped;
        self.skipped += skipped;
        self.gaps += 1;
    }

    /// What an error says is no harm: there was nothing yet, or a gap.
    pub(crate) fn excuse(&mut self, error: &io::Error) {
        if error.kind() != ErrorKind::WouldBlock {
            let lagged = error.get_ref().and_then(|error| error.downcast_ref::<Lagged>());
            self.gap(lagged.expect("nothing else can go wrong").ring_bytes);
        }
    }

    /// Bytes were read, so that it is not known what comes next.
    pub(crate) fn restart(&mut self) {
        self.is_early = false;
        self.cursor = None;
        self.gap = 0;
        for account in self.accounts.values_mut() {
            (account.next, account.next_bytes, account.begun) = (None, None, None);
            account.is_unsure = true;
        }
    }

    /// The order in which everything came.
    pub(crate) fn order(&self) -> u32 {
        self.order.clone().finalize()
    }

    /// What the reader counted is what it received, and every ring byte since it stood at `start` is
    /// accounted for.
    pub(crate) fn check(&self, start: u64, reader: &Reader, is_silent: bool) {
        let stats: ReaderStats = reader.stats();
        let way = stats.position.wrapping_sub(start) & POSITIONS;
        assert_eq!(stats.payload_bytes, self.received.bytes, "{stats:?}");
        let all = stats.payload_bytes + stats.padding_bytes + stats.skipped_ring_bytes;
        assert_eq!(all, way, "from {start}: {stats:?}");
        assert!(self.taken + stats.skipped_ring_bytes <= way, "{} taken: {stats:?}", self.taken);
        if is_silent {
            assert_eq!(self.gaps, 0);
        } else {
            assert_eq!(stats.skipped_ring_bytes, self.skipped, "{stats:?}");
            assert!(stats.gaps >= self.gaps, "{} gaps: {stats:?}", self.gaps);
        }
    }

    /// The reader has missed what of all that was sent it has not received.
    pub(crate) fn check_all(&self, reader: &Reader, sent: Count) {
        let missed = Count::of(reader.missed());
        assert_eq!(self.received.plus(missed), sent, "{reader:?}");
        let by_writer = reader.missed_by_writer().map(|(_, missed)| Count::of(missed));
        assert_eq!(by_writer.fold(Count::default(), Count::plus), missed);
    }

    /// The reader says of this writer what the messages told.
    pub(crate) fn check_told(&self, reader: &Reader, id: u32) {
        let told = reader.missed_by_writer().find(|(writer, _)| *writer == id);
        let told = told.map_or(Count::default(), |(_, missed)| Count::of(missed));
        assert_eq!(told, self.accounts[&id].missed, "of {id}");
    }

    /// Whatever this writer sent was received or missed. Tells how much was missed.
    pub(crate) fn check_sum(&self, id: u32, sent: Count) -> Count {
        let Some(account) = self.accounts.get(&id) else { panic!("nothing of {id} came") };
        assert_eq!(account.received.plus(account.missed), sent, "of {id}");
        assert_eq!((account.next, account.next_bytes), (Some(sent.messages), Some(sent.bytes)));
        account.missed
    }

    /// No more came of this writer, which may be gone, than it sent.
    pub(crate) fn check_bound(&self, id: u32, sent: Count) {
        if let Some(account) = self.accounts.get(&id) {
            assert!(account.received.plus(account.missed).is_within(sent), "of {id}");
        }
    }
}

impl Account {
    fn take(&mut self, header: &Header, bytes: &[u8]) -> Option<Option<Vec<u8>>> {
        let (sequence, missed) = (header.sequence, Count::of(header.missed));
        let is_piece = header.continues || header.is_continued;
        let told = if is_piece { None } else { open(bytes, header.writer, Some(sequence)) };
        let told = told.map(|before| before.bytes);
        self.missed = self.missed.plus(missed);
        if let Some(next) = self.next {
            assert_eq!(next + missed.messages, sequence, "missed {missed:?} of {}", header.writer);
        } else if missed.messages > 0 && !self.is_unsure {
            // A writer that came later than the reader: all that it sent before was missed.
            assert_eq!(missed.messages, sequence);
        }
        assert!(missed.messages > 0 || missed.bytes == 0);
        let before = match (self.next, self.next_bytes) {
            (_, Some(bytes)) => Some(bytes + missed.bytes),
            (None, None) if missed.messages > 0 && !self.is_unsure => Some(missed.bytes),
            (_, None) => told,
        };
        if told.is_some() {
            assert_eq!(before, told, "missed {missed:?} of {}", header.writer);
        }
        self.is_unsure = false;
        self.next = Some(sequence + 1);
        self.next_bytes = before.map(|before| before + bytes.len() as u64);
        let begun = self.begun.take();
        if !is_piece {
            return Some(None);
        }
        let (first, mut long) = if header.continues {
            // Nothing to go on with, if the beginning was missed.
            begun.filter(|_| missed.messages == 0)?
        } else {
            (sequence, Vec::new())
        };
        long.extend_from_slice(bytes);
        if header.is_continued {
            self.begun = Some((first, long));
            return None;
        }
        let before = open(&long, header.writer, Some(first)).expect("long enough");
        assert!(self.next_bytes.is_none_or(|next| next == before.bytes + long.len() as u64));
        self.long += 1;
        Some(Some(long))
    }

    /// Slices of the channel's own have no numbers; those inside of them rise.
    fn take_of_channel(&mut self, header: &Header, bytes: &[u8]) {
        assert!(header.missed.is_none());
        assert!(!header.continues && !header.is_continued);
        if let Some(before) = open(bytes, 0, None) {
            assert!(self.next.is_none_or(|next| before.messages >= next));
            self.next = Some(before.messages + 1);
        }
    }
}

/// The name that a writer gives itself.
pub(crate) fn name(id: u32) -> String {
    format!("writer {id}")
}

/// The writer of a message that is still there is known by its name.
pub(crate) fn check_name(channel: &Channel, header: &Header) {
    if header.writer != 0 {
        let found = channel.writer_name(header.writer);
        assert_eq!(found.as_deref(), Some(&*name(header.writer)));
    }
}
