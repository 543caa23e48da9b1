//! Outputs of children, with strong consumers on the runtime.

use crate::drivers::Job;
use overfall::lines::Lines;
use overfall::process::{Command, Start};
use tokio::io::AsyncBufReadExt;
use tokio::runtime::Runtime;

pub(crate) fn run(runtime: &Runtime, job: Job) -> u64 {
    runtime.block_on(async {
        let child = Command::from(job.command()).spawn().expect("a child");
        let output = child.stdout().expect("it is captured");
        let consumers = Vec::from_iter((0..job.consumers).map(|_| {
            let mut reader = output.strong_reader(Start::Oldest).expect("any number of them");
            assert!(reader.missed().is_none());
            tokio::spawn(async move {
                let mut bytes = 0;
                if job.lines {
                    let mut lines = Lines::new(reader);
                    while let Some(line) = lines.next_line().await.expect("no error") {
                        bytes += line.len() as u64 + 1;
                    }
                    return bytes;
                }
                loop {
                    let length = reader.fill_buf().await.expect("no error").len();
                    if length == 0 {
                        return bytes;
                    }
                    bytes += length as u64;
                    reader.consume(length);
                }
            })
        }));
        let mut bytes = 0;
        for consumer in consumers {
            bytes += consumer.await.expect("no panic");
        }
        assert!(child.wait().await.success());
        bytes
    })
}
