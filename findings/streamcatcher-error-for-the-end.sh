#!/usr/bin/env bash
# streamcatcher 1.0.1 takes an error of its source for the end wherever it reads ahead.
#
# A source gives "abc", then TimedOut once, then "def", then its end. `seek(SeekFrom::End(0))` is `Ok(3)`,
# and so is `seek(SeekFrom::Start(5))`; the error is told to nobody, and reads go on to "def" from there.
# `load_all` returns nothing, and has loaded three bytes. A program that asks for the length that way
# gets a wrong one, and one that loads all has to ask `is_finished`.
#
# Expected: the lines at the end of this file. Fails if that changes. Installs streamcatcher, pinned, in a
# temporary folder.
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
streamcatcher = "=1.0.1"
# Without the feature `std` of this, streamcatcher by itself does not compile.
futures-util = { version = "=0.3.32", default-features = false, features = ["std"] }
[workspace]
END
cat >"$folder/src/main.rs" <<'END'
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use streamcatcher::Catcher;

struct FailsOnce(u32);

impl Read for FailsOnce {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0 += 1;
        let bytes: &[u8] = match self.0 {
            1 => b"abc",
            2 => return Err(Error::from(ErrorKind::TimedOut)),
            3 => b"def",
            _ => b"",
        };
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

fn main() {
    for to in [SeekFrom::End(0), SeekFrom::Start(5)] {
        let mut catcher = Catcher::new(FailsOnce(0));
        let place = catcher.seek(to).map_err(|error| error.kind());
        let mut rest = String::new();
        let read = catcher.read_to_string(&mut rest).map_err(|error| error.kind());
        println!("{to:?}: {place:?}, then {read:?} {rest:?}");
    }
    let mut catcher = Catcher::new(FailsOnce(0));
    catcher.load_all();
    println!("load_all: {} bytes, finished: {}", catcher.len(), catcher.is_finished());
}
END
seen=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$seen"
[ "$seen" = 'End(0): Ok(3), then Ok(3) "def"
Start(5): Ok(3), then Ok(3) "def"
load_all: 3 bytes, finished: false' ]
