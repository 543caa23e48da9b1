//! What it costs that several writers share a ring: 1, 2, 4, 8 of them to one strong reader.
//!
//! The time is that of one message, whoever wrote it: the writers share out a round's messages, so
//! without any contention it would be the same for any number of them. With more writers than cores
//! it also has in it what the scheduler makes of that.
//!
//! ```sh
//! cargo bench --all-features --bench contention
//! ```

mod common;

use common::parties::{self, Letter, put, take};
use common::team::{Runtime, Team};
use common::{RING, bench_team, group, tasks};
use criterion::{BenchmarkId, Criterion};
use overfall::{Channel, StrongReader, StrongWriter};

const SIZES: [usize; 2] = [64, 1024];
const WRITERS: [usize; 4] = [1, 2, 4, 8];

fn main() {
    overfall::prepare();
    common::run(&[blocking, tokio]);
}

/// No handle is left: when a party fails, the others get to know, and do not wait for ever.
fn endpoints(writers: usize) -> (Vec<StrongWriter>, StrongReader) {
    let channel = Channel::new(RING);
    let writers = (0..writers).map(|_| channel.new_strong_writer()).collect();
    (writers, channel.new_strong_reader())
}

fn blocking(criterion: &mut Criterion) {
    let mut group = group(criterion, "contention/blocking");
    for size in SIZES {
        for count in WRITERS {
            let id = BenchmarkId::new(format!("{size}_bytes"), format!("{count}_writers"));
            bench_team(&mut group, id, size, || {
                let (writers, reader) = endpoints(count);
                let mut reader = reader.blocking();
                let mut team = Team::default();
                for (number, writer) in writers.into_iter().enumerate() {
                    let mut writer = writer.blocking();
                    team.thread(move |orders| {
                        let letter = Letter::new(size, number, count);
                        parties::write(orders, letter, |message| put(&mut writer, message));
                    });
                }
                team.thread(move |orders| {
                    parties::read(orders, size, count, |buffer| take(&mut reader, buffer));
                });
                team
            });
        }
    }
}

fn tokio(criterion: &mut Criterion) {
    let mut group = group(criterion, "contention/tokio_multi_thread");
    for size in SIZES {
        for count in WRITERS {
            let id = BenchmarkId::new(format!("{size}_bytes"), format!("{count}_writers"));
            bench_team(&mut group, id, size, || {
                let (writers, reader) = endpoints(count);
                let mut parties = vec![tasks::read(size, count, reader)];
                for (number, writer) in writers.into_iter().enumerate() {
                    parties.push(tasks::write(Letter::new(size, number, count), writer));
                }
                let mut team = Team::default();
                team.tasks(Runtime::MultiThread, parties);
                team
            });
        }
    }
}
