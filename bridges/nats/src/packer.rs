//! How an outlet makes frames of messages: small ones together, large ones in pieces.

use crate::count::Count;
use crate::frame::{Body, End, Frame, HEADROOM, MOST_MESSAGES, Piece, RUN, Run};
use crate::ledger::Ledger;
use bytes::{Bytes, BytesMut};
use overfall::Header;
use std::collections::VecDeque;
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
            open: None,
            position: 0,
            batch,
            max_frame: usize::MAX,
        }
    }

    pub(crate) fn limit_frames(&mut self, max_frame: usize) {
        self.max_frame = max_frame;
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

    /// A frame that tells what was sent, and nothing else. What is open goes first.
    pub(crate) fn heartbeat(&mut self) -> Frame {
        debug_assert!(self.open.is_none(), "a heartbeat tells what was sent before it");
        let totals = self.ledger.totals();
        self.frame(Body::Heartbeat(totals), Bytes::new())
    }

    /// The last frame.
    pub(crate) fn end(&mut self, end: End, error: String) -> Frame {
        self.open = None;
        let totals = self.ledger.totals();
        self.frame(Body::End(end, totals), error.into())
    }

    fn frame(&mut self, body: Body, payload: Bytes) -> Frame {
        let number = self.next;
        self.next += 1;
        Frame {
            channel: Arc::clone(&self.channel),
            epoch: self.epoch,
            number,
            floor: 0,
            age_ms: self.began.get_or_insert_with(Instant::now).elapsed().as_millis() as u64,
            position: self.position,
            sent: self.ledger.sent(),
            body,
            payload,
        }
    }
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
