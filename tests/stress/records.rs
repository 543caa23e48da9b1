//! Slices that tell who wrote them, how many that one had written before, and whether they are
//! whole.
use crc32fast::Hasher;
use overfall::stats::ReaderStats;
use overfall_tests::Numbers;

/// A record begins with a byte that tells its kind and writer, and is one slice: a head, then filler.
const HEAD: usize = 11;
/// Of a record that is this byte and nothing else.
const LONE: u8 = 0x80;
pub(crate) const LONGEST: usize = 5000;
/// The positions are numbers of so many bits.
const POSITIONS: u64 = (1 << 63) - 1;

/// What a writer writes.
pub(crate) struct Records {
    writer: u8,
    pub(crate) longest: usize,
    numbers: Numbers,
    sequence: u32,
    pub(crate) payload: u64,
    pub(crate) slices: u64,
}

impl Records {
    pub(crate) fn new(writer: u8, longest: usize, seed: u64) -> Self {
        let longest = longest.min(LONGEST);
        let numbers = Numbers::new(seed);
        Self { writer, longest, numbers, sequence: 0, payload: 0, slices: 0 }
    }

    /// The next record. It stays the next one until it is counted.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let numbers = &mut self.numbers;
        let length = match numbers.below(8) {
            0 => return vec![LONE | self.writer],
            1..5 => HEAD + numbers.below(120),
            5 | 6 => HEAD + numbers.below(1000),
            _ => HEAD + numbers.below(self.longest),
        };
        let length = length.min(self.longest);
        let mut record = vec![self.writer];
        record.extend(self.sequence.to_le_bytes());
        record.extend((length as u16).to_le_bytes());
        record.extend([0; 4]);
        let filler = numbers.below(256) as u8;
        record.extend((HEAD..length).map(|index| (index as u8).wrapping_mul(31) ^ filler));
        let checksum = checksum(&record);
        record[HEAD - 4..HEAD].copy_from_slice(&checksum.to_le_bytes());
        record
    }

    /// `record` was written.
    pub(crate) fn count(&mut self, record: &[u8]) {
        self.sequence += u32::from(record[0] & LONE == 0);
        self.payload += record.len() as u64;
        self.slices += 1;
    }

    /// The records that are numbered.
    pub(crate) fn sequence(&self) -> u32 {
        self.sequence
    }
}

fn checksum(record: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&record[..HEAD - 4]);
    hasher.update(&record[HEAD..]);
    hasher.finalize()
}

/// Checks what a reader reads.
pub(crate) struct Checker {
    /// The beginning of a record.
    begun: Vec<u8>,
    /// What each writer comes to next; unknown at first, and after a gap only that it has grown.
    next: Vec<Option<u32>>,
    after_gap: Vec<bool>,
    /// Of all bytes, in their order.
    order: Hasher,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) gaps: u64,
}

impl Checker {
    /// For a reader that is there before anything is written; or, if `late`, for one that is not.
    pub(crate) fn new(writers: usize, late: bool) -> Self {
        Self {
            begun: Vec::new(),
            next: vec![(!late).then_some(0); writers],
            after_gap: vec![false; writers],
            order: Hasher::new(),
            bytes: 0,
            records: 0,
            gaps: 0,
        }
    }

    /// More was read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.order.update(bytes);
        self.bytes += bytes.len() as u64;
        self.begun.extend_from_slice(bytes);
        let mut rest = &self.begun[..];
        while let Some(&first) = rest.first() {
            let length = match rest.get(5..7) {
                _ if first & LONE != 0 => 1,
                Some(length) => usize::from(u16::from_le_bytes([length[0], length[1]])),
                None => break,
            };
            assert!(length == 1 || (HEAD..=LONGEST).contains(&length), "a length of {length}");
            let Some((record, more)) = rest.split_at_checked(length) else { break };
            rest = more;
            self.records += 1;
            if first & LONE != 0 {
                assert!(usize::from(first & !LONE) < self.next.len(), "writer {first:#x}");
                continue;
            }
            let number =
                |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes"));
            assert_eq!(checksum(record), number(HEAD - 4), "a record that is not whole");
            let (writer, sequence) = (usize::from(first), number(1));
            let after_gap = std::mem::take(&mut self.after_gap[writer]);
            if let Some(next) = self.next[writer] {
                let fits = if after_gap { sequence >= next } else { sequence == next };
                assert!(fits, "writer {writer} wrote {sequence} where {next} comes next");
            }
            self.next[writer] = Some(sequence + 1);
        }
        let left = rest.len();
        self.begun.drain(..self.begun.len() - left);
    }

    /// Something was missed: what comes next is the start of a slice.
    pub(crate) fn gap(&mut self) {
        self.begun.clear();
        self.after_gap.fill(true);
        self.gaps += 1;
    }

    /// What was read, for comparison: its order, its bytes, and what each writer has come to.
    pub(crate) fn sum(&self) -> (u32, u64, Vec<Option<u32>>) {
        assert!(self.begun.is_empty(), "the last record is not whole");
        (self.order.clone().finalize(), self.bytes, self.next.clone())
    }

    /// Every ring byte since the reader stood at `start` is accounted for.
    pub(crate) fn check_accounts(&self, start: u64, stats: &ReaderStats) {
        let come = stats.position.wrapping_sub(start) & POSITIONS;
        assert_eq!(stats.payload_bytes, self.bytes, "{stats:?}");
        assert_eq!(
            stats.payload_bytes + stats.padding_bytes + stats.skipped_ring_bytes,
            come,
            "from {start}: {stats:?}"
        );
        assert_eq!(stats.gaps > 0, stats.skipped_ring_bytes > 0, "{stats:?}");
    }
}
