//! Whether a processor likes cache lines handed back: decides over a line of `src/sync/processor.rs`.
//!
//! One writer and one reader on threads that poll, as in `throughput`, without (`off`) and with (`on`)
//! [`Builder::hand_lines_back`](overfall::Builder::hand_lines_back):
//!
//! - `copied`: the reader copies each slice.
//! - `lent`: it is lent the slice, copies it itself, and consumes it.
//!
//! It pays where `on` is faster in each pair, for cores that share a cache and for cores that do not. Below
//! 1 KiB, and 2 KiB if lent, the two are the same. On a machine that does other things as well, give the
//! threads their cores.
//!
//! ```sh
//! cargo bench --bench hand_back
//! ```

mod common;

use common::parties::{self, Letter, insist_put, insist_take};
use common::team::Team;
use common::{RING, bench_team, group};
use criterion::{BenchmarkId, Criterion};
use overfall::{Channel, StrongReader};
use std::hint::spin_loop;

const SIZES: [usize; 4] = [512, 1024, 4096, 16 * 1024];

fn main() {
    overfall::prepare();
    common::run(&[copied, lent]);
}

fn copied(criterion: &mut Criterion) {
    compare(criterion, "hand_back/copied", insist_take);
}

fn lent(criterion: &mut Criterion) {
    compare(criterion, "hand_back/lent", |reader, buffer| {
        let length = buffer.len();
        loop {
            match reader.try_fill_buf() {
                Ok(lent) => break buffer.copy_from_slice(&lent[..length]),
                Err(_) => spin_loop(),
            }
        }
        reader.consume(length);
    });
}

fn compare(
    criterion: &mut Criterion,
    name: &str,
    take: impl Fn(&mut StrongReader, &mut [u8]) + Copy + Send + 'static,
) {
    let mut group = group(criterion, name);
    for size in SIZES {
        for (name, hands_back) in [("off", false), ("on", true)] {
            bench_team(&mut group, BenchmarkId::new(name, size), size, || {
                let channel = Channel::builder().size(RING).hand_lines_back(hands_back);
                let channel = channel.build().expect("a ring");
                let (mut writer, mut reader) =
                    (channel.new_strong_writer(), channel.new_strong_reader());
                let mut team = Team::default();
                team.thread(move |orders| {
                    let write = |message: &[u8]| insist_put(&mut writer, message);
                    parties::write(orders, Letter::new(size, 0, 1), write);
                });
                team.thread(move |orders| {
                    parties::read(orders, size, 1, |buffer| take(&mut reader, buffer));
                });
                team
            });
        }
    }
}
