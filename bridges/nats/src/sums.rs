//! What an inlet makes of the frames of one epoch: which messages are new, and what was missed of whom.
//!
//! Each message tells what its writer had sent before. What is expected of each writer is known from the
//! message before, so that what lies between was missed, and what lies before was here already.
//! Heartbeats tell the sums of each writer, for what was lost behind its last message, and of all
//! together, for writers of which nothing has arrived.

use crate::count::Count;
use crate::frame::{Body, End, Frame, Piece, Run, Totals};
use bytes::Bytes;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// What is to be done with the local channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// So much of this writer is missing. Number 0 stands for others.
    Missed(u32, Count),
    /// Messages of one writer, one right after the other, and how long each is.
    Deliver(u32, Bytes, Vec<u32>),
    /// This writer has a name.
    Name(u32, Arc<str>),
    /// A message of so many bytes is more than the ring takes.
    TooLong(usize),
    /// This writer sends no more, and all of it is known.
    Forget(u32),
    /// The end, with the text of the error.
    End(End, String),
}

#[derive(Debug)]
pub(crate) struct Sums {
    /// All that the epoch has sent counts, or what it sends from the first frame on that arrives.
    from_start: bool,
    has_begun: bool,
    /// What was delivered and missed so far, or came before the first frame.
    accounted: Count,
    writers: HashMap<u32, Foreign>,
    named: Named,
    duplicates: u64,
}

/// The writers of a heartbeat, which may come in parts.
#[derive(Debug, Default)]
struct Named {
    /// The number of the frame with the first part.
    first: u64,
    parts: HashSet<u32>,
    writers: HashSet<u32>,
}

#[derive(Debug, Default)]
struct Foreign {
    /// What its next message says, if nothing is missed.
    expected: Count,
    /// The pieces so far of its next message.
    pieces: Vec<u8>,
}

impl Sums {
    pub(crate) fn new(from_start: bool) -> Self {
        Self {
            from_start,
            has_begun: from_start,
            accounted: Count::default(),
            writers: HashMap::new(),
            named: Named::default(),
            duplicates: 0,
        }
    }

    /// Messages that came again so far.
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    pub(crate) fn take(&mut self, frame: &Frame, steps: &mut VecDeque<Step>) {
        if !std::mem::replace(&mut self.has_begun, true) {
            // Each piece tells the sum with the whole message.
            let count = match &frame.body {
                Body::Piece(piece) => Count::new(1, piece.total),
                _ => frame.count(),
            };
            self.accounted = frame.sent - count;
        }
        // Before the messages, for who looks when they come.
        for (writer, name) in &frame.names {
            let is_told_of = match &frame.body {
                Body::Messages(runs) => runs.iter().any(|run| run.writer == *writer),
                Body::Piece(piece) => piece.writer == *writer,
                Body::Heartbeat(totals) | Body::End(_, totals) => {
                    totals.each.binary_search_by_key(writer, |(writer, _)| *writer).is_ok()
                }
            };
            // All that is known of others is never forgotten.
            if is_told_of {
                steps.push_back(Step::Name(*writer, Arc::clone(name)));
            }
        }
        match &frame.body {
            Body::Messages(runs) => {
                let mut rest = frame.payload.clone();
                for run in runs {
                    let payload = rest.split_to(run.count().bytes as usize);
                    self.run(run, payload, steps);
                }
            }
            Body::Piece(piece) => self.piece(piece, &frame.payload, steps),
            Body::Heartbeat(totals) => {
                if self.totals(frame.number, totals, steps) {
                    self.rest(frame.sent, steps);
                }
            }
            Body::End(end, totals) => {
                // Behind it comes nothing that would tell the same again.
                self.totals(frame.number, totals, steps);
                self.rest(frame.sent, steps);
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                steps.push_back(Step::End(*end, text));
            }
        }
    }

    /// Of this writer, whatever lies before `before` is missed, if it has not arrived.
    fn foreign(&mut self, writer: u32, before: Count, steps: &mut VecDeque<Step>) -> &mut Foreign {
        let from_start = self.from_start;
        let foreign = self.writers.entry(writer).or_insert_with(|| Foreign {
            expected: if from_start { Count::default() } else { before },
            pieces: Vec::new(),
        });
        if before.messages > foreign.expected.messages {
            let missed = before - foreign.expected;
            foreign.expected = before;
            foreign.pieces.clear();
            self.accounted += missed;
            steps.push_back(Step::Missed(writer, missed));
        }
        foreign
    }

    fn run(&mut self, run: &Run, mut payload: Bytes, steps: &mut VecDeque<Step>) {
        let foreign = self.foreign(run.writer, run.before, steps);
        let here_already = foreign.expected.messages - run.before.messages;
        let known = run.each().take(here_already.try_into().unwrap_or(usize::MAX));
        let (mut skipped, mut bytes) = (0, 0);
        for len in known {
            skipped += 1;
            bytes += len as usize;
        }
        let _known = payload.split_to(bytes);
        let lens: Vec<u32> = run.each().skip(skipped).collect();
        if !lens.is_empty() {
            let count = Count::new(lens.len() as u64, payload.len() as u64);
            foreign.expected += count;
            foreign.pieces.clear();
            self.accounted += count;
            steps.push_back(Step::Deliver(run.writer, payload, lens));
        }
        self.duplicates += skipped as u64;
    }

    fn piece(&mut self, piece: &Piece, payload: &Bytes, steps: &mut VecDeque<Step>) {
        let foreign = self.foreign(piece.writer, piece.before, steps);
        if foreign.expected.messages > piece.before.messages {
            self.duplicates += u64::from(piece.offset == 0);
            return;
        }
        // A piece that does not go on where the last one stopped belongs to a message that is not whole.
        // Whatever comes next of this writer tells that it is missed.
        if piece.offset != foreign.pieces.len() as u64 {
            foreign.pieces.clear();
            if piece.offset != 0 {
                return;
            }
        }
        foreign.pieces.extend_from_slice(payload);
        if foreign.pieces.len() as u64 == piece.total {
            let count = Count::new(1, piece.total);
            let message = std::mem::take(&mut foreign.pieces);
            foreign.expected += count;
            self.accounted += count;
            let lens = vec![message.len() as u32];
            steps.push_back(Step::Deliver(piece.writer, message.into(), lens));
        }
    }

    /// Tells whether these are the last of all, and none of the parts is missing.
    fn totals(&mut self, number: u64, totals: &Totals, steps: &mut VecDeque<Step>) -> bool {
        for &(writer, total) in &totals.each {
            self.foreign(writer, total, steps);
        }
        let first = number.wrapping_sub(totals.part.into());
        if self.named.first != first {
            self.named = Named { first, ..Named::default() };
        }
        self.named.parts.insert(totals.part);
        self.named.writers.extend(totals.each.iter().map(|(writer, _)| *writer));
        totals.is_last() && self.named.parts.len() == totals.of as usize
    }

    /// All that is told of each writer is known: what is still missing of the sum was missed of others.
    fn rest(&mut self, sent: Count, steps: &mut VecDeque<Step>) {
        let others = sent - self.accounted;
        // Bytes that no message has are not missed: somebody tells sums that do not fit the last ones.
        if others.messages > 0 {
            self.accounted += others;
            steps.push_back(Step::Missed(0, others));
        }
        if self.accounted != sent {
            // A heartbeat that comes late knows less than we do.
            return;
        }
        self.writers.retain(|writer, _| {
            let stays = self.named.writers.contains(writer);
            if !stays {
                steps.push_back(Step::Forget(*writer));
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sent: (u64, u64), body: Body, payload: &'static str) -> Frame {
        let sent = Count::new(sent.0, sent.1);
        let (channel, payload) = ("a".into(), Bytes::from_static(payload.as_bytes()));
        let (epoch, number, floor, age_ms, position) = (1, 9, 0, 0, 0);
        let names = Vec::new();
        Frame { channel, epoch, number, floor, age_ms, position, sent, body, names, payload }
    }

    fn run(writer: u32, before: (u64, u64), lens: Vec<(u32, u32)>) -> Body {
        let before = Count::new(before.0, before.1);
        Body::Messages(vec![Run { writer, before, position: 0, lens }])
    }

    fn heartbeat(totals: &[(u32, u64, u64)]) -> Body {
        let each =
            totals.iter().map(|&(writer, messages, bytes)| (writer, Count::new(messages, bytes)));
        Body::Heartbeat(Totals { each: each.collect(), part: 0, of: 1 })
    }

    fn steps(sums: &mut Sums, frame: &Frame) -> Vec<Step> {
        let mut steps = VecDeque::new();
        sums.take(frame, &mut steps);
        steps.into()
    }

    #[test]
    fn an_inlet_that_joins_in_the_middle_learns_of_others_by_the_sum() {
        let mut sums = Sums::new(false);
        let first = frame((11, 110), run(1, (5, 50), vec![(10, 1)]), "0123456789");
        // What was sent before is not missed.
        assert!(matches!(steps(&mut sums, &first)[..], [Step::Deliver(1, ..)]));
        // Writer 2 has sent 7 by now: 5 before we came, and 2 that were lost since.
        let told = frame((13, 130), heartbeat(&[(1, 6, 60), (2, 7, 70)]), "");
        assert_eq!(steps(&mut sums, &told), [Step::Missed(0, Count::new(2, 20))]);
        assert_eq!(steps(&mut sums, &told), []);
    }

    #[test]
    fn an_inlet_that_joins_with_the_first_piece_of_a_message_hides_no_later_loss() {
        let mut sums = Sums::new(false);
        let piece = |offset| {
            let before = Count::new(5, 50);
            Body::Piece(Piece { writer: 1, before, position: 0, offset, total: 4 })
        };
        assert_eq!(steps(&mut sums, &frame((6, 54), piece(0), "ab")), []);
        let last = frame((6, 54), piece(2), "cd");
        assert!(matches!(steps(&mut sums, &last)[..], [Step::Deliver(1, ..)]));
        let told = frame((7, 58), heartbeat(&[(1, 6, 54), (2, 1, 4)]), "");
        assert_eq!(steps(&mut sums, &told), [Step::Missed(0, Count::new(1, 4))]);
    }

    #[test]
    fn a_heartbeat_that_comes_late_forgets_nobody() {
        let mut sums = Sums::new(true);
        let late = frame((1, 1), heartbeat(&[(1, 1, 1)]), "");
        steps(&mut sums, &frame((1, 1), run(1, (0, 0), vec![(1, 1)]), "a"));
        steps(&mut sums, &frame((3, 3), run(2, (0, 0), vec![(1, 2)]), "bc"));
        assert_eq!(steps(&mut sums, &late), []);
        let next = frame((4, 4), run(2, (2, 2), vec![(1, 1)]), "d");
        assert!(matches!(steps(&mut sums, &next)[..], [Step::Deliver(2, ..)]));
    }

    #[test]
    fn a_heartbeat_in_parts_counts_when_all_of_them_are_here() {
        let mut sums = Sums::new(true);
        let part = |number, part, (writer, total)| {
            let totals = Totals { each: vec![(writer, Count::new(total, total))], part, of: 2 };
            Frame { number, ..frame((4, 4), Body::Heartbeat(totals), "") }
        };
        steps(&mut sums, &frame((2, 2), run(1, (0, 0), vec![(1, 2)]), "ab"));
        steps(&mut sums, &frame((3, 3), run(2, (0, 0), vec![(1, 1)]), "c"));
        // The part that tells writer 1 is lost, and after it the other one. So nobody knows yet whose the message is
        // that is missing, nor that writer 1 has gone.
        assert_eq!(steps(&mut sums, &part(21, 1, (2, 1))), []);
        assert_eq!(steps(&mut sums, &part(22, 0, (1, 3))), [Step::Missed(1, Count::new(1, 1))]);
        assert_eq!(steps(&mut sums, &part(25, 1, (2, 1))), []);
        assert_eq!(steps(&mut sums, &part(26, 0, (1, 3))), []);
        assert_eq!(steps(&mut sums, &part(27, 1, (2, 1))), []);
        let next = frame((5, 5), run(1, (3, 3), vec![(1, 1)]), "d");
        assert!(matches!(steps(&mut sums, &next)[..], [Step::Deliver(1, ..)]));
    }

    #[test]
    fn bytes_without_messages_are_not_told_as_missed() {
        let mut sums = Sums::new(true);
        steps(&mut sums, &frame((1, 1), run(1, (0, 0), vec![(1, 1)]), "a"));
        assert_eq!(steps(&mut sums, &frame((1, 9), heartbeat(&[(1, 1, 9)]), "")), []);
    }

    #[test]
    fn a_writer_that_is_no_longer_told_is_forgotten() {
        let mut sums = Sums::new(true);
        steps(&mut sums, &frame((1, 1), run(1, (0, 0), vec![(1, 1)]), "a"));
        let told = frame((1, 1), heartbeat(&[]), "");
        assert_eq!(steps(&mut sums, &told), [Step::Forget(1)]);
    }
}
