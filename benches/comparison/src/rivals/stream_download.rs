//! Downloads into a storage on a task, and has one reader, which waits.

use crate::drivers::{Stream, content};
use crate::endpoints::Setup;
use std::io::{Read, Seek, SeekFrom};
use std::sync::OnceLock;
use stream_download::async_read::AsyncReadStreamParams;
use stream_download::storage::StorageProvider;
use stream_download::storage::memory::MemoryStorageProvider;
use stream_download::storage::temp::TempStorageProvider;
use stream_download::{Settings, StreamDownload};
use tokio::runtime::Runtime;

impl<P: StorageProvider<Reader: Send> + 'static> Stream for StreamDownload<P> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) {
        self.read_exact(buffer).expect("all is there");
    }

    fn rewind(&mut self) {
        self.seek(SeekFrom::Start(0)).expect("backwards");
    }
}

/// One of a stream of its own, all of which was read once.
fn reader<P: StorageProvider<Reader: Send> + 'static>(storage: P) -> StreamDownload<P> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"));
    let parameters = AsyncReadStreamParams::new(content()).content_length(content().len() as u64);
    let stream = StreamDownload::new_async_read(parameters, storage, Settings::default());
    let mut reader = runtime.block_on(stream).expect("a slice does not fail");
    let mut all = Vec::new();
    reader.read_to_end(&mut all).expect("a slice does not fail");
    assert!(all == content());
    Stream::rewind(&mut reader);
    reader
}

pub(crate) fn in_memory(setup: Setup) -> Vec<impl Stream> {
    Vec::from_iter((0..setup.readers).map(|_| reader(MemoryStorageProvider)))
}

pub(crate) fn in_file(setup: Setup) -> Vec<impl Stream> {
    Vec::from_iter((0..setup.readers).map(|_| reader(TempStorageProvider::new())))
}
