//! What comes out of a child, kept in a ring that any number of consumers read.

#[cfg(test)]
mod tests;

use super::drain::{Drain, End, Order, Progress};
use super::driver::Either::First;
use super::driver::{self, first};
use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::stats::ChannelStats;
use crate::channel::{AfterLast, Channel};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How an output is kept: in a ring of so many bytes.
#[derive(Clone, Debug)]
pub struct Ring {
    capacity: usize,
}

impl Ring {
    /// A ring of `capacity` bytes, rounded up to a power of two, 4096 at least. It takes memory as it fills.
    pub fn new(capacity: usize) -> Self {
        Self { capacity }
    }
}

impl Default for Ring {
    /// One of 1 MiB.
    fn default() -> Self {
        Self::new(1 << 20)
    }
}

/// One output of a child: its stdout, its stderr, or both in one ring. Clones are of the same output.
#[derive(Clone)]
pub struct Output {
    channel: Arc<Channel>,
    /// A drain for each pipe.
    drains: Vec<(Arc<Progress>, mpsc::UnboundedSender<Order>)>,
}

impl Output {
    /// Reads `pipe`, which is ours alone, into a ring until its end. `name` is that of the channel.
    pub(super) fn drain(pipe: OwnedFd, capture: &Ring, name: &str) -> io::Result<Self> {
        Self::start([(pipe, None)], capture, name)
    }

    /// Reads both into one ring, in the order in which they become readable, by writers with the names
    /// `stdout` and `stderr`.
    pub(super) fn drain_merged(
        stdout: OwnedFd,
        stderr: OwnedFd,
        capture: &Ring,
        name: &str,
    ) -> io::Result<Self> {
        Self::start([(stdout, Some("stdout")), (stderr, Some("stderr"))], capture, name)
    }

    fn start<const PIPES: usize>(
        pipes: [(OwnedFd, Option<&str>); PIPES],
        capture: &Ring,
        name: &str,
    ) -> io::Result<Self> {
        let channel = Channel::builder()
            .size(capture.capacity.max(4096))
            .name(name)
            .after_last_strong_reader(AfterLast::Overwrite)
            .fail_on_panic(false)
            .build()
            .map_err(io::Error::other)?;
        let runtime = driver::handle()?;
        let _within_it = runtime.enter();
        let end = Arc::new(End::new(channel.clone()));
        let mut drains = Vec::with_capacity(PIPES);
        for (pipe, name) in pipes {
            let writer = channel.new_strong_writer();
            if let Some(name) = name {
                writer.set_name(name);
            }
            let progress = Arc::new(Progress::new());
            let (orders, received) = mpsc::unbounded_channel();
            let drain = Drain::new(pipe, writer, received, progress.clone(), end.clone())?;
            runtime.spawn(drain.run());
            drains.push((progress, orders));
        }
        Ok(Self { channel, drains })
    }

    /// A new consumer that the child waits for, at the oldest byte that is kept.
    pub fn strong_reader(&self) -> StrongReader {
        self.channel.new_strong_reader()
    }

    /// A new consumer that the child does not wait for, at the oldest byte that is kept.
    pub fn weak_reader(&self) -> WeakReader {
        self.channel.new_weak_reader()
    }

    /// The figures of its channel.
    pub fn stats(&self) -> ChannelStats {
        self.channel.stats()
    }

    /// Waits until the output has ended, or nothing has come into the ring for `quiet`, or `at_most` is
    /// over. When time is up it looks once more, without waiting. Tells whether the output has ended.
    pub(super) async fn ended(&self, quiet: Duration, at_most: Duration) -> bool {
        let began = Instant::now();
        let end = began.checked_add(at_most);
        loop {
            let last = self.drains.iter().map(|(progress, _)| progress.last()).max();
            let quiet = last.unwrap_or(began).max(began).checked_add(quiet);
            let deadline = [quiet, end].into_iter().flatten().min();
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                break;
            }
            if self.ended_until(deadline).await {
                return true;
            }
        }
        for (_, orders) in &self.drains {
            let (asker, answer) = oneshot::channel();
            // A drain that is not there to take the order, or does not answer, has ended.
            if orders.send(Order::Look(asker)).is_ok() {
                let _answer = answer.await;
            }
        }
        self.channel.is_closed()
    }

    async fn ended_until(&self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            self.channel.closed().await;
            return true;
        };
        let Ok(sleep) = driver::sleep_until(deadline) else { return self.channel.is_closed() };
        matches!(first(self.channel.closed(), sleep).await, First(()))
    }

    /// Turns strong consumers that stand still weak, if the output waits for room, and tells their names.
    /// They are told what they miss.
    pub(super) fn take_holds(&self) -> Vec<Arc<str>> {
        if !self.drains.iter().any(|(progress, _)| progress.is_held_up()) {
            return Vec::new();
        }
        let stats = self.channel.stats();
        // A read and its padding are at most a quarter of the ring: who is closer leaves room for them.
        let is_in_the_way = |lag| lag > stats.capacity / 2;
        let readers =
            stats.readers.iter().filter(|reader| reader.strong && is_in_the_way(reader.lag));
        readers
            .filter(|reader| self.channel.take_hold(reader.id).is_some())
            .map(|reader| match &reader.name {
                Some(name) => name.clone(),
                None => format!("consumer {}", reader.id).into(),
            })
            .collect()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("channel", &self.channel).finish()
    }
}
