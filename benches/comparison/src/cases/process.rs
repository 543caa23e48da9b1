//! The outputs of children.

use super::*;
use crate::rivals::{child, tokio_process_tools};

pub(super) const RUNS: Runs =
    &[(8, delay), (64, lines), (64, text), (64, many), (8192, bytes), (64 << 10, bytes)];

/// A child writes 8 bytes now and then.
fn delay(options: &Options, size: usize) {
    // What is to be reached are 45 µs, where this rival takes 60 to 67.
    options
        .group("delay, median".into(), Setup::of(size), child_delay, |_| {
            ours::process::stamps as Delays
        })
        .goal(60.0 / 45.0)
        .against("tokio-process-tools", child_delay, |_| tokio_process_tools::stamps as Delays)
        .against("tokio::process", child_delay, |_| child::tokio_stamps as Delays)
        .against("a std thread", child_delay, |_| child::std_stamps as Delays);
}

/// Two hundred children at once, each of which writes 1 KiB.
fn many(options: &Options, size: usize) {
    let setup = Setup::of(size);
    options
        .group("200 children".into(), setup, crowd, |_| ours::process::crowd as Crowd)
        .goal(1.0)
        .against("tokio-process-tools", crowd, |_| tokio_process_tools::crowd as Crowd)
        .against("spawned and waited for", crowd, |_| spawn_and_wait as Crowd);
    let name = "200 children, processor time beyond spawning and waiting";
    options
        .group(name.into(), setup, crowd_processor, |_| ours::process::crowd as Crowd)
        .goal(2.0)
        .against("tokio-process-tools", crowd_processor, |_| tokio_process_tools::crowd as Crowd);
}

fn bytes(options: &Options, size: usize) {
    // Of 64 KiB the goal is for one consumer.
    let goals = if size > 8192 { [2.5; 3] } else { [1.1, 2.0, 2.0] };
    run(options, size, "bytes", Content::Bytes, goals.map(Some), 1.0 / 0.6);
}

fn lines(options: &Options, size: usize) {
    run(options, size, "lines", Content::Lines, [2.5, 3.5, 3.5].map(Some), 1.0 / 0.35);
}

fn text(options: &Options, size: usize) {
    run(options, size, "lines of UTF-8", Content::Text, [Some(1.2), None, Some(2.5)], None);
}

fn run(
    options: &Options,
    size: usize,
    what: &str,
    content: Content,
    goals: [Option<f64>; 3],
    processor: impl Into<Option<f64>>,
) {
    let processor = processor.into();
    for (consumers, goal) in [1, 2, 4].into_iter().zip(goals) {
        let name = format!("{what}, {}, {}", length(size), count(consumers, "consumer"));
        let setup = Setup { readers: consumers, ..Setup::of(size) };
        let mut group = options
            .group(name.clone(), setup, children, move |_| (ours::process::run as Run, content));
        group.goal(goal).against("tokio-process-tools", children, move |_| {
            (tokio_process_tools::run as Run, content)
        });
        if consumers == 1 && content != Content::Text {
            group
                .against("tokio::process", children, move |_| (child::tokio as Run, content))
                .against("a std thread", children, move |_| (child::std as Run, content));
        }
        drop(group);
        options
            .group(format!("{name}, processor time"), setup, children_processor, move |_| {
                (ours::process::run as Run, content)
            })
            .goal(processor.filter(|_| consumers > 1))
            .against("tokio-process-tools", children_processor, move |_| {
                (tokio_process_tools::run as Run, content)
            });
    }
}
