//! Outputs of children, with strong consumers on the runtime.

use crate::drivers::{Content, Job, delays};
use overfall::StrongReader;
use overfall::lines::{Builder, Lines};
use overfall::process::{Child, Command, Start};
use tokio::io::AsyncBufReadExt;
use tokio::runtime::Runtime;

pub(crate) fn run(runtime: &Runtime, job: Job) -> u64 {
    runtime.block_on(consume(job))
}

/// Many of them at once.
pub(crate) fn crowd(runtime: &Runtime, job: Job, children: usize) -> u64 {
    runtime.block_on(async {
        let all = Vec::from_iter((0..children).map(|_| tokio::spawn(consume(job))));
        let mut bytes = 0;
        for child in all {
            bytes += child.await.expect("no panic");
        }
        bytes
    })
}

/// How long what it writes is on its way.
pub(crate) fn stamps(runtime: &Runtime, job: Job) -> Vec<u64> {
    runtime.block_on(async {
        let child = Command::from(job.command()).spawn().expect("a child");
        let mut reader = consumer(&child);
        let consumer = tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let bytes = reader.fill_buf().await.expect("no error");
                if bytes.is_empty() {
                    return all;
                }
                all.extend(delays(bytes));
                let length = bytes.len();
                reader.consume(length);
            }
        });
        let all = consumer.await.expect("no panic");
        assert!(child.wait().await.success());
        all
    })
}

fn consumer(child: &Child) -> StrongReader {
    let output = child.stdout().expect("it is captured");
    let reader = output.strong_reader(Start::Oldest).expect("any number of them");
    assert!(reader.missed().is_none());
    reader
}

async fn consume(job: Job) -> u64 {
    let child = Command::from(job.command()).spawn().expect("a child");
    let consumers = Vec::from_iter((0..job.consumers).map(|_| {
        let reader = consumer(&child);
        tokio::spawn(async move {
            match job.content {
                Content::Lines => lines(Lines::new(reader)).await,
                Content::Text => lines(Builder::new().utf8_lossy().lines(reader)).await,
                _ => bytes(reader).await,
            }
        })
    }));
    let mut bytes = 0;
    for consumer in consumers {
        bytes += consumer.await.expect("no panic");
    }
    assert!(child.wait().await.success());
    bytes
}

async fn bytes(mut reader: StrongReader) -> u64 {
    let mut bytes = 0;
    loop {
        let length = reader.fill_buf().await.expect("no error").len();
        if length == 0 {
            return bytes;
        }
        bytes += length as u64;
        reader.consume(length);
    }
}

async fn lines(mut lines: Lines<StrongReader>) -> u64 {
    let mut bytes = 0;
    while let Some(line) = lines.next_line().await.expect("no error") {
        bytes += line.len() as u64 + 1;
    }
    bytes
}
