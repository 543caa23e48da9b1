//! How many bytes go from one writer to one reader, message by message.
//!
//! - `one_thread`: a write and a read in turn. Nothing crosses between cores and nobody waits, so
//!   this is the work itself.
//! - `polling`: two threads that never sleep, with `try_write` and `try_read`.
//! - `blocking`: two threads that spin a little and then park, with `blocking()`.
//! - `tokio_*`: two tasks, on one thread in turn or on two.
//!
//! ```sh
//! cargo bench --all-features --bench throughput
//! cargo bench --all-features --bench throughput -- polling/64
//! ```

mod common;

use common::parties::{self, Letter, insist_put, insist_take, put, take};
use common::team::{Runtime, Team};
use common::{RING, bench_here, bench_team, group, tasks};
use criterion::{BenchmarkId, Criterion};
use overfall::pipe;

const SIZES: [usize; 7] = [8, 64, 256, 1024, 4096, 16 * 1024, 64 * 1024];

fn main() {
    overfall::prepare();
    common::run(&[one_thread, polling, blocking, tokio]);
}

fn one_thread(criterion: &mut Criterion) {
    let mut group = group(criterion, "throughput/one_thread");
    for size in SIZES {
        bench_here(&mut group, BenchmarkId::from_parameter(size), size, || {
            let (mut writer, mut reader) = pipe(RING);
            move |message: &[u8], buffer: &mut [u8]| {
                assert_eq!(writer.try_write(message), Ok(message.len()));
                assert_eq!(reader.try_read(buffer), Ok(message.len()));
            }
        });
    }
}

fn polling(criterion: &mut Criterion) {
    let mut group = group(criterion, "throughput/polling");
    for size in SIZES {
        bench_team(&mut group, BenchmarkId::from_parameter(size), size, || {
            let (mut writer, mut reader) = pipe(RING);
            let mut team = Team::default();
            team.thread(move |orders| {
                let write = |message: &[u8]| insist_put(&mut writer, message);
                parties::write(orders, Letter::new(size, 0, 1), write);
            });
            team.thread(move |orders| {
                parties::read(orders, size, 1, |buffer| insist_take(&mut reader, buffer));
            });
            team
        });
    }
}

fn blocking(criterion: &mut Criterion) {
    let mut group = group(criterion, "throughput/blocking");
    for size in SIZES {
        bench_team(&mut group, BenchmarkId::from_parameter(size), size, || {
            let (writer, reader) = pipe(RING);
            let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
            let mut team = Team::default();
            team.thread(move |orders| {
                let write = |message: &[u8]| put(&mut writer, message);
                parties::write(orders, Letter::new(size, 0, 1), write);
            });
            team.thread(move |orders| {
                parties::read(orders, size, 1, |buffer| take(&mut reader, buffer));
            });
            team
        });
    }
}

fn tokio(criterion: &mut Criterion) {
    for (name, runtime) in [
        ("throughput/tokio_current_thread", Runtime::CurrentThread),
        ("throughput/tokio_multi_thread", Runtime::MultiThread),
    ] {
        let mut group = group(criterion, name);
        for size in SIZES {
            bench_team(&mut group, BenchmarkId::from_parameter(size), size, || {
                let (writer, reader) = pipe(RING);
                let mut team = Team::default();
                let writer = tasks::write(Letter::new(size, 0, 1), writer);
                team.tasks(runtime, [writer, tasks::read(size, 1, reader)]);
                team
            });
        }
    }
}
