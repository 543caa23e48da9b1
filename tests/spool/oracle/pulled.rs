//! A spool that pulls a hostile source, beside a model that says what is read of the source, and when.

use super::{OPERATION, SETUP};
use overfall::spool::{Growth, ReadError, SeekError, Spool, SpoolReader};
use overfall_tests::sources::{Does, Script};
use overfall_tests::{Task, block_on};
use std::collections::VecDeque;
use std::io::{ErrorKind, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// What may happen. Readers are told by their number, modulo how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Read(u8, u8),
    ReadAt(u8, u8, u8),
    Seek(u8, u8),
    SeekEnd(u8),
    /// A read is polled so many times, and dropped.
    Dropped(u8, u8),
    LoadAll,
    Reader,
    Clone(u8),
    DropReader(u8),
}

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Of each segment.
    size: usize,
    blocks: bool,
    /// What the source does.
    steps: Vec<Does>,
}

pub(super) fn setting(
    [_, _, _, kind, size, ..]: [u8; SETUP],
    chunks: impl Iterator<Item = [u8; OPERATION]>,
) -> Setting {
    Setting {
        size: 1 + usize::from(size % 29),
        blocks: kind & 1 != 0,
        steps: chunks.filter_map(step).collect(),
    }
}

fn step([code, who, what, _]: [u8; OPERATION]) -> Option<Does> {
    Some(match code {
        0..48 => Does::Gives((0..1 + who % 39).map(|n| what.wrapping_add(n * 5)).collect()),
        48..60 => Does::Fails(ErrorKind::Interrupted),
        60..72 => Does::Fails(ErrorKind::ConnectionReset),
        72..78 => Does::Fails(ErrorKind::WouldBlock),
        78..90 => Does::Pends,
        _ => return None,
    })
}

pub(super) fn op([code, who, what, more]: [u8; OPERATION]) -> Option<Op> {
    Some(match code {
        90..144 => Op::Read(who, what % 20),
        144..171 => Op::ReadAt(who, what % 20, more),
        171..192 => Op::Seek(who, more),
        192..198 => Op::SeekEnd(who),
        198..225 => Op::Dropped(who, what % 4),
        225..230 => Op::LoadAll,
        230..246 => Op::Reader,
        246..251 => Op::Clone(who),
        251..=255 => Op::DropReader(who),
        // A step of the source.
        _ => return None,
    })
}

/// What a read of the source comes to.
enum Came {
    Something,
    TheEnd,
    Nothing,
    Error(ErrorKind),
}

/// The obvious rules.
struct Model {
    steps: VecDeque<Does>,
    size: usize,
    blocks: bool,
    bytes: Vec<u8>,
    is_finished: bool,
    reads: usize,
}

impl Model {
    /// Reads the source once, into the rest of the segment.
    fn read_source(&mut self) -> Came {
        loop {
            self.reads += 1;
            match self.steps.pop_front() {
                None => {
                    self.is_finished = true;
                    return Came::TheEnd;
                }
                Some(Does::Gives(mut bytes)) => {
                    let rest = self.size - self.bytes.len() % self.size;
                    let left = bytes.split_off(rest.min(bytes.len()));
                    self.bytes.extend(bytes);
                    if !left.is_empty() {
                        self.steps.push_front(Does::Gives(left));
                    }
                    return Came::Something;
                }
                Some(Does::Fails(ErrorKind::Interrupted)) => {}
                Some(Does::Fails(kind)) => return Came::Error(kind),
                Some(Does::Pends) if self.blocks => return Came::Error(ErrorKind::WouldBlock),
                Some(Does::Pends) => return Came::Nothing,
                Some(other) => panic!("{other:?}"),
            }
        }
    }

    /// Reads the source until there are `wanted` bytes, or the end.
    fn need(&mut self, wanted: usize) -> Result<(), ErrorKind> {
        while self.bytes.len() < wanted && !self.is_finished {
            if let Came::Error(kind) = self.read_source() {
                return Err(kind);
            }
        }
        Ok(())
    }

    /// The same in one poll of a future.
    fn poll(&mut self, wanted: usize) -> Poll<Result<(), ErrorKind>> {
        for _ in 0..16 {
            if self.bytes.len() >= wanted || self.is_finished {
                return Poll::Ready(Ok(()));
            }
            match self.read_source() {
                Came::Error(kind) => return Poll::Ready(Err(kind)),
                Came::Nothing => return Poll::Pending,
                Came::Something | Came::TheEnd => {}
            }
        }
        match self.bytes.len() >= wanted || self.is_finished {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn read(&self, from: usize, length: usize) -> &[u8] {
        let from = from.min(self.bytes.len());
        &self.bytes[from..self.bytes.len().min(from + length)]
    }
}

/// The kind of the source's error.
fn kind_of(error: ReadError) -> ErrorKind {
    assert!(matches!(error, ReadError::Source(_)), "{error:?}");
    std::io::Error::from(error).kind()
}

fn pull(spool: &Spool, steps: &[Does], blocks: bool) -> std::sync::Arc<AtomicUsize> {
    let script = Script::new(steps.iter().cloned());
    let reads = script.reads();
    match blocks {
        true => spool.pull(script).unwrap(),
        false => spool.pull_async(overfall::source::Futures(script)).unwrap(),
    }
    reads
}

pub(super) fn run(Setting { size, blocks, steps }: Setting, ops: &[Op]) {
    let spool = Spool::builder().growth(Growth::Constant { size }).build().unwrap();
    let reads = pull(&spool, &steps, blocks);
    let (steps, bytes) = (steps.into(), Vec::new());
    let mut model = Model { steps, size, blocks, bytes, is_finished: false, reads: 0 };
    let mut readers = vec![spool.reader().unwrap()];
    let which = |readers: &Vec<SpoolReader>, number: &u8| usize::from(*number) % readers.len();
    for op in ops {
        match op {
            Op::Read(number, length) => {
                let number = which(&readers, number);
                let reader = &mut readers[number];
                let (position, length) = (reader.position() as usize, usize::from(*length));
                let mut buffer = vec![0; length];
                let read = block_on(reader.read(&mut buffer)).map_err(kind_of);
                let expected = match length {
                    0 => Ok(0),
                    _ => model.need(position + 1).map(|()| model.read(position, length).len()),
                };
                assert_eq!(read, expected);
                let read = read.unwrap_or(0);
                assert_eq!(buffer[..read], *model.read(position, read));
                assert_eq!(reader.position() as usize, position + read);
            }
            Op::ReadAt(number, length, at) => {
                let (length, at) = (usize::from(*length), usize::from(*at));
                let mut buffer = vec![0; length];
                let reader = &readers[which(&readers, number)];
                let read = block_on(reader.read_at(&mut buffer, at as u64)).map_err(kind_of);
                let expected = match length {
                    0 => Ok(0),
                    _ => model.need(at + 1).map(|()| model.read(at, length).len()),
                };
                assert_eq!(read, expected);
                let read = read.unwrap_or(0);
                assert_eq!(buffer[..read], *model.read(at, read));
            }
            Op::Seek(number, to) => {
                let number = which(&readers, number);
                readers[number].try_seek(SeekFrom::Start(u64::from(*to))).unwrap();
            }
            Op::SeekEnd(number) => {
                let number = which(&readers, number);
                let sought = block_on(readers[number].seek(SeekFrom::End(0)));
                let sought = sought.map_err(|error| match error {
                    SeekError::Ended(error) => kind_of(error),
                    other => panic!("{other:?}"),
                });
                let expected = model.need(usize::MAX).map(|()| model.bytes.len() as u64);
                assert_eq!(sought, expected);
            }
            Op::Dropped(number, polls) => {
                // When a thread reads is not told.
                if blocks {
                    continue;
                }
                let number = which(&readers, number);
                let reader = &mut readers[number];
                let position = reader.position() as usize;
                let mut buffer = [0; 3];
                let mut task = Task::new(reader.read(&mut buffer));
                for _ in 0..*polls {
                    let expected = model.poll(position + 1);
                    let expected = expected.map_ok(|()| model.read(position, 3).len());
                    let polled = task.poll().map_err(kind_of);
                    assert_eq!(polled, expected);
                    if polled.is_ready() {
                        break;
                    }
                }
            }
            Op::LoadAll => {
                let loaded = block_on(spool.load_all()).map_err(kind_of);
                assert_eq!(loaded, model.need(usize::MAX).map(|()| model.bytes.len() as u64));
            }
            Op::Reader => readers.push(spool.reader().unwrap()),
            Op::Clone(number) => readers.push(readers[which(&readers, number)].clone()),
            Op::DropReader(number) if readers.len() > 1 => {
                readers.remove(which(&readers, number));
            }
            Op::DropReader(_) => {}
        }
        assert_eq!(spool.len(), model.bytes.len() as u64, "{op:?}");
        assert_eq!(reads.load(Ordering::SeqCst), model.reads, "{op:?}");
        assert_eq!(spool.is_finished(), model.is_finished);
    }
}
