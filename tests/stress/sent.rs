//! What was sent, and what readers must have come to in the end.
use super::posts::{Checker, Count, Sender};
use overfall::error::TrySendError;
use overfall::{Backpressure, Channel, Reader, Writer};
use std::thread;

/// Sends everybody's last message.
pub(crate) fn send_last(writers: &mut [(Writer, Sender)]) {
    for (writer, sender) in writers {
        let last = sender.last();
        while let Err(error) = writer.try_send(&last) {
            assert_eq!(error, TrySendError::Full);
            thread::yield_now();
        }
        sender.count(last.len());
        sender.check(&writer.stats());
    }
}

/// Who sent what, in the end.
pub(crate) struct Sent {
    pub(crate) writers: Vec<(Writer, Sender)>,
    pub(crate) of_channel: Sender,
    pub(crate) gone: Vec<Sender>,
}

impl Sent {
    fn all(&self) -> Count {
        let writers = self.writers.iter().map(|(_, sender)| sender);
        let senders = writers.chain(&self.gone).chain([&self.of_channel]);
        senders.fold(Count::default(), |sum, sender| sum.plus(sender.sent))
    }

    /// A strong reader has received all of it, but for what was dropped.
    pub(crate) fn check_strong(&self, channel: &Channel, reader: &Reader, checker: &Checker) {
        let waits = channel.backpressure() == Backpressure::Block;
        for (writer, sender) in &self.writers {
            let stats = writer.stats();
            let missed = checker.check_sum(sender.id, sender.sent);
            assert_eq!(missed, Count::new(stats.dropped_slices, stats.dropped_bytes));
            checker.check_told(reader, sender.id);
            if waits {
                assert_eq!(
                    (missed, checker.accounts[&sender.id].long),
                    (Count::default(), sender.long)
                );
            }
        }
        let of_channel = checker.accounts.get(&0).map(|account| account.received);
        assert_eq!(of_channel.unwrap_or_default(), self.of_channel.sent);
        for sender in self.gone.iter().filter(|sender| sender.sent.messages > 0) {
            if waits {
                assert_eq!(checker.check_sum(sender.id, sender.sent), Count::default());
            } else {
                checker.check_bound(sender.id, sender.sent);
            }
        }
        if let (true, Some(left_out)) = (waits, checker.left_out()) {
            let writers = self.writers.iter().map(|(_, sender)| sender).chain(&self.gone);
            let abandoned = writers.map(|sender| sender.abandoned);
            assert_eq!(left_out, abandoned.fold(Count::default(), Count::plus));
        }
        checker.check_all(reader, self.all());
        let stats = channel.stats();
        assert_eq!(checker.received, Count::new(stats.slices, stats.payload_bytes));
    }

    /// A weak reader has received or missed all of it.
    pub(crate) fn check_weak(&self, reader: &Reader, checker: &Checker) {
        for (_, sender) in &self.writers {
            checker.check_sum(sender.id, sender.sent);
            checker.check_told(reader, sender.id);
        }
        self.gone.iter().for_each(|sender| checker.check_bound(sender.id, sender.sent));
        checker.check_all(reader, self.all());
    }
}
