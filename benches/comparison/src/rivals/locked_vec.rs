//! What is written without a library: a `Vec` that grows, behind a lock that many can read under at a
//! time, and a condition variable, which needs a mutex, for those who wait.

use crate::drivers::{Appended, Stream, content};
use crate::endpoints::*;
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

/// A stream that is to be written, and readers that wait for what they do not have.
pub(crate) fn live(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let mut written = Log::default();
    let receiver = |_| {
        let (log, mut place) = (written.clone(), 0);
        move |sink: &mut Sink| {
            let bytes = log.bytes.read().expect("no panic");
            if bytes.len() > place {
                place += sink.accept_all(&bytes[place..]);
                return;
            }
            drop(bytes);
            let length = log.length.0.lock().expect("no panic");
            let _there = log.length.1.wait_while(length, |length| *length == place);
        }
    };
    let receivers = Vec::from_iter((0..setup.readers).map(receiver));
    let send = move |message: &[u8]| {
        written.append(message);
        true
    };
    Ends::new([send], receivers)
}

/// All of one stream.
pub(crate) fn readers(setup: Setup) -> impl Iterator<Item = Reader> {
    let mut log = Log::default();
    log.append(content());
    (0..setup.readers).map(move |_| Reader { log: log.clone(), place: 0 })
}
