//! The outputs of children.

use super::*;
use crate::rivals::{child, tokio_process_tools};

pub(super) const RUNS: Runs = &[(64, lines), (8192, bytes), (64 << 10, bytes)];

fn bytes(options: &Options, size: usize) {
    // Of 64 KiB the goal is for one consumer.
    let goals = if size > 8192 { [2.5; 3] } else { [1.1, 2.0, 2.0] };
    run(options, size, "bytes", false, goals, 1.0 / 0.6);
}

fn lines(options: &Options, size: usize) {
    run(options, size, "lines", true, [2.5, 3.5, 3.5], 1.0 / 0.35);
}

fn run(options: &Options, size: usize, what: &str, lines: bool, goals: [f64; 3], processor: f64) {
    for (consumers, goal) in [1, 2, 4].into_iter().zip(goals) {
        let name = format!("{what}, {}, {}", length(size), count(consumers, "consumer"));
        let setup = Setup { readers: consumers, ..Setup::of(size) };
        let mut group = options
            .group(name.clone(), setup, children, move |_| (ours::process::run as Run, lines));
        group.goal(goal).against("tokio-process-tools", children, move |_| {
            (tokio_process_tools::run as Run, lines)
        });
        if consumers == 1 {
            group
                .against("tokio::process", children, move |_| (child::tokio as Run, lines))
                .against("a std thread", children, move |_| (child::std as Run, lines));
        }
        drop(group);
        options
            .group(format!("{name}, processor time"), setup, children_processor, move |_| {
                (ours::process::run as Run, lines)
            })
            .goal((consumers > 1).then_some(processor))
            .against("tokio-process-tools", children_processor, move |_| {
                (tokio_process_tools::run as Run, lines)
            });
    }
}
