//! How an outlet makes frames of messages: small ones together, large ones in pieces.

use crate::count::Count;
use crate::frame::{
    Body, End, Frame, HEADROOM, MOST_MESSAGES, NAMED, Piece, RUN, Run, TOTAL, Totals, WRITER_NAME,
};
use crate::ledger::Ledger;
use bytes::{Bytes, BytesMut};
use overfall::{Header, WeakChannel};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Packer {
    channel: Arc<str>,
    epoch: u64,
    /// When the first frame was made.
    began: Option<Instant>,
    next: u64,
    pub(crate) ledger: Ledger,
    /// Who knows the names of writers.
    namer: Option<WeakChannel>,
    /// Those of the writers in the ledger, as they were looked up last.
    names: BTreeMap<u32, Option<Arc<str>>>,
    /// They go with the frame that is open.
    new_names: Vec<(u32, Arc<str>)>,
    open: Option<Open>,
    /// Behind the last message that was pushed.
    position: u64,
    /// Messages travel together up to so many bytes.
    batch: usize,
    /// What goes into one message of the engine, headers included.
    max_frame: usize,
}

/// A frame that is being filled.
#[derive(Debug)]
struct Open {
    since: Instant,
    payload: BytesMut,
    runs: Vec<Run>,
    messages: u64,
    /// At most so many bytes of headers.
    headers: usize,
}

impl Packer {
    pub(crate) fn new(channel: Arc<str>, epoch: u64, batch: usize) -> Self {
        Self {
            channel,
            epoch,
            began: None,
            next: 0,
            ledger: Ledger::default(),
            namer: None,
            names: BTreeMap::new(),
            new_names: Vec::new(),
            open: None,
            position: 0,
            batch,
            max_frame: usize::MAX,
        }
    }

    pub(crate) fn limit_frames(&mut self, max_frame: usize) {
        self.max_frame = max_frame;
    }

    /// Where the names of writers are looked up.
    pub(crate) fn name_by(&mut self, namer: WeakChannel) {
        self.namer = Some(namer);
    }

    fn name_of(&self, writer: u32) -> Option<Arc<str>> {
        let name = self.namer.as_ref()?.writer_name(writer)?;
        if name.len() <= WRITER_NAME {
            return Some(name);
        }
        let mut name = name.to_string();
        cut(&mut name, WRITER_NAME);
        Some(name.into())
    }

    /// The name of a writer that is seen for the first time goes with its message.
    fn look_up(&mut self, writer: u32) {
        if self.names.contains_key(&writer) {
            return;
        }
        let name = self.name_of(writer);
        self.new_names.extend(name.clone().map(|name| (writer, name)));
        self.names.insert(writer, name);
    }

    /// A writer may have been given another name, or its first one. What has gone has the last that it had.
    fn look_up_again(&mut self) {
        let totals = self.ledger.totals();
        let last = std::mem::take(&mut self.names);
        for (writer, _sum) in totals {
            let name = self.name_of(writer).or_else(|| last.get(&writer).cloned().flatten());
            self.names.insert(writer, name);
        }
    }

    pub(crate) fn set_batch(&mut self, bytes: usize) {
        self.batch = bytes;
    }

    /// The longest message that goes in one piece.
    pub(crate) fn max_whole(&self) -> usize {
        self.max_frame.saturating_sub(HEADROOM + RUN).max(1)
    }

    /// The number of the next frame.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    /// Nothing was pushed so far, and the reader stands here.
    pub(crate) fn stand(&mut self, position: u64) {
        self.position = position;
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Since when there are messages that wait for others.
    pub(crate) fn open_since(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.since)
    }

    /// Whether the open frame should wait for no more.
    pub(crate) fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.payload.len() >= self.batch)
    }

    /// Takes a message. Frames that are full with it go to `frames`.
    pub(crate) fn push(&mut self, header: &Header, message: &[u8], frames: &mut VecDeque<Frame>) {
        let fits = self.open.as_ref().is_none_or(|open| {
            open.payload.len() + message.len() <= self.batch
                && open.payload.len() + message.len() + open.headers + RUN <= self.max_frame
                && open.messages < MOST_MESSAGES
        });
        if !fits {
            frames.extend(self.flush());
        }
        self.look_up(header.writer);
        if message.len() > self.max_whole() {
            // In order behind what is open.
            frames.extend(self.flush());
            self.position = header.position + u64::from(header.len);
            self.pieces(header, message, frames);
            return;
        }
        self.position = header.position + u64::from(header.len);
        let before = self.ledger.received(header);
        let open = self.open.get_or_insert_with(|| Open {
            since: Instant::now(),
            payload: BytesMut::new(),
            runs: Vec::new(),
            messages: 0,
            headers: HEADROOM,
        });
        open.messages += 1;
        open.payload.extend_from_slice(message);
        match open.runs.last_mut() {
            Some(run) if run.writer == header.writer && run.before + run.count() == before => {
                run.push(header.len);
                open.headers += 12;
            }
            _ => {
                let lens = vec![(header.len, 1)];
                open.runs.push(Run {
                    writer: header.writer,
                    before,
                    position: header.position,
                    lens,
                });
                open.headers += RUN;
            }
        }
    }

    fn pieces(&mut self, header: &Header, message: &[u8], frames: &mut VecDeque<Frame>) {
        let (before, message) = (self.ledger.received(header), Bytes::copy_from_slice(message));
        let (whole, total) = (self.max_whole(), message.len());
        for offset in (0..total).step_by(whole) {
            let payload = message.slice(offset..total.min(offset + whole));
            let piece = Piece {
                writer: header.writer,
                before,
                position: header.position,
                offset: offset as u64,
                total: total as u64,
            };
            frames.push_back(self.frame(Body::Piece(piece), payload));
        }
    }

    /// The frame that is open, if one is.
    pub(crate) fn flush(&mut self) -> Option<Frame> {
        let open = self.open.take()?;
        Some(self.frame(Body::Messages(open.runs), open.payload.freeze()))
    }

    /// Frames that tell what was sent, and nothing else. What is open goes first.
    pub(crate) fn heartbeat(&mut self) -> Vec<Frame> {
        debug_assert!(self.open.is_none(), "a heartbeat tells what was sent before it");
        self.look_up_again();
        let totals = self.totals(self.max_frame);
        let frame = |totals| self.frame(Body::Heartbeat(totals), Bytes::new());
        totals.into_iter().map(frame).collect()
    }

    /// The last frames. The last of them tells the end, and the error as far as it has room.
    pub(crate) fn end(&mut self, end: End, mut error: String) -> Vec<Frame> {
        self.open = None;
        self.look_up_again();
        let half = self.max_frame.saturating_sub(HEADROOM) / 2;
        cut(&mut error, half);
        let mut totals = self.totals(self.max_frame - error.len());
        let last = totals.pop().expect("there is one");
        let frame = |totals| self.frame(Body::Heartbeat(totals), Bytes::new());
        let mut frames: Vec<Frame> = totals.into_iter().map(frame).collect();
        frames.push(self.frame(Body::End(end, last), error.into()));
        frames
    }

    /// The last frame of a channel that was terminated: nobody asks for sums then.
    pub(crate) fn terminated(&mut self) -> Frame {
        self.open = None;
        let totals = Totals { each: Vec::new(), part: 0, of: 1 };
        self.frame(Body::End(End::Terminated, totals), Bytes::new())
    }

    /// What each writer has sent, in as many parts as frames of this size need; at least one.
    fn totals(&self, max_frame: usize) -> Vec<Totals> {
        let room = max_frame.saturating_sub(HEADROOM);
        let (mut parts, mut taken) = (vec![Vec::new()], 0);
        for (writer, sum) in self.ledger.totals() {
            let is_named = self.names.get(&writer).is_some_and(Option::is_some);
            let takes = TOTAL + if is_named { NAMED } else { 0 };
            if taken > 0 && taken + takes > room {
                parts.push(Vec::new());
                taken = 0;
            }
            taken += takes;
            parts.last_mut().expect("there is one").push((writer, sum));
        }
        let of = parts.len() as u32;
        let part = |(part, each)| Totals { each, part: part as u32, of };
        parts.into_iter().enumerate().map(part).collect()
    }

    fn frame(&mut self, body: Body, payload: Bytes) -> Frame {
        let number = self.next;
        self.next += 1;
        let names = match &body {
            Body::Messages(_) | Body::Piece(_) => std::mem::take(&mut self.new_names),
            Body::Heartbeat(totals) | Body::End(_, totals) => {
                let name =
                    |(writer, _): &(u32, Count)| Some((*writer, self.names.get(writer)?.clone()?));
                totals.each.iter().filter_map(name).collect()
            }
        };
        Frame {
            channel: Arc::clone(&self.channel),
            epoch: self.epoch,
            number,
            floor: 0,
            age_ms: self.began.get_or_insert_with(Instant::now).elapsed().as_millis() as u64,
            position: self.position,
            sent: self.ledger.sent(),
            body,
            names,
            payload,
        }
    }
}

/// At most so many bytes, and whole characters.
pub(crate) fn cut(text: &mut String, most: usize) {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

impl Frame {
    /// What it carries; a message in pieces counts with the last of them.
    pub(crate) fn count(&self) -> Count {
        match &self.body {
            Body::Messages(runs) => {
                runs.iter().fold(Count::default(), |sum, run| sum + run.count())
            }
            Body::Piece(piece) if piece.offset + self.payload.len() as u64 == piece.total => {
                Count::new(1, piece.total)
            }
            _ => Count::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::NAME;
    use std::collections::BTreeMap;

    /// What the engine counts.
    fn len(frame: &Frame) -> usize {
        let envelope = frame.encode();
        let lines = envelope.headers.iter().map(|(name, text)| name.len() + 2 + text.len() + 2);
        "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>() + envelope.payload.len()
    }

    #[test]
    fn heartbeats_and_ends_fit_however_many_writers_there_are_and_whatever_the_error_says() {
        let mut packer = Packer::new("n".repeat(NAME).into(), u64::MAX, 1000);
        packer.limit_frames(4096);
        packer.stand(u64::MAX);
        let each: Vec<(u32, Count)> =
            (0..500).map(|index| (u32::MAX - index, Count::new(1 << 51, 1 << 51))).collect();
        packer.ledger.missed(each.iter().copied());
        // Some have names, of which each byte takes three.
        let channel = overfall::Channel::new(64);
        packer.name_by(channel.downgrade());
        let named: Vec<_> = (0..9).map(|_| channel.new_writer()).collect();
        for writer in &named {
            writer.set_name(";".repeat(2 * WRITER_NAME));
            packer.ledger.missed([(writer.id(), Count::new(1, 1))].into_iter());
        }
        let each: Vec<_> =
            named.iter().map(|writer| (writer.id(), Count::new(1, 1))).chain(each).collect();
        let ends = packer.end(End::Failed, "\u{df}".repeat(5000));
        let heartbeats = packer.heartbeat();
        for (frames, most) in [(&ends, 19), (&heartbeats, 10)] {
            let names = frames.iter().flat_map(|frame| &frame.names);
            assert!(names.clone().all(|(_, name)| **name == *";".repeat(WRITER_NAME)));
            assert_eq!(names.count(), named.len());
            assert!((2..=most).contains(&frames.len()), "{}", frames.len());
            let mut told = BTreeMap::new();
            for (index, frame) in frames.iter().enumerate() {
                assert!(len(frame) <= 4096, "{}", len(frame));
                let (Body::Heartbeat(totals) | Body::End(_, totals)) = &frame.body else {
                    panic!("{frame:?}");
                };
                assert_eq!((totals.part, totals.of), (index as u32, frames.len() as u32));
                told.extend(totals.each.iter().copied());
            }
            assert_eq!(told, each.iter().copied().collect());
        }
        let last = ends.last().expect("it has frames");
        assert!(matches!(last.body, Body::End(End::Failed, _)));
        let text = std::str::from_utf8(&last.payload).expect("whole characters");
        assert!(text.len() > 1000);
    }

    #[test]
    fn a_heartbeat_of_nobody_is_one_frame() {
        let mut packer = Packer::new("n".into(), 1, 1000);
        assert_eq!(packer.heartbeat().len(), 1);
    }
}
