//! A spool that keeps its last bytes alone, beside a `Vec` with the obvious rules.

use super::{OPERATION, SETUP, growth};
use overfall::spool::{
    Growth, ReadError, Retain, SeekError, Spool, SpoolReader, SpoolWriter, Start, StartError,
    WriteError,
};
use std::io::{ErrorKind, SeekFrom};

/// What may happen. Readers are told by their number, modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Write(u8),
    Fill(u8),
    NextWriter,
    Finish,
    Reader(Place, bool),
    Clone(u8),
    DropReader(u8),
    Close(u8),
    Weak(u8),
    Strong(u8),
    Read(u8, u8),
    Lend(u8, u8),
    ReadAt(u8, u8, u16),
    Seek(u8, i16),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Oldest,
    At(u16),
    End,
    Back(u8),
}

fn place(what: u8, more: u8) -> Place {
    match what {
        0..60 => Place::Oldest,
        60..130 => Place::At(u16::from_le_bytes([more, what % 4])),
        130..180 => Place::End,
        180..=255 => Place::Back(more),
    }
}

pub(super) fn op([code, who, what, more]: [u8; OPERATION]) -> Op {
    match code {
        0..64 => Op::Write(what % 60),
        64..80 => Op::Fill(what % 60),
        // Seldom, since little happens after it.
        80 if what < 20 => Op::Finish,
        80..88 => Op::NextWriter,
        88..104 => Op::Reader(place(what, more), who & 1 != 0),
        104..108 => Op::Clone(who),
        108..116 => Op::DropReader(who),
        116..120 => Op::Close(who),
        120..124 => Op::Weak(who),
        124..128 => Op::Strong(who),
        128..184 => Op::Read(who, what % 90),
        184..216 => Op::Lend(who, what),
        216..228 => Op::ReadAt(who, 1 + what % 39, u16::from_le_bytes([more, what % 4])),
        228..=255 => Op::Seek(who, i16::from(more) - 170),
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    growth: Growth,
    retain: u64,
    is_in_file: bool,
}

pub(super) fn setting([_, _, _, kind, first, more, retain, store]: [u8; SETUP]) -> Setting {
    let growth = growth([kind, first, more]);
    // Other systems cannot let go of what lies in a file.
    let is_in_file = store % 2 == 1 && cfg!(target_os = "linux");
    Setting { growth, retain: largest(growth) + u64::from(retain % 100), is_in_file }
}

pub(super) fn run(setting: Setting, ops: &[Op]) {
    let mut run = Run::new(setting);
    for &op in ops {
        run.step(op);
        run.check();
    }
}

fn largest(growth: Growth) -> u64 {
    match growth {
        Growth::Constant { size: max }
        | Growth::Linear { max, .. }
        | Growth::Geometric { max, .. } => max as u64,
        other => panic!("{other:?}"),
    }
}

struct Reader {
    real: SpoolReader,
    position: u64,
    is_strong: bool,
    is_closed: bool,
}

/// Runs both beside each other.
struct Run {
    spool: Spool,
    writer: Option<SpoolWriter>,
    readers: Vec<Reader>,
    bytes: Vec<u8>,
    /// What is to be retained, and the size of the largest segment.
    retain: u64,
    segment: u64,
    begin: u64,
    is_finished: bool,
    next: u8,
}

impl Run {
    fn new(Setting { growth, retain, is_in_file }: Setting) -> Self {
        let builder = Spool::builder().growth(growth).retain(Retain::Last(retain));
        let spool = match is_in_file {
            true => builder.temp_file().unwrap(),
            false => builder.build().unwrap(),
        };
        Self {
            writer: spool.writer().ok(),
            spool,
            readers: Vec::new(),
            bytes: Vec::new(),
            retain,
            segment: largest(growth),
            begin: 0,
            is_finished: false,
            next: 0,
        }
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The room that strong readers leave.
    fn room(&self) -> usize {
        let strong = self.readers.iter().filter(|reader| reader.is_strong && !reader.is_closed);
        let slowest = strong.map(|reader| reader.position).min().unwrap_or(1 << 40);
        usize::try_from((slowest + self.retain).saturating_sub(self.len())).unwrap_or(usize::MAX)
    }

    fn some(&mut self, length: u8) -> Vec<u8> {
        (0..length)
            .map(|_| {
                self.next = self.next.wrapping_mul(5).wrapping_add(1);
                self.next
            })
            .collect()
    }

    fn reader(&self, number: u8) -> Option<usize> {
        usize::from(number).checked_rem(self.readers.len())
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Write(length) => {
                let (bytes, room) = (self.some(length), self.room());
                let Some(writer) = &mut self.writer else { return };
                match writer.try_write(&bytes) {
                    Ok(written) => assert_eq!(written, bytes.len().min(room)),
                    Err(error) => {
                        assert_eq!((error, room), (WriteError::Full { bytes: self.retain }, 0))
                    }
                }
                self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Op::Fill(length) => {
                let (bytes, room) = (self.some(length), self.room());
                let Some(writer) = &mut self.writer else { return };
                let filled = writer.fill(|buffer| {
                    assert!(!buffer.is_empty() && buffer.len() <= room);
                    let length = bytes.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&bytes[..length]);
                    Ok(length)
                });
                match filled {
                    Ok(filled) => self.bytes.extend_from_slice(&bytes[..filled]),
                    Err(error) => assert_eq!((error.kind(), room), (ErrorKind::WouldBlock, 0)),
                }
            }
            Op::NextWriter => {
                if let Some(writer) = self.writer.take() {
                    writer.release();
                    self.writer = self.spool.writer().ok();
                }
            }
            Op::Finish => {
                if let Some(writer) = self.writer.take() {
                    assert_eq!(writer.finish(), Ok(self.len()));
                    self.is_finished = true;
                }
            }
            Op::Reader(place, is_strong) => self.begin_at(place, is_strong),
            Op::Clone(number) => {
                let Some(number) = self.reader(number) else { return };
                let Reader { position, is_strong, .. } = self.readers[number];
                // A strong one of which the original was closed may be passed, and holds the writer up.
                if is_strong && position < self.begin {
                    return;
                }
                let real = self.readers[number].real.clone();
                self.readers.push(Reader { real, position, is_strong, is_closed: false });
            }
            Op::DropReader(number) => {
                if let Some(number) = self.reader(number) {
                    self.readers.swap_remove(number);
                }
            }
            Op::Close(number) => {
                let Some(number) = self.reader(number) else { return };
                self.readers[number].real.closer().close();
                self.readers[number].is_closed = true;
            }
            Op::Weak(number) => {
                let Some(number) = self.reader(number) else { return };
                self.readers[number].real.make_weak();
                self.readers[number].is_strong = false;
            }
            Op::Strong(number) => {
                let Some(number) = self.reader(number) else { return };
                let (begin, reader) = (self.begin, &mut self.readers[number]);
                let is_kept = reader.is_strong || reader.position >= begin;
                assert_eq!(reader.real.make_strong().is_ok(), is_kept);
                reader.is_strong |= is_kept;
            }
            Op::Read(number, length) => self.read(number, Some(length.into()), |real| {
                let mut buffer = vec![0; length.into()];
                real.try_read(&mut buffer).map(|read| buffer[..read].to_vec())
            }),
            Op::Lend(number, taken) => self.read(number, None, |real| {
                let lent = real.try_fill_buf()?;
                let bytes = lent[..lent.len().min(taken.into())].to_vec();
                real.consume(bytes.len());
                Ok(bytes)
            }),
            Op::ReadAt(number, length, at) => {
                let Some(number) = self.reader(number) else { return };
                let (mut buffer, at) = (vec![0; length.into()], u64::from(at));
                let (reader, len) = (&self.readers[number], self.len());
                match reader.real.try_read_at(&mut buffer, at) {
                    Ok(read) => {
                        assert_eq!(read as u64, u64::from(length).min(len.saturating_sub(at)));
                        assert!(read == 0 || at >= self.begin);
                        assert!(read == 0 || buffer[..read] == self.bytes[at as usize..][..read]);
                    }
                    Err(ReadError::Evicted { position, begin, len: told }) => {
                        assert_eq!((position, begin, told), (at, self.begin, len));
                        assert!(at < begin);
                    }
                    Err(ReadError::Empty) => assert!(at >= len && !self.is_finished),
                    Err(error) => assert!(error == ReadError::Closed && reader.is_closed),
                }
            }
            Op::Seek(number, by) => {
                let Some(number) = self.reader(number) else { return };
                let (begin, len) = (self.begin, self.len());
                let reader = &mut self.readers[number];
                let position = reader.position.checked_add_signed(by.into());
                match (reader.real.try_seek(SeekFrom::Current(by.into())), position) {
                    (Ok(sought), Some(position)) => {
                        assert_eq!(sought, position);
                        assert!(position >= begin || position >= reader.position);
                        reader.position = position;
                    }
                    (
                        Err(SeekError::Evicted { position: told, begin: first, len: all }),
                        Some(position),
                    ) => {
                        assert_eq!((told, first, all), (position, begin, len));
                        assert!(position < begin);
                    }
                    (sought, position) => {
                        assert_eq!((sought, position), (Err(SeekError::OutOfRange), None))
                    }
                }
            }
        }
    }

    fn begin_at(&mut self, place: Place, is_strong: bool) {
        let (begin, len) = (self.begin, self.len());
        let (start, position) = match place {
            Place::Oldest => (Start::Oldest, begin),
            Place::At(at) => (Start::At(at.into()), at.into()),
            Place::End => (Start::End, len),
            Place::Back(by) => (Start::Back(by.into()), len.saturating_sub(by.into()).max(begin)),
        };
        let made = match is_strong {
            true => self.spool.reader_from(start),
            false => self.spool.weak_reader_from(start),
        };
        match made {
            Ok(real) => {
                assert_eq!(real.position(), position);
                assert_eq!(real.backlog(), len.saturating_sub(position));
                assert!(position >= begin);
                self.readers.push(Reader { real, position, is_strong, is_closed: false });
            }
            Err(error) => {
                assert_eq!(error, StartError::Evicted { position, begin, len });
                assert!(position < begin);
            }
        }
    }

    fn read(
        &mut self,
        number: u8,
        length: Option<usize>,
        read: impl FnOnce(&mut SpoolReader) -> Result<Vec<u8>, ReadError>,
    ) {
        let Some(number) = self.reader(number) else { return };
        let (begin, len) = (self.begin, self.len());
        let reader = &mut self.readers[number];
        let left = len.saturating_sub(reader.position);
        match read(&mut reader.real) {
            Ok(bytes) => {
                // What was let go of a weak one may still read to the end of its segment.
                if let Some(length) = length.filter(|_| reader.position >= begin) {
                    assert_eq!(bytes.len() as u64, left.min(length as u64));
                }
                if !bytes.is_empty() {
                    assert_eq!(bytes, self.bytes[reader.position as usize..][..bytes.len()]);
                }
                reader.position += bytes.len() as u64;
            }
            Err(ReadError::Lagged { missed }) => {
                assert!(!reader.is_strong && reader.position < begin);
                assert_eq!(missed, begin - reader.position);
                reader.position = begin;
            }
            Err(ReadError::Empty) => assert!(left == 0 && !self.is_finished),
            Err(error) => assert!(error == ReadError::Closed && reader.is_closed, "{error}"),
        }
        assert_eq!(reader.real.position(), reader.position);
    }

    fn check(&mut self) {
        let stats = self.spool.stats();
        assert_eq!(stats.len, self.len());
        assert!(stats.evicted >= self.begin);
        self.begin = stats.evicted;
        let kept = stats.len - stats.evicted;
        assert!(kept >= self.retain.min(stats.len) && kept <= self.retain + self.segment);
        let own = stats.memory_bytes - stats.detached_bytes;
        assert!(own <= self.retain + 2 * self.segment, "{own}");
        assert!(stats.detached_bytes <= self.segment * self.readers.len() as u64);
        for reader in self.readers.iter().filter(|reader| reader.is_strong && !reader.is_closed) {
            assert!(reader.position >= self.begin, "what a strong reader needs is kept");
        }
    }
}
