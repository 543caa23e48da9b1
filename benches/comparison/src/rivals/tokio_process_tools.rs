//! The library that has most in common with our children: many consumers, and none loses anything.

use crate::drivers::{Content, Job, delays};
use std::borrow::Cow;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_process_tools::*;

/// Counts the bytes of a consumer.
#[derive(Default)]
struct Count(u64);

impl StreamVisitor for Count {
    type Output = u64;

    fn on_chunk(&mut self, chunk: Chunk) -> Next {
        self.0 += chunk.as_ref().len() as u64;
        Next::Continue
    }

    fn into_output(self) -> u64 {
        self.0
    }
}

impl LineVisitor for Count {
    type Output = u64;

    fn on_line(&mut self, line: Cow<'_, str>) -> Next {
        self.0 += line.len() as u64 + 1;
        Next::Continue
    }

    fn into_output(self) -> u64 {
        self.0
    }
}

/// Takes the times that are written.
#[derive(Default)]
struct Stamps(Vec<u64>);

impl StreamVisitor for Stamps {
    type Output = Vec<u64>;

    fn on_chunk(&mut self, chunk: Chunk) -> Next {
        self.0.extend(delays(chunk.as_ref()));
        Next::Continue
    }

    fn into_output(self) -> Vec<u64> {
        self.0
    }
}

/// A child whose stdout goes to any number of consumers.
macro_rules! spawn {
    ($job:expr) => {
        Process::new($job.command().into())
            .name(AutoName::program_only())
            .stdout_and_stderr(|stream| {
                stream
                    .broadcast()
                    .reliable_with_backpressure()
                    .replay_last_bytes(1.megabytes())
                    .read_chunk_size(DEFAULT_READ_CHUNK_SIZE)
                    .max_buffered_chunks(DEFAULT_MAX_BUFFERED_CHUNKS)
            })
            .spawn()
            .expect("a child")
    };
}

/// Waits until it has ended.
macro_rules! wait {
    ($process:expr) => {
        let completed = $process.wait_for_completion(Duration::from_secs(30)).await;
        assert!(completed.expect("it ends").expect_completed("in time").success());
    };
}

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
        let mut process = spawn!(job);
        let Ok(consumer) = process.stdout().consume(Stamps::default());
        let all = consumer.wait().await.expect("no error");
        wait!(process);
        all
    })
}

async fn consume(job: Job) -> u64 {
    let mut process = spawn!(job);
    let consumers = Vec::from_iter((0..job.consumers).map(|_| {
        let stdout = process.stdout();
        // Its lines are always text.
        let consumer = if matches!(job.content, Content::Lines | Content::Text) {
            stdout.consume(ParseLines::new(LineParsingOptions::default(), Count::default()))
        } else {
            stdout.consume(Count::default())
        };
        let Ok(consumer) = consumer;
        consumer
    }));
    let mut bytes = 0;
    for consumer in consumers {
        bytes += consumer.wait().await.expect("no error");
    }
    wait!(process);
    bytes
}
