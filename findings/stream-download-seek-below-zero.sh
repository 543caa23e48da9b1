#!/usr/bin/env bash
# stream-download 0.24.5 takes a seek to before the first byte for one to the end.
#
# At the first byte of a stream of six, `seek(SeekFrom::Current(-2))` is `Ok(6)`, and the next read meets
# the end. std's `Seek` says that a seek to a negative offset is an error. A player that jumps back two
# seconds, one second into the stream, ends instead.
#
# Expected: 'Ok(6) ""'. Fails if that changes. Installs stream-download and tokio, pinned, in a temporary
# folder.
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
stream-download = { version = "=0.24.5", default-features = false, features = ["async-read"] }
tokio = { version = "=1.54.1", features = ["rt-multi-thread"] }
[workspace]
END
cat >"$folder/src/main.rs" <<'END'
use std::io::{Read, Seek, SeekFrom};
use stream_download::async_read::AsyncReadStreamParams;
use stream_download::storage::memory::MemoryStorageProvider;
use stream_download::{Settings, StreamDownload};

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let parameters = AsyncReadStreamParams::new(&b"abcdef"[..]).content_length(6);
    let reader =
        StreamDownload::new_async_read(parameters, MemoryStorageProvider, Settings::default());
    let mut reader = runtime.block_on(reader).unwrap_or_else(|_| panic!("it was not made"));
    let to = reader.seek(SeekFrom::Current(-2)).map_err(|error| error.kind());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    println!("{to:?} {text:?}");
}
END
seen=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$seen"
[ "$seen" = 'Ok(6) ""' ]
