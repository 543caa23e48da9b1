//! Random reads of a spool that pulls a hostile source, beside a model that says what is read of the
//! source, and when.

use crate::segments_of;
use overfall::spool::{ReadError, SeekError, Spool, SpoolReader};
use overfall_tests::sources::{Does, Script};
use overfall_tests::{Task, block_on};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::io::{ErrorKind, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// What may happen. Readers are told by their number, modulo how many there are.
#[derive(Clone, Debug)]
enum Op {
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

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (any::<u8>(), 0..20_u8).prop_map(|(reader, length)| Op::Read(reader, length)),
        5 => (any::<u8>(), 0..20_u8, any::<u8>()).prop_map(|(r, length, at)| Op::ReadAt(r, length, at)),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(reader, to)| Op::Seek(reader, to)),
        1 => any::<u8>().prop_map(Op::SeekEnd),
        5 => (any::<u8>(), 0..4_u8).prop_map(|(reader, polls)| Op::Dropped(reader, polls)),
        1 => Just(Op::LoadAll),
        3 => Just(Op::Reader),
        1 => any::<u8>().prop_map(Op::Clone),
        1 => any::<u8>().prop_map(Op::DropReader),
    ]
}

fn step() -> impl Strategy<Value = Does> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Does::Gives),
        2 => Just(Does::Fails(ErrorKind::Interrupted)),
        2 => Just(Does::Fails(ErrorKind::ConnectionReset)),
        1 => Just(Does::Fails(ErrorKind::WouldBlock)),
        2 => Just(Does::Pends),
    ]
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

fn check(size: usize, blocks: bool, steps: &[Does], ops: &[Op]) {
    let spool = segments_of(size).build().unwrap();
    let reads = pull(&spool, steps, blocks);
    let (steps, bytes) = (steps.iter().cloned().collect(), Vec::new());
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_source_is_read_as_the_rules_say(
        size in 1..30_usize,
        blocks in any::<bool>(),
        steps in prop::collection::vec(step(), 0..30),
        ops in prop::collection::vec(op(), 0..60),
    ) {
        check(size, blocks, &steps, &ops);
    }
}
