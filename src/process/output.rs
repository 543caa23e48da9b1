//! One captured output of a child. (A stand-in, until the drain is merged.)

use super::capture::Ring;
use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::stats::ChannelStats;
use crate::channel::writer::StrongWriter;
use crate::channel::{AfterLast, Channel, StartAt};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// One captured output of a child.
#[derive(Debug)]
pub struct Output {
    channel: Arc<Channel>,
    /// How many pipes have ended, and how many bytes came.
    progress: watch::Receiver<(usize, u64)>,
    pipes: usize,
}

impl Output {
    pub(super) fn drain(pipe: OwnedFd, capture: &Ring, name: &str) -> io::Result<Self> {
        Self::of(vec![pipe], capture, name)
    }

    pub(super) fn drain_merged(
        stdout: OwnedFd,
        stderr: OwnedFd,
        capture: &Ring,
        name: &str,
    ) -> io::Result<Self> {
        Self::of(vec![stdout, stderr], capture, name)
    }

    fn of(pipes: Vec<OwnedFd>, capture: &Ring, name: &str) -> io::Result<Self> {
        let builder = Channel::builder().size(capture.capacity).name(name);
        let builder = builder.after_last_strong_reader(AfterLast::Overwrite);
        let channel = builder.build().map_err(io::Error::other)?;
        let (sender, progress) = watch::channel((0, 0));
        let sender = Arc::new(sender);
        let count = pipes.len();
        for (pipe, name) in pipes.into_iter().zip(["stdout", "stderr"]) {
            rustix::io::ioctl_fionbio(&pipe, true)?;
            let pipe = super::system::watch(pipe, Interest::READABLE)?;
            let writer = channel.new_strong_writer();
            writer.set_name(name);
            tokio::spawn(drain(pipe, writer, sender.clone()));
        }
        Ok(Self { channel, progress, pipes: count })
    }

    pub(super) async fn ended(&self, quiet: Duration, at_most: Duration) -> bool {
        let mut progress = self.progress.clone();
        let all = async {
            loop {
                if progress.borrow_and_update().0 == self.pipes {
                    return true;
                }
                match tokio::time::timeout(quiet, progress.changed()).await {
                    Ok(_) => {}
                    Err(_) => return progress.borrow_and_update().0 == self.pipes,
                }
            }
        };
        tokio::time::timeout(at_most, all).await.unwrap_or(false)
    }

    pub(super) fn take_holds(&self) -> Vec<Arc<str>> {
        let stats = self.channel.stats();
        let strong = stats.readers.into_iter().filter(|reader| reader.strong && reader.lag > 0);
        strong
            .filter_map(|reader| {
                self.channel.take_hold(reader.id)?;
                Some(reader.name.unwrap_or_else(|| format!("#{}", reader.id).into()))
            })
            .collect()
    }

    /// A reader that the child waits for.
    pub fn strong_reader(&self) -> StrongReader {
        self.channel.new_strong_reader_at(StartAt::Oldest)
    }

    /// A reader that the child does not wait for.
    pub fn weak_reader(&self) -> WeakReader {
        self.channel.new_weak_reader_at(StartAt::Oldest)
    }

    /// The figures of its channel.
    pub fn stats(&self) -> ChannelStats {
        self.channel.stats()
    }
}

async fn drain(
    pipe: AsyncFd<OwnedFd>,
    mut writer: StrongWriter,
    progress: Arc<watch::Sender<(usize, u64)>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read =
            pipe.async_io(Interest::READABLE, |pipe| Ok(rustix::io::read(pipe, &mut buffer[..])?));
        match read.await {
            Ok(0) => break,
            Ok(read) => {
                let _ = writer.send(&buffer[..read]).await;
                progress.send_modify(|progress| progress.1 += read as u64);
            }
            Err(error) => {
                let _ = writer.fail(error);
                break;
            }
        }
    }
    writer.shut_down();
    progress.send_modify(|progress| progress.0 += 1);
}
