#!/usr/bin/env bash
# stream-download 0.24.5 does not tell its reader that a source failed or came short.
#
# A source of type AsyncRead gives "abc" and then the error TimedOut, or its end, though six bytes were
# promised by `content_length`. The reader meets a clean end. With a temporary file it gets "abc". In
# memory it gets "abc" and three zeros, which nobody wrote: the storage was made as long as was promised.
# Without a promised length it gets "abc" and a clean end, whatever the error was. A program that plays or
# saves what it reads takes the part for the whole.
#
# Expected: the lines at the end of this file. Fails if that changes. Installs stream-download and tokio,
# pinned, in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'END'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
stream-download = { version = "=0.24.5", default-features = false, features = ["async-read", "temp-storage"] }
tokio = { version = "=1.54.1", features = ["rt-multi-thread"] }
[workspace]
END
cat >"$folder/src/main.rs" <<'END'
use std::io::{Error, ErrorKind, Read, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use stream_download::async_read::AsyncReadStreamParams;
use stream_download::storage::memory::MemoryStorageProvider;
use stream_download::storage::temp::TempStorageProvider;
use stream_download::storage::StorageProvider;
use stream_download::{Settings, StreamDownload};
use tokio::io::{AsyncRead, ReadBuf};

/// Gives "abc", then its error, if it has one, and then its end.
struct Short {
    has_given: bool,
    error: Option<ErrorKind>,
}

impl AsyncRead for Short {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if !self.has_given {
            self.has_given = true;
            buffer.put_slice(b"abc");
        } else if let Some(error) = self.error.take() {
            return Poll::Ready(Err(Error::from(error)));
        }
        Poll::Ready(Ok(()))
    }
}

async fn show<P: StorageProvider + 'static>(
    what: &str,
    storage: P,
    error: Option<ErrorKind>,
    promised: Option<u64>,
) where
    P::Reader: Send,
{
    let source = Short { has_given: false, error };
    let parameters = AsyncReadStreamParams::new(source).content_length(promised);
    let settings = Settings::default().prefetch_bytes(0);
    let reader = StreamDownload::new_async_read(parameters, storage, settings).await;
    let mut reader = reader.unwrap_or_else(|_| panic!("it was not made"));
    let all = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).map(|_| all)
    });
    let all = all.await.unwrap().map(|all| String::from_utf8(all).unwrap());
    println!("{what}: {all:?}");
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let failed = Some(ErrorKind::TimedOut);
        show("memory, failed", MemoryStorageProvider, failed, Some(6)).await;
        show("memory, ended", MemoryStorageProvider, None, Some(6)).await;
        show("file, failed", TempStorageProvider::new(), failed, Some(6)).await;
        show("file, ended", TempStorageProvider::new(), None, Some(6)).await;
        show("memory, failed, nothing promised", MemoryStorageProvider, failed, None).await;
    });
}
END
seen=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$seen"
[ "$seen" = 'memory, failed: Ok("abc\0\0\0")
memory, ended: Ok("abc\0\0\0")
file, failed: Ok("abc")
file, ended: Ok("abc")
memory, failed, nothing promised: Ok("abc")' ]
