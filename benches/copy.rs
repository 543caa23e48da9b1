//! The two copies of `src/ring/copy.rs`, as the users of the crate meet them: a write and a read on
//! one thread, by size.
//!
//! A weak reader copies with the same code as the writers, since its bytes may be overwritten
//! meanwhile; a strong one with a plain `memcpy`, so that only half of its round trip depends on the
//! copy. The difference between the two kinds at one size is what the weak reader's checks cost.
//!
//! Which copy there is gets decided when the crate is compiled. To compare them, let criterion keep
//! the figures of one and say how the other differs, and do it twice, since a machine has moods:
//!
//! ```sh
//! cargo bench --bench copy -- --save-baseline default
//! RUSTFLAGS='--cfg overfall_portable' cargo bench --bench copy -- --baseline default
//! ```

mod common;

use common::{bench_here, group};
use criterion::{BenchmarkId, Criterion};
use overfall::Channel;

/// Around the lengths where a copy changes its ways: a word, two words, a granule, the string
/// move; and odd ones, which have a rest to copy.
const SIZES: [usize; 13] =
    [8, 15, 16, 31, 64, 100, 256, 1000, 2047, 2048, 4096, 16 * 1024, 64 * 1024];

/// Small, so that it is the copy that counts and not the memory behind it.
const RING: usize = 64 * 1024;

fn main() {
    overfall::prepare();
    let portable = cfg!(any(overfall_portable, not(target_arch = "x86_64")));
    eprintln!("copy: {}", if portable { "portable words" } else { "assembly" });
    common::run(&[strong, weak]);
}

fn strong(criterion: &mut Criterion) {
    let mut group = group(criterion, "copy/strong");
    for size in SIZES {
        bench_here(&mut group, BenchmarkId::from_parameter(size), size, || {
            let (mut writer, mut reader) = overfall::pipe(RING);
            move |message: &[u8], buffer: &mut [u8]| {
                assert_eq!(writer.try_write(message), Ok(message.len()));
                assert_eq!(reader.try_read(buffer), Ok(message.len()));
            }
        });
    }
}

fn weak(criterion: &mut Criterion) {
    let mut group = group(criterion, "copy/weak");
    for size in SIZES {
        bench_here(&mut group, BenchmarkId::from_parameter(size), size, || {
            let channel = Channel::new(RING);
            let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_weak_reader());
            move |message: &[u8], buffer: &mut [u8]| {
                assert_eq!(writer.try_write(message), Ok(message.len()));
                assert_eq!(reader.try_read(buffer), Ok(message.len()));
            }
        });
    }
}
