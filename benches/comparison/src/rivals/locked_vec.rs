//! What is written without a library: a `Vec` that grows, behind a lock that many can read under at a
//! time, and a condition variable, which needs a mutex, for those who wait.

use crate::drivers::{Appended, Stream, content};
use crate::endpoints::Setup;
use std::sync::{Arc, Condvar, Mutex, RwLock};

#[derive(Clone, Default)]
pub(crate) struct Log {
    bytes: Arc<RwLock<Vec<u8>>>,
    length: Arc<(Mutex<usize>, Condvar)>,
}

impl Appended for Log {
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.write().expect("no panic").extend_from_slice(bytes);
        *self.length.0.lock().expect("no panic") += bytes.len();
        self.length.1.notify_all();
    }

    fn consists_of(self, bytes: &[u8]) -> bool {
        *self.bytes.read().expect("no panic") == bytes
    }
}

pub(crate) struct Reader {
    log: Log,
    place: usize,
}

impl Stream for Reader {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) {
        let end = self.place + buffer.len();
        buffer.copy_from_slice(&self.log.bytes.read().expect("no panic")[self.place..end]);
        self.place = end;
    }

    fn rewind(&mut self) {
        self.place = 0;
    }
}

/// All of one stream.
pub(crate) fn readers(setup: Setup) -> impl Iterator<Item = Reader> {
    let mut log = Log::default();
    log.append(content());
    (0..setup.readers).map(move |_| Reader { log: log.clone(), place: 0 })
}
