//! A child as tokio and std have it, with one consumer that reads its pipe.

use crate::drivers::{Content, Job, delays};
use std::io::{BufRead, BufReader, Read};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};
use tokio::runtime::Runtime;

/// How much is read at a time.
const READ: usize = 64 << 10;

/// A task that reads, in a loop.
pub(crate) fn tokio(runtime: &Runtime, job: Job) -> u64 {
    runtime.block_on(async {
        let mut child = tokio::process::Command::from(job.command()).spawn().expect("a child");
        let mut stdout = child.stdout.take().expect("it is piped");
        let consumer = tokio::spawn(async move {
            let mut bytes = 0;
            if job.content == Content::Lines {
                let (mut lines, mut line) =
                    (tokio::io::BufReader::with_capacity(READ, stdout), vec![]);
                while lines.read_until(b'\n', &mut line).await.expect("no error") > 0 {
                    bytes += line.len() as u64;
                    line.clear();
                }
                return bytes;
            }
            let mut buffer = vec![0; READ];
            loop {
                match stdout.read(&mut buffer).await.expect("no error") {
                    0 => return bytes,
                    read => bytes += read as u64,
                }
            }
        });
        let bytes = consumer.await.expect("no panic");
        assert!(child.wait().await.expect("it ends").success());
        bytes
    })
}

/// A thread that reads, in a loop.
pub(crate) fn std(_: &Runtime, job: Job) -> u64 {
    let mut child = job.command().spawn().expect("a child");
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut bytes = 0;
    if job.content == Content::Lines {
        let (mut lines, mut line) = (BufReader::with_capacity(READ, stdout), vec![]);
        while lines.read_until(b'\n', &mut line).expect("no error") > 0 {
            bytes += line.len() as u64;
            line.clear();
        }
    } else {
        let mut buffer = vec![0; READ];
        loop {
            match stdout.read(&mut buffer).expect("no error") {
                0 => break,
                read => bytes += read as u64,
            }
        }
    }
    assert!(child.wait().expect("it ends").success());
    bytes
}

/// How long what it writes is on its way to a task.
pub(crate) fn tokio_stamps(runtime: &Runtime, job: Job) -> Vec<u64> {
    runtime.block_on(async {
        let mut child = tokio::process::Command::from(job.command()).spawn().expect("a child");
        let mut stdout = child.stdout.take().expect("it is piped");
        let consumer = tokio::spawn(async move {
            let (mut all, mut buffer) = (vec![], vec![0; READ]);
            loop {
                match stdout.read(&mut buffer).await.expect("no error") {
                    0 => return all,
                    read => all.extend(delays(&buffer[..read])),
                }
            }
        });
        let all = consumer.await.expect("no panic");
        assert!(child.wait().await.expect("it ends").success());
        all
    })
}

/// The same to a thread.
pub(crate) fn std_stamps(_: &Runtime, job: Job) -> Vec<u64> {
    let mut child = job.command().spawn().expect("a child");
    let mut stdout = child.stdout.take().expect("it is piped");
    let (mut all, mut buffer) = (vec![], vec![0; READ]);
    loop {
        match stdout.read(&mut buffer).expect("no error") {
            0 => break,
            read => all.extend(delays(&buffer[..read])),
        }
    }
    assert!(child.wait().expect("it ends").success());
    all
}
