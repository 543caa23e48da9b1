//! How long a message and its answer take: two parties, two channels, one message on its way.
//!
//! The time is that of the round trip, so of two messages. `blocking` parties park only when the
//! answer is not there after a short spin; on cores that are busy with something else it often is
//! not, and then a round trip costs two wake-ups of a thread. `polling` parties need two cores to
//! themselves: while another process has one of them, the figure is that of the scheduler.
//!
//! ```sh
//! cargo bench --all-features --bench latency
//! ```

mod common;

use common::parties::{self, insist_put, insist_take, put, take};
use common::team::{Runtime, Team};
use common::{RING, bench_team, group, tasks};
use criterion::{BenchmarkId, Criterion};
use overfall::pipe;

const SIZES: [usize; 2] = [64, 1024];

fn main() {
    overfall::prepare();
    common::run(&[polling, blocking, tokio]);
}

fn polling(criterion: &mut Criterion) {
    let mut group = group(criterion, "latency/polling");
    for size in SIZES {
        bench_team(&mut group, BenchmarkId::from_parameter(size), size, || {
            let ((mut ask, mut asked), (mut tell, mut told)) = (pipe(RING), pipe(RING));
            let mut team = Team::default();
            team.thread(move |orders| {
                let write = |message: &[u8]| insist_put(&mut ask, message);
                parties::ask(orders, size, write, |buffer| insist_take(&mut told, buffer));
            });
            team.thread(move |orders| {
                let write = |message: &[u8]| insist_put(&mut tell, message);
                parties::answer(orders, size, write, |buffer| insist_take(&mut asked, buffer));
            });
            team
        });
    }
}

fn blocking(criterion: &mut Criterion) {
    let mut group = group(criterion, "latency/blocking");
    for size in SIZES {
        bench_team(&mut group, BenchmarkId::from_parameter(size), size, || {
            let ((ask, asked), (tell, told)) = (pipe(RING), pipe(RING));
            let (mut ask, mut asked) = (ask.blocking(), asked.blocking());
            let (mut tell, mut told) = (tell.blocking(), told.blocking());
            let mut team = Team::default();
            team.thread(move |orders| {
                let write = |message: &[u8]| put(&mut ask, message);
                parties::ask(orders, size, write, |buffer| take(&mut told, buffer));
            });
            team.thread(move |orders| {
                let write = |message: &[u8]| put(&mut tell, message);
                parties::answer(orders, size, write, |buffer| take(&mut asked, buffer));
            });
            team
        });
    }
}

fn tokio(criterion: &mut Criterion) {
    for (name, runtime) in [
        ("latency/tokio_current_thread", Runtime::CurrentThread),
        ("latency/tokio_multi_thread", Runtime::MultiThread),
    ] {
        let mut group = group(criterion, name);
        for size in SIZES {
            bench_team(&mut group, BenchmarkId::from_parameter(size), size, || {
                let ((ask, asked), (tell, told)) = (pipe(RING), pipe(RING));
                let mut team = Team::default();
                let parties = [tasks::ask(size, ask, told), tasks::answer(size, tell, asked)];
                team.tasks(runtime, parties);
                team
            });
        }
    }
}
