//! The sums at both ends: what the first writers say that they sent, and what the last reader received and
//! missed.

use overfall::{Channel, StrongReader};
use overfall_nats::Inlet;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Messages and bytes.
pub(crate) type Sum = (u64, u64);

/// Three writers of different sizes.
pub(crate) const SIZES: [usize; 3] = [24, 200, 1000];

/// Numbered messages: which writer, which of its messages, and filling.
pub(crate) fn message(writer: usize, number: u64) -> Vec<u8> {
    let mut message = vec![writer as u8; SIZES[writer]];
    message[1..9].copy_from_slice(&number.to_le_bytes());
    message
}

/// What each of three writers has sent so far, in the order of `SIZES`, by their own figures.
pub(crate) struct Writers {
    tasks: Vec<tokio::task::JoinHandle<Sum>>,
}

impl Writers {
    /// Each sends so many messages, and waits this long after each batch of 64.
    pub(crate) fn start(channel: &Arc<Channel>, messages: u64, pause: Duration) -> Self {
        let task = |index: usize| {
            let mut writer = channel.new_strong_writer();
            tokio::spawn(async move {
                for number in 0..messages {
                    writer.send(&message(index, number)).await.expect("the channel is open");
                    if number % 64 == 63 {
                        if pause.is_zero() {
                            tokio::task::yield_now().await;
                        } else {
                            tokio::time::sleep(pause).await;
                        }
                    }
                }
                let stats = writer.stats();
                (stats.slices + stats.dropped_slices, stats.payload_bytes + stats.dropped_bytes)
            })
        };
        Self { tasks: (0..SIZES.len()).map(task).collect() }
    }

    pub(crate) async fn finish(self) -> Vec<Sum> {
        let mut sums = Vec::new();
        for task in self.tasks {
            sums.push(task.await.expect("no panic"));
        }
        sums
    }
}

/// What the last reader got of each writer, and missed.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) received: [Sum; 3],
    /// By whose the messages were: the local writer's number to the index in `SIZES`.
    locals: BTreeMap<u32, usize>,
    /// Of writers of which nothing was received, too.
    pub(crate) missed_by_writer: BTreeMap<u32, Sum>,
    pub(crate) missed: Sum,
    last: [Option<u64>; 3],
}

impl Seen {
    /// Checks the message: it is whole, comes once, and in order. What lies between it and the one before is
    /// what was missed before it.
    pub(crate) fn take(&mut self, header: overfall::Header, bytes: &[u8]) {
        let writer = usize::from(bytes[0]);
        assert_eq!(bytes.len(), SIZES[writer], "the message is whole");
        assert!(bytes[9..].iter().all(|&byte| byte == writer as u8), "the message is whole");
        let number = u64::from_le_bytes(bytes[1..9].try_into().expect("eight bytes"));
        let expected = self.last[writer].map_or(0, |last| last + 1);
        assert!(number >= expected, "message {number} of writer {writer} again");
        assert_eq!(
            header.missed.messages,
            number - expected,
            "missed before message {number} of writer {writer}"
        );
        assert_eq!(header.missed.bytes, (number - expected) * SIZES[writer] as u64);
        self.last[writer] = Some(number);
        self.locals.insert(header.writer, writer);
        let (messages, sum) = &mut self.received[writer];
        *messages += 1;
        *sum += bytes.len() as u64;
    }

    /// The same of a message that may be here before.
    pub(crate) fn take_again(&mut self, bytes: &[u8]) {
        let (writer, len) = (usize::from(bytes[0]), bytes.len());
        let number = u64::from_le_bytes(bytes[1..9].try_into().expect("eight bytes"));
        let expected = self.last[writer].map_or(0, |last| last + 1);
        assert!(number <= expected, "message {expected} of writer {writer} is lost");
        if number == expected {
            self.last[writer] = Some(number);
            self.received[writer].0 += 1;
            self.received[writer].1 += len as u64;
        }
    }

    pub(crate) async fn of_strong(mut reader: StrongReader) -> Self {
        let mut seen = Self::default();
        while let Some(message) = reader.recv().await.expect("a clean end") {
            seen.take(message.header(), &message);
        }
        let by_writer = reader.missed_by_writer().collect();
        seen.finish(reader.missed(), by_writer);
        seen
    }

    /// The same, when the first message of all was read before.
    pub(crate) async fn after_one(mut reader: StrongReader) -> Self {
        let mut seen = Self::default();
        while let Some(message) = reader.recv().await.expect("a clean end") {
            let writer = usize::from(message[0]);
            if seen.last[writer].is_none() && message[1] == 1 {
                seen.last[writer] = Some(0);
            }
            seen.take(message.header(), &message);
        }
        let by_writer = reader.missed_by_writer().collect();
        seen.finish(reader.missed(), by_writer);
        seen
    }

    fn finish(&mut self, missed: overfall::Missed, by_writer: Vec<(u32, overfall::Missed)>) {
        self.missed = (missed.messages, missed.bytes);
        let sum = |missed: overfall::Missed| (missed.messages, missed.bytes);
        self.missed_by_writer =
            by_writer.into_iter().map(|(writer, missed)| (writer, sum(missed))).collect();
    }

    /// Received and missed are what was sent, of each writer, to the byte.
    pub(crate) fn assert_adds_up_to(&self, sent: &[Sum]) {
        let mut sums = self.received;
        for (local, missed) in &self.missed_by_writer {
            // A writer of which nothing has arrived is told from the others by what was missed of it.
            let writer = self.locals.get(local).copied().unwrap_or_else(|| {
                SIZES
                    .iter()
                    .position(|&size| missed.0 * size as u64 == missed.1)
                    .unwrap_or_else(|| panic!("{missed:?} of nobody: {self:?}"))
            });
            sums[writer].0 += missed.0;
            sums[writer].1 += missed.1;
        }
        assert_eq!(sums.as_slice(), sent, "received and missed: {self:?}");
    }

    pub(crate) fn assert_nothing_missed(&self, sent: &[Sum]) {
        assert_eq!(self.received.as_slice(), sent);
        assert_eq!(self.missed, (0, 0));
    }
}

/// A far side: an inlet, and the last reader behind it.
pub(crate) struct Far {
    inlet:
        tokio::task::JoinHandle<(Result<overfall_nats::Ended, overfall_nats::InletError>, Inlet)>,
    seen: tokio::task::JoinHandle<Seen>,
}

impl Far {
    pub(crate) fn durable(client: async_nats::Client, subject: &str, ring: usize) -> Self {
        Self::with(ring, |writer| {
            Inlet::durable(client, subject, "far", writer)
                .redeliver_after(Duration::from_millis(700))
        })
    }

    /// Returns once it is subscribed.
    pub(crate) async fn core(client: async_nats::Client, subject: &str, ring: usize) -> Self {
        let far = Self::with(ring, |writer| Inlet::core(client.clone(), subject, writer));
        while client.request(subject.to_owned(), "".into()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        far
    }

    pub(crate) fn with(ring: usize, inlet: impl FnOnce(overfall::Writer) -> Inlet) -> Self {
        let channel = Channel::new(ring);
        let reader = channel.new_strong_reader();
        Self::of(inlet(channel.new_writer()), Seen::of_strong(reader))
    }

    pub(crate) fn of(mut inlet: Inlet, seen: impl Future<Output = Seen> + Send + 'static) -> Self {
        Self {
            inlet: tokio::spawn(async move { (inlet.run().await, inlet) }),
            seen: tokio::spawn(seen),
        }
    }

    pub(crate) async fn finish(self) -> (Inlet, Seen) {
        let (ended, inlet) = self.inlet.await.expect("no panic");
        assert_eq!(ended.expect("the end"), overfall_nats::Ended::Drained);
        (inlet, self.seen.await.expect("no panic"))
    }
}
