//! Our spool.

use crate::drivers::{Appended, Stream, content};
use crate::endpoints::*;
use overfall::Blocking;
use overfall::source::Tokio;
use overfall::spool::{Spool, SpoolReader, SpoolWriter};
use std::io::{BufRead, Read, SeekFrom, Write};

pub(crate) struct Written(Spool, SpoolWriter);

impl Written {
    /// A new one in memory.
    pub(crate) fn new(expected_len: Option<u64>) -> Self {
        let builder = Spool::builder();
        let builder = match expected_len {
            Some(length) => builder.expected_len(length),
            None => builder,
        };
        let spool = builder.build().expect("nothing is wrong with it");
        let writer = spool.writer().expect("it is the first");
        Self(spool, writer)
    }
}

impl Appended for Written {
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        self.1.write_all(bytes).expect("there is memory");
    }

    fn consists_of(self, bytes: &[u8]) -> bool {
        let Self(spool, writer) = self;
        writer.finish().expect("nobody else ends it");
        spool.freeze().is_ok_and(|frozen| frozen == bytes)
    }
}

impl Stream for SpoolReader {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) {
        let mut rest = buffer;
        while !rest.is_empty() {
            let length = self.try_read(rest).expect("all is there");
            rest = &mut rest[length..];
        }
    }

    fn rewind(&mut self) {
        self.try_seek(SeekFrom::Start(0)).expect("it is there");
    }
}

/// All of one stream.
pub(crate) fn readers(setup: Setup) -> impl Iterator<Item = SpoolReader> {
    let mut written = Written::new(None);
    written.append(content());
    let Written(spool, writer) = written;
    writer.finish().expect("nobody else ends it");
    (0..setup.readers).map(move |_| spool.reader().expect("nobody refuses readers"))
}

/// A stream that is to be written, and readers that park their threads while they wait.
pub(crate) fn live(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let Written(spool, mut writer) = Written::new(None);
    let receiver = |_| {
        let mut reader = spool.reader().expect("nobody refuses readers").blocking();
        move |sink: &mut Sink| {
            let amount = sink.accept_all(reader.fill_buf().expect("nobody fails it"));
            reader.consume(amount);
        }
    };
    let send = move |message: &[u8]| writer.write_all(message).is_ok();
    Ends::new([send], (0..setup.readers).map(receiver))
}

/// A source that is read when one of its readers needs it, on a thread of its own or by who needs it.
pub(crate) fn pulled(
    setup: Setup,
    expected_len: Option<u64>,
    blocks: bool,
) -> impl FnMut() -> Vec<Blocking<SpoolReader>> {
    move || {
        let builder = Spool::builder();
        let builder = match expected_len {
            Some(length) => builder.expected_len(length),
            None => builder,
        };
        let spool = builder.build().expect("nothing is wrong with it");
        let pull = if blocks { spool.pull(content()) } else { spool.pull_async(Tokio(content())) };
        pull.expect("nobody writes");
        let reader = || spool.reader().expect("nobody refuses readers").blocking();
        Vec::from_iter((0..setup.readers).map(|_| reader()))
    }
}

impl Stream for Blocking<SpoolReader> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) {
        self.read_exact(buffer).expect("the source does not fail");
    }

    fn rewind(&mut self) {
        self.get_mut().rewind();
    }
}
