//! Our spool.

use crate::drivers::{Appended, Stream, content};
use crate::endpoints::Setup;
use overfall::spool::{Spool, SpoolReader, SpoolWriter};
use std::io::{SeekFrom, Write};

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
