//! A spool that keeps everything, in memory, in a file, or in both, beside a `Vec` with the obvious rules.

use super::{OPERATION, SETUP, growth};
use overfall::spool::{Ended, Growth, ReadError, SeekError, Spool, SpoolReader, SpoolWriter};
use std::io::{self, Read, SeekFrom};
use std::path::PathBuf;

/// What may happen. Readers are told by their number, modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Write(u8),
    Fill { lent: u8, returned: u8, fails: bool },
    Finish,
    Fail,
    FailFromOutside,
    Drop,
    Release,
    Writer,
    Terminate,
    Reader,
    Clone(u8),
    DropReader(u8),
    Read(u8, u8),
    ReadAt(u8, u8, u16),
    Lend(u8, u8),
    Seek(u8, Place),
    Close(u8),
    Refuse,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Start(u16),
    Current(i16),
    End(i16),
    Far,
}

impl From<Place> for SeekFrom {
    fn from(place: Place) -> Self {
        match place {
            Place::Start(position) => Self::Start(position.into()),
            Place::Current(distance) => Self::Current(distance.into()),
            Place::End(distance) => Self::End(distance.into()),
            Place::Far => Self::Start(u64::MAX - 3),
        }
    }
}

fn place(what: u8, more: u8) -> Place {
    match what {
        0..100 => Place::Start(u16::from(more) + u16::from(what)),
        100..180 => Place::Current(i16::from(more) / 2 - 64),
        180..210 => Place::End(20 - i16::from(more) - i16::from(what)),
        // Around the end.
        210..240 => Place::End(i16::from(more % 32) - 16),
        240..=255 => Place::Far,
    }
}

pub(super) fn op([code, who, what, more]: [u8; OPERATION]) -> Op {
    match code {
        0..48 => Op::Write(what % 40),
        48..64 => Op::Fill { lent: who % 20, returned: what % 25, fails: more % 5 == 0 },
        64..68 => Op::Finish,
        68..72 => Op::Fail,
        72..76 => Op::FailFromOutside,
        76..80 => Op::Drop,
        80..88 => Op::Release,
        88..104 => Op::Writer,
        104..108 => Op::Terminate,
        108..120 => Op::Reader,
        120..128 => Op::Clone(who),
        128..132 => Op::DropReader(who),
        132..184 => Op::Read(who, what % 40),
        184..200 => Op::ReadAt(who, what % 40, u16::from(more) + u16::from(what / 40) * 8),
        200..224 => Op::Lend(who, what),
        224..248 => Op::Seek(who, place(what, more)),
        248..252 => Op::Close(who),
        252..=255 => Op::Refuse,
    }
}

/// Where the bytes lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Store {
    Memory,
    Spills(u8),
    Temporary,
    /// In a file with a name, which is opened once more at the end.
    Named,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    store: Store,
    growth: Growth,
    expected: Option<u64>,
    known: Option<u64>,
    releases: bool,
}

pub(super) fn setting(bytes: [u8; SETUP]) -> Setting {
    let [_, store, spill, kind, first, more, expected, known] = bytes;
    let store = match store {
        0..110 => Store::Memory,
        110..200 => Store::Spills(spill % 150),
        200..228 => Store::Temporary,
        228..=255 => Store::Named,
    };
    let some = |byte: u8, unit: u64| (byte < 100).then(|| u64::from(byte) * unit);
    // An empty file that is known to be empty has a writer, to be finished.
    let known = some(known, 2).filter(|&known| known > 0 || store != Store::Named);
    let growth = growth([kind, first, more]);
    Setting { store, growth, expected: some(expected, 4), known, releases: kind & 0x80 != 0 }
}

pub(super) fn run(setting: Setting, ops: &[Op]) {
    let mut run = Run::new(setting);
    for &op in ops {
        run.step(op);
        run.check();
    }
    run.open_again();
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Open,
    Finished,
    Failed,
    Terminated,
}

/// The obvious rules.
struct Model {
    bytes: Vec<u8>,
    known: Option<u64>,
    end: End,
}

impl Model {
    fn is_open(&self) -> bool {
        self.end == End::Open
    }

    fn end(&mut self, end: End) {
        if self.is_open() {
            self.end = end;
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.keep_promise();
    }

    fn keep_promise(&mut self) {
        if self.known == Some(self.bytes.len() as u64) {
            self.end(End::Finished);
        }
    }

    fn room(&self) -> usize {
        self.known.map_or(usize::MAX, |known| known as usize - self.bytes.len())
    }

    fn finish(&mut self) {
        let is_short = self.known.is_some_and(|known| (self.bytes.len() as u64) < known);
        self.end(if is_short { End::Failed } else { End::Finished });
    }

    /// What a read without waiting finds at a place: bytes, which are at least one, or why not.
    fn at(&self, position: u64) -> Result<&[u8], Why> {
        let left = usize::try_from(position).ok().and_then(|position| self.bytes.get(position..));
        match (self.end, left) {
            (End::Terminated, _) => Err(Why::Terminated),
            (_, Some(left)) if !left.is_empty() => Ok(left),
            (End::Open, _) => Err(Why::Empty),
            (End::Finished, _) => Ok(&[]),
            (End::Failed, _) => Err(Why::Failed),
        }
    }

    fn length(&self) -> Result<u64, Why> {
        match self.end {
            End::Terminated => Err(Why::Terminated),
            End::Finished => Ok(self.bytes.len() as u64),
            _ if self.known.is_some() => Ok(self.known.unwrap()),
            End::Open => Err(Why::Empty),
            End::Failed => Err(Why::Failed),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    Empty,
    Failed,
    Terminated,
    Closed,
}

fn why(error: ReadError) -> Why {
    match error {
        ReadError::Empty => Why::Empty,
        ReadError::Failed(_) => Why::Failed,
        ReadError::Terminated => Why::Terminated,
        ReadError::Closed => Why::Closed,
        other => panic!("{other}"),
    }
}

struct Reader {
    real: SpoolReader,
    position: u64,
    is_closed: bool,
}

/// Runs both beside each other.
struct Run {
    spool: Spool,
    writer: Option<SpoolWriter>,
    readers: Vec<Reader>,
    model: Model,
    releases: bool,
    refuses: bool,
    next: u8,
    /// The writer has finished it.
    is_marked: bool,
    file: Option<(tempfile::TempDir, PathBuf)>,
}

impl Run {
    fn new(setting: Setting) -> Self {
        let mut builder =
            Spool::builder().growth(setting.growth).release_dropped_writers(setting.releases);
        if let Some(expected) = setting.expected {
            builder = builder.expected_len(expected);
        }
        if let Some(known) = setting.known {
            builder = builder.known_len(known);
        }
        let mut file = None;
        let spool = match setting.store {
            Store::Memory => builder.build().unwrap(),
            Store::Spills(bytes) => builder.spill_at(bytes.into()).build().unwrap(),
            Store::Temporary => builder.temp_file().unwrap(),
            Store::Named => {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("stream");
                let spool = builder.create(&path).unwrap();
                file = Some((directory, path));
                spool
            }
        };
        let mut model = Model { bytes: Vec::new(), known: setting.known, end: End::Open };
        model.keep_promise();
        Self {
            spool,
            writer: None,
            readers: Vec::new(),
            model,
            releases: setting.releases,
            refuses: false,
            next: 0,
            is_marked: false,
            file,
        }
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                self.next = self.next.wrapping_mul(5).wrapping_add(1);
                self.next
            })
            .collect()
    }

    fn reader(&mut self, number: u8) -> Option<(&mut Reader, &Model)> {
        let count = self.readers.len();
        let number = usize::from(number).checked_rem(count)?;
        Some((&mut self.readers[number], &self.model))
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Write(length) => {
                let bytes = self.bytes(length.into());
                let Some(writer) = &mut self.writer else { return };
                let written = writer.try_write(&bytes);
                let fits = bytes.len().min(self.model.room());
                if bytes.is_empty() {
                    assert_eq!(written, Ok(0));
                } else if self.model.is_open() {
                    assert_eq!(written, Ok(fits));
                    self.model.append(&bytes[..fits]);
                } else {
                    assert!(written.is_err());
                }
            }
            Op::Fill { lent, returned, fails } => {
                let bytes = self.bytes(lent.into());
                let Some(writer) = &mut self.writer else { return };
                let mut room = 0;
                let filled = writer.fill(|buffer| {
                    room = buffer.len();
                    let length = bytes.len().min(room);
                    buffer[..length].copy_from_slice(&bytes[..length]);
                    if fails { Err(io::ErrorKind::Interrupted.into()) } else { Ok(returned.into()) }
                });
                if !self.model.is_open() {
                    assert!(filled.is_err() && room == 0);
                    return;
                }
                assert!(room > 0 && room <= self.model.room());
                if fails || usize::from(returned) > room {
                    assert!(filled.is_err());
                } else {
                    assert_eq!(filled.unwrap(), usize::from(returned));
                    // Beyond what was written now it may be anything, but never changes: the reader tells.
                    let from = self.model.bytes.len() as u64;
                    let mut all = vec![0; returned.into()];
                    if returned > 0 {
                        let mut reader = match self.refuses {
                            false => self.spool.reader().unwrap(),
                            true => return self.resync(from, returned.into()),
                        };
                        reader.advance(from);
                        assert_eq!(reader.try_read(&mut all).unwrap(), all.len());
                    }
                    let known = bytes.len().min(all.len());
                    assert_eq!(all[..known], bytes[..known]);
                    self.model.append(&all);
                }
            }
            Op::Finish => {
                let Some(writer) = self.writer.take() else { return };
                let finished = writer.finish();
                self.is_marked |= finished.is_ok();
                self.model.finish();
                assert_eq!(finished.is_ok(), self.model.end == End::Finished);
            }
            Op::Fail => {
                let Some(writer) = self.writer.take() else { return };
                assert_eq!(writer.fail("by the writer").is_ok(), self.model.is_open());
                self.model.end(End::Failed);
            }
            Op::FailFromOutside => {
                let failed = self.spool.fail("from outside");
                assert_eq!(failed.is_ok(), self.model.is_open());
                assert_eq!(failed == Err(Ended::Terminated), self.model.end == End::Terminated);
                self.model.end(End::Failed);
            }
            Op::Drop => {
                if self.writer.take().is_some() && !self.releases {
                    self.model.end(End::Failed);
                }
            }
            Op::Release => {
                if let Some(writer) = self.writer.take() {
                    writer.release();
                }
            }
            Op::Writer => match self.spool.writer() {
                Ok(writer) => {
                    assert!(self.model.is_open() && self.writer.is_none());
                    assert_eq!(writer.written(), self.model.bytes.len() as u64);
                    self.writer = Some(writer);
                }
                Err(_) => assert!(!self.model.is_open() || self.writer.is_some()),
            },
            Op::Terminate => {
                self.spool.terminate();
                self.model.end = End::Terminated;
            }
            Op::Reader => {
                let reader = self.spool.reader();
                assert_eq!(reader.is_err(), self.refuses);
                self.readers.extend(reader.ok().map(|real| Reader {
                    real,
                    position: 0,
                    is_closed: false,
                }));
            }
            Op::Clone(number) => {
                let Some((reader, _)) = self.reader(number) else { return };
                let (real, position) = (reader.real.clone(), reader.position);
                self.readers.push(Reader { real, position, is_closed: false });
            }
            Op::DropReader(number) => {
                if let Some(number) = usize::from(number).checked_rem(self.readers.len()) {
                    self.readers.swap_remove(number);
                }
            }
            Op::Read(number, length) => {
                let Some((reader, model)) = self.reader(number) else { return };
                let mut buffer = vec![0; length.into()];
                let read = reader.real.try_read(&mut buffer).map(|read| buffer[..read].to_vec());
                let expected = reader.expected(model, reader.position, length.into());
                reader.position += expected.as_ref().map_or(0, |bytes| bytes.len() as u64);
                assert_eq!(read.map_err(why), expected);
            }
            Op::ReadAt(number, length, at) => {
                let Some((reader, model)) = self.reader(number) else { return };
                let mut buffer = vec![0; length.into()];
                let read = reader.real.try_read_at(&mut buffer, at.into());
                let read = read.map(|read| buffer[..read].to_vec());
                assert_eq!(read.map_err(why), reader.expected(model, at.into(), length.into()));
            }
            Op::Lend(number, taken) => {
                let Some((reader, model)) = self.reader(number) else { return };
                let expected = reader.expected(model, reader.position, usize::MAX);
                match (reader.real.try_fill_buf(), expected) {
                    (Ok(lent), Ok(expected)) => {
                        assert_eq!(lent.is_empty(), expected.is_empty());
                        assert!(expected.starts_with(lent));
                        let taken = usize::from(taken).min(lent.len());
                        reader.real.consume(taken);
                        reader.position += taken as u64;
                    }
                    (lent, expected) => assert_eq!(lent.map(<[u8]>::to_vec).map_err(why), expected),
                }
            }
            Op::Seek(number, place) => {
                let Some((reader, model)) = self.reader(number) else { return };
                let to = SeekFrom::from(place);
                let expected = match to {
                    SeekFrom::Start(position) => Ok(Some(position)),
                    SeekFrom::Current(by) => Ok(reader.position.checked_add_signed(by)),
                    SeekFrom::End(_) if reader.is_closed => Err(Why::Closed),
                    SeekFrom::End(by) => model.length().map(|length| length.checked_add_signed(by)),
                };
                let sought = reader.real.try_seek(to);
                match expected {
                    Ok(Some(position)) => {
                        reader.position = position;
                        assert_eq!(sought, Ok(position));
                    }
                    Ok(None) => assert_eq!(sought, Err(SeekError::OutOfRange)),
                    Err(Why::Empty) => assert_eq!(sought, Err(SeekError::LengthUnknown)),
                    Err(_) => assert!(matches!(sought, Err(SeekError::Ended(_)))),
                }
            }
            Op::Close(number) => {
                let Some((reader, _)) = self.reader(number) else { return };
                reader.real.closer().close();
                reader.is_closed = true;
            }
            Op::Refuse => {
                self.spool.refuse_readers("no more");
                self.refuses = true;
            }
        }
    }

    /// Learns what was published where no new reader can be had.
    fn resync(&mut self, from: u64, length: usize) {
        let mut all = vec![0; length];
        match self.readers.iter().find(|reader| !reader.is_closed) {
            Some(reader) => assert_eq!(reader.real.try_read_at(&mut all, from).unwrap(), length),
            None => self.spool.terminate(),
        }
        self.model.append(&all);
        if self.readers.iter().all(|reader| reader.is_closed) {
            self.model.end = End::Terminated;
        }
    }

    /// What is on disk in the end is what was written, and it is finished if the writer has said so.
    fn open_again(self) {
        let (Some((_directory, path)), is_marked) = (self.file, self.is_marked) else { return };
        drop((self.writer, self.readers, self.spool));
        let spool = Spool::open(&path).unwrap();
        assert_eq!(spool.is_finished(), is_marked);
        let mut bytes = Vec::new();
        let end = spool.reader().unwrap().blocking().read_to_end(&mut bytes);
        assert_eq!(bytes.len(), self.model.bytes.len());
        // Where it was terminated, `resync` may not have learned what was filled.
        assert!(bytes == self.model.bytes || self.model.end == End::Terminated);
        assert_eq!(end.is_ok(), is_marked);
        assert_eq!(Spool::builder().resume(&path).is_ok(), !is_marked);
    }

    fn check(&self) {
        assert_eq!(self.spool.is_finished(), self.model.end == End::Finished);
        if self.model.end != End::Terminated {
            assert_eq!(self.spool.len(), self.model.bytes.len() as u64);
        }
        assert_eq!(self.spool.known_len(), self.model.length().ok());
        assert_eq!(self.spool.readers(), self.readers.len() as u64);
        let mut positions: Vec<_> =
            self.spool.stats().readers.iter().map(|reader| reader.position).collect();
        let mut expected: Vec<_> = self.readers.iter().map(|reader| reader.position).collect();
        positions.sort_unstable();
        expected.sort_unstable();
        assert_eq!(positions, expected);
    }
}

impl Reader {
    fn expected(&self, model: &Model, at: u64, length: usize) -> Result<Vec<u8>, Why> {
        if length == 0 {
            return Ok(Vec::new());
        }
        if self.is_closed {
            return Err(Why::Closed);
        }
        let left = model.at(at)?;
        Ok(left[..left.len().min(length)].to_vec())
    }
}
