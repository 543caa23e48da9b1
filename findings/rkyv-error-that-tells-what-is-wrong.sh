#!/usr/bin/env bash
# rkyv 0.8.18 with rancor 0.1.3: whether validation reports its error as a `BoxedError`, which says what is wrong, or as
# a `Failure`, which does not, decides how long it takes for values that are valid.
#
# One would think that an error costs something once there is one. But with `BoxedError` each check has the code beside
# it that makes the error, and few of rkyv's checks are inlined any more. A struct of a number, a string and a list takes
# two to three times as long to be validated, with a limit of depth as it is set for bytes of others; without one, half
# as long again. `rancor::Error`, which rkyv's own examples use, is `BoxedError` where there are debug assertions, and
# `Failure` where there are none: so a program that names `BoxedError`, to be told what is wrong in a release as well,
# loses the speed. Validate as `Failure`, and once more as `BoxedError` if that fails.
#
# Expected: "BoxedError takes N times as long as Failure: slower", N 1.9 to 3.1 where this was written (x86_64, rustc
# 1.95.0). Fails if N is less than 1.3. Installs rkyv, pinned, in a temporary folder.
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
rancor = "=0.1.3"
rkyv = "=0.8.18"
[workspace]
END
cat >"$folder/src/main.rs" <<'END'
use rancor::{BoxedError, Failure};
use rkyv::api::access_with_context;
use rkyv::validation::{archive::ArchiveValidator, shared::SharedValidator, Validator};
use rkyv::{to_bytes, Archive, Serialize};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

#[derive(Archive, Serialize)]
struct Value {
    number: u64,
    name: String,
    list: Vec<f32>,
}

const TIMES: u32 = 200_000;

fn boxed(bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    for _ in 0..TIMES {
        let bytes = black_box(bytes);
        let archive = ArchiveValidator::with_max_depth(bytes, NonZeroUsize::new(256));
        let mut validator = Validator::new(archive, SharedValidator::new());
        assert!(access_with_context::<ArchivedValue, _, BoxedError>(bytes, &mut validator).is_ok());
    }
    begun.elapsed()
}

fn failure(bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    for _ in 0..TIMES {
        let bytes = black_box(bytes);
        let archive = ArchiveValidator::with_max_depth(bytes, NonZeroUsize::new(256));
        let mut validator = Validator::new(archive, SharedValidator::new());
        assert!(access_with_context::<ArchivedValue, _, Failure>(bytes, &mut validator).is_ok());
    }
    begun.elapsed()
}

fn main() {
    let value = Value { number: 7, name: "longer than what is kept inline".into(), list: vec![1.0; 8] };
    let bytes = to_bytes::<BoxedError>(&value).unwrap();
    // In turn; the median of the ratios.
    let mut ratios: Vec<f64> =
        (0..31).map(|_| boxed(&bytes).as_secs_f64() / failure(&bytes).as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let verdict = if ratio >= 1.3 { "slower" } else { "alike" };
    println!("BoxedError takes {ratio:.1} times as long as Failure: {verdict}");
}
END
seen=$(cd "$folder" && cargo run --quiet --release)
echo "$seen"
[[ $seen == *": slower" ]]
