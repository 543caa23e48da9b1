//! On one thread, so that only what is timed is timed: half a ring of messages is written, and then
//! each reader has its turn.

use super::Contestant;
use crate::endpoints::*;
use crate::message::{Round, Source};
use std::mem;
use std::time::{Duration, Instant};

/// A reader that is overrun reads one message every so many batches of half a ring.
const BATCHES: u64 = 6;

/// How often the readers read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    KeepingUp,
    Overrun,
}

/// What counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timed {
    Writes,
    All,
}

pub(crate) fn by_turns<M: Message + ?Sized>(
    setup: Setup,
    (pace, timed): (Pace, Timed),
    ends: Ends<impl Sender<M>, impl Receiver<M>>,
) -> Box<dyn Contestant> {
    let [send] = ends.senders.try_into().ok().expect("one writer");
    let sink = match pace {
        Pace::KeepingUp => Sink::new,
        Pace::Overrun => Sink::lossy,
    };
    let readers = ends.receivers.into_iter().map(|receive| (receive, sink(setup))).collect();
    let batch = (RING / 2 / setup.size.next_multiple_of(64)) as u64;
    let source = Source::new(setup, 0);
    Box::new(ByTurns { source, send, readers, settle: ends.settle, batch, pace, timed })
}

struct ByTurns<M: Message + ?Sized, S, R> {
    source: Source<M>,
    send: S,
    readers: Vec<(R, Sink<M>)>,
    settle: Option<Box<dyn FnMut()>>,
    /// How many messages are half a ring.
    batch: u64,
    pace: Pace,
    timed: Timed,
}

impl<M: Message + ?Sized, S: Sender<M>, R: Receiver<M>> Contestant for ByTurns<M, S, R> {
    /// Whole groups of batches, so that readers that are overrun have as many turns in every sample.
    /// The time is that of as many messages as were asked for.
    fn round(&mut self, round: Round) -> Duration {
        let batches = round.messages.div_ceil(self.batch * BATCHES) * BATCHES;
        let whole = Round { messages: batches * self.batch, ..round };
        self.source.begin(whole);
        self.readers.iter_mut().for_each(|(_, sink)| sink.begin(whole));
        let mut time = Duration::ZERO;
        for batch in 0..batches {
            let begun = Instant::now();
            for number in batch * self.batch..(batch + 1) * self.batch {
                assert!((self.send)(self.source.message(round, number)), "nobody is waited for");
            }
            let written = begun.elapsed();
            if let Some(settle) = &mut self.settle {
                settle();
            }
            if self.pace == Pace::KeepingUp || batch % BATCHES == BATCHES - 1 {
                self.readers.iter_mut().for_each(|(receive, sink)| read(self.pace, receive, sink));
            }
            time += if self.timed == Timed::Writes { written } else { begun.elapsed() };
        }
        self.readers.iter_mut().for_each(|(_, sink)| sink.finish());
        time.mul_f64(round.messages as f64 / whole.messages as f64)
    }
}

#[inline]
fn read<M: Message + ?Sized>(pace: Pace, receive: &mut impl Receiver<M>, sink: &mut Sink<M>) {
    match pace {
        Pace::KeepingUp => loop {
            let left = sink.left;
            receive(sink);
            if sink.left == left {
                break;
            }
        },
        Pace::Overrun => {
            receive(sink);
            assert!(mem::take(&mut sink.lagged), "{}: a reader is overrun", sink.setup.name);
            receive(sink);
        }
    }
}
