//! The loop of an outlet of a spool.
//!
//! *The stream is the record.* Each frame tells its position, its number, and what was sent before. So the
//! last frame on the subject says where to go on, exactly, and there is no second record that could say
//! something else: one beside the spool would be written before or behind the engine's word, and either is wrong
//! for the frame in between.
//!
//! *Without gaps.* That holds if all before the last frame is stored. So one frame is in flight at a time, and
//! the engine is told which one it goes behind (`Chain::append`). A frame of a process that was killed, which
//! arrives late, is either the one that we go on behind, or is refused; and so is our own, if its answer was
//! lost and it is published again.
//!
//! *Whatever goes wrong, the stream is asked* (`Core::find`), and the bytes from there on are read again. The
//! spool has them.
//!
//! *Which spool.* A name stands for it, and gives the epoch. Names are taken again by mistake, so each frame has
//! a checksum of the last bytes before its position, and they must be in the spool.

use crate::count::Count;
use crate::engine::{Chain, Last, Refused};
use crate::error::{Ended, OutletError};
use crate::figures::{self, OutletFigures};
use crate::frame::{Body, Check, End, Frame, HEADROOM, NAME, RUN, Run, Totals};
use crate::packer::cut;
use bytes::Bytes;
use overfall::spool::{ReadError, SpoolReader};
use std::io::SeekFrom;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The most that goes into one frame: with one in flight, the time of an answer is worth it.
const MOST: usize = 256 << 10;
/// The bytes of a message, in the ring behind the inlet. Any ring has room for some of them.
const MESSAGE: u32 = 4 << 10;
/// The writer that the bytes come from.
const WRITER: u32 = 1;
/// After something went wrong: so long, and twice as long each time, up to this.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Nobody knows when an epoch began that goes on: long ago.
const LONG_AGO: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Core<C> {
    chain: C,
    subject: String,
    name: Arc<str>,
    epoch: u64,
    reader: SpoolReader,
    pub(crate) heartbeat: Duration,
    pub(crate) patience: Duration,
    pub(crate) figures: Arc<OutletFigures>,
    stand: Stand,
    /// The stream must be asked where it stands.
    is_unsure: bool,
    buffer: Vec<u8>,
    began: Instant,
    last_stored: Instant,
    told_at: Instant,
    /// Since when the engine has taken nothing, and how often.
    stuck_since: Instant,
    refusals: u32,
    /// An end that was tried to be stored, with this number.
    ending: Option<(u64, End, Ended)>,
    ended: Option<Ended>,
}

/// Behind the last frame that is stored.
#[derive(Clone, Debug, Default)]
struct Stand {
    /// Its place in the stream. 0 if there is none.
    place: u64,
    /// The number of the next one.
    number: u64,
    position: u64,
    sent: Count,
    check: Option<Check>,
    /// It is an end.
    end: Option<End>,
    /// It was stored by another outlet of this epoch.
    is_resumed: bool,
}

impl<C: Chain> Core<C> {
    pub(crate) fn new(chain: C, subject: String, name: &str, reader: SpoolReader) -> Self {
        // Headers are lines.
        let mut told = name.replace(char::is_control, " ");
        cut(&mut told, NAME);
        let now = Instant::now();
        Self {
            chain,
            subject,
            name: told.into(),
            epoch: Check::digest(name.as_bytes()),
            stand: Stand { position: reader.position(), ..Stand::default() },
            reader,
            heartbeat: Duration::from_secs(1),
            patience: Duration::from_secs(60),
            figures: Arc::default(),
            is_unsure: true,
            buffer: Vec::new(),
            began: now,
            last_stored: now,
            told_at: now,
            stuck_since: now,
            refusals: 0,
            ending: None,
            ended: None,
        }
    }

    pub(crate) async fn run(&mut self) -> Result<Ended, OutletError> {
        if let Some(ended) = &self.ended {
            return Ok(ended.clone());
        }
        self.chain.check_chain().await?;
        self.stuck_since = Instant::now();
        let ended = loop {
            if let Some(ended) = self.step().await? {
                break ended;
            }
            if self.told_at.elapsed() >= figures::EVERY {
                self.tell_figures();
            }
        };
        self.tell_figures();
        tracing::debug!(subject = self.subject, ?ended, "outlet of a spool ended");
        self.ended = Some(ended.clone());
        Ok(ended)
    }

    /// Does what comes next. Tells the end once it is stored.
    async fn step(&mut self) -> Result<Option<Ended>, OutletError> {
        if let Err(ReadError::Terminated) = self.reader.try_read_at(&mut [0], self.stand.position) {
            return self.terminate().await.map(Some);
        }
        if self.is_unsure {
            self.find().await?;
            return Ok(None);
        }
        if let Some((number, end, ended)) = &self.ending
            && (self.stand.number, self.stand.end) == (number + 1, Some(*end))
        {
            return Ok(Some(ended.clone()));
        }
        if self.stand.end == Some(End::Drained) {
            // By an outlet before this one.
            let position = self.stand.position;
            return match self.reader.known_len() == Some(position) {
                true => Ok(Some(Ended::Drained)),
                false => Err(OutletError::HasEnded { name: self.name.to_string(), position }),
            };
        }
        if self.stand.number == 0 {
            // The first frame of an epoch says that there is one, before there is a byte.
            self.store(Body::Heartbeat(self.totals()), Bytes::new()).await?;
            return Ok(None);
        }
        let end = match self.read().await {
            None => {
                self.store(Body::Heartbeat(self.totals()), Bytes::new()).await?;
                return Ok(None);
            }
            Some(Ok(0)) => (Ended::Drained, End::Drained, String::new()),
            Some(Ok(len)) => {
                let payload = Bytes::copy_from_slice(&self.buffer[..len]);
                self.store(Body::Messages(vec![self.run_of(len)]), payload).await?;
                return Ok(None);
            }
            Some(Err(ReadError::Failed(failure))) => {
                let mut text = failure.get_ref().to_string();
                cut(&mut text, self.most());
                (Ended::Failed(failure), End::Failed, text)
            }
            // It is looked for before all else.
            Some(Err(ReadError::Terminated)) => return Ok(None),
            Some(Err(error)) => return Err(error.into()),
        };
        let (ended, end, text) = end;
        self.ending = Some((self.stand.number, end, ended));
        self.store(Body::End(end, self.totals()), text.into()).await?;
        Ok(None)
    }

    /// The most that goes into one frame.
    fn most(&self) -> usize {
        MOST.min(self.chain.max_frame().saturating_sub(HEADROOM + RUN)).max(1)
    }

    /// What is there, into the buffer. Nothing if it is time for a heartbeat.
    async fn read(&mut self) -> Option<Result<usize, ReadError>> {
        let (most, position) = (self.most(), self.stand.position);
        self.buffer.resize(most, 0);
        let first = self.reader.read_at(&mut self.buffer, position);
        let mut len = match timeout_at(self.last_stored + self.heartbeat, first).await {
            Err(_heartbeat) => return None,
            Ok(Ok(len)) => len,
            Ok(error) => return Some(error),
        };
        while len > 0 && len < most {
            let at = position + len as u64;
            match self.reader.try_read_at(&mut self.buffer[len..], at) {
                Ok(0) => break,
                Ok(more) => len += more,
                // The next read tells.
                Err(_nothing_more) => break,
            }
        }
        Some(Ok(len))
    }

    /// The messages that so many bytes become.
    fn run_of(&self, len: usize) -> Run {
        let (whole, rest) = (len as u32 / MESSAGE, len as u32 % MESSAGE);
        let lens =
            [(MESSAGE, whole), (rest, 1)].into_iter().filter(|&(len, times)| len * times > 0);
        Run {
            writer: WRITER,
            before: self.stand.sent,
            position: self.stand.position,
            lens: lens.collect(),
        }
    }

    fn totals(&self) -> Totals {
        let sent = self.stand.sent;
        let each = if sent.is_none() { Vec::new() } else { vec![(WRITER, sent)] };
        Totals { each, part: 0, of: 1 }
    }

    fn frame(&self, body: Body, payload: Bytes) -> Frame {
        let stand = &self.stand;
        let count = match &body {
            Body::Messages(runs) => {
                runs.iter().fold(Count::default(), |sum, run| sum + run.count())
            }
            _ => Count::default(),
        };
        let age_ms = match stand.is_resumed {
            true => LONG_AGO,
            false => self.began.elapsed().as_millis() as u64,
        };
        Frame {
            channel: Arc::clone(&self.name),
            epoch: self.epoch,
            number: stand.number,
            // All before it is stored.
            floor: stand.number,
            age_ms,
            position: stand.position + count.bytes,
            sent: stand.sent + count,
            body,
            names: Vec::new(),
            payload,
        }
    }

    /// Stores a frame behind the last one. If it is refused, or nobody knows, it returns after a pause, and the
    /// stream is to be asked.
    async fn store(&mut self, body: Body, payload: Bytes) -> Result<(), OutletError> {
        let frame = self.frame(body, payload);
        let count = frame.count();
        let check = match count.bytes {
            0 => self.stand.check,
            _ => Some(Check::of_end(&frame.payload)),
        };
        let figures = Arc::clone(&self.figures);
        figures::set(&figures.in_flight, 1);
        // Also if this future is dropped.
        self.is_unsure = true;
        let appended = self.chain.append(frame.encode_with(check), self.stand.place).await;
        figures::set(&figures.in_flight, 0);
        let place = match appended {
            Ok(place) => place,
            Err(refused) => return self.refused(refused).await,
        };
        self.is_unsure = false;
        let is_resumed = self.stand.is_resumed;
        let stand = Stand { place, check, ..Stand::behind(&frame, is_resumed) };
        self.come_to(stand)?;
        figures::add_count(&figures.published, &figures.published_bytes, count);
        Ok(())
    }

    /// Goes on behind this frame.
    fn come_to(&mut self, stand: Stand) -> Result<(), OutletError> {
        let figures = &self.figures;
        // What is stored need not be kept for us.
        if stand.position != self.reader.position() {
            self.reader.try_seek(SeekFrom::Start(stand.position))?;
        }
        figures::set(&figures.position, stand.position);
        figures::set(&figures.acknowledged, stand.sent.messages);
        figures::set(&figures.acknowledged_bytes, stand.sent.bytes);
        self.stand = stand;
        (self.last_stored, self.stuck_since) = (Instant::now(), Instant::now());
        self.refusals = 0;
        Ok(())
    }

    /// Asks the stream where it stands.
    async fn find(&mut self) -> Result<(), OutletError> {
        let last = match self.chain.last().await {
            Ok(last) => last,
            Err(refused) => return self.refused(refused).await,
        };
        let Last { place, frame } = last;
        match frame {
            Some((frame, check)) if frame.epoch == self.epoch => {
                self.must_be_of_this_spool(frame.position, check)?;
                tracing::debug!(subject = self.subject, position = frame.position, "found");
                let is_resumed = self.stand.is_resumed || self.stand.number == 0;
                let stand = Stand { place, check, ..Stand::behind(&frame, is_resumed) };
                let is_stuck = stand.number <= self.stand.number;
                let (stuck_since, refusals) = (self.stuck_since, self.refusals);
                self.come_to(stand)?;
                if is_stuck {
                    (self.stuck_since, self.refusals) = (stuck_since, refusals);
                }
            }
            Some(_) if self.stand.number > 0 => {
                return Err(OutletError::Taken { subject: self.subject.clone() });
            }
            // It has an epoch of before, or nothing of ours, or it was purged.
            _ => self.stand.place = place,
        }
        self.is_unsure = false;
        Ok(())
    }

    /// What the stream has up to there must be what the spool has.
    fn must_be_of_this_spool(
        &self,
        position: u64,
        check: Option<Check>,
    ) -> Result<(), OutletError> {
        let len = self.reader.len();
        let is_other = || OutletError::OtherSpool { name: self.name.to_string(), position, len };
        if len < position {
            return Err(is_other());
        }
        let Some(check) = check else { return Ok(()) };
        let mut bytes = vec![0; check.len as usize];
        let mut filled = 0;
        let from = position.checked_sub(check.len.into()).ok_or_else(is_other)?;
        while filled < bytes.len() {
            match self.reader.try_read_at(&mut bytes[filled..], from + filled as u64) {
                Ok(0) => return Err(is_other()),
                Ok(more) => filled += more,
                // Nothing is left to compare.
                Err(ReadError::Evicted { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if Check::of_end(&bytes) == check { Ok(()) } else { Err(is_other()) }
    }

    /// Waits before the next attempt, if there is to be one.
    async fn refused(&mut self, refused: Refused) -> Result<(), OutletError> {
        figures::add(&self.figures.refused, 1);
        tracing::debug!(subject = self.subject, %refused, advice = %refused.advice, "refused");
        let Refused { advice, text } = refused;
        let (patience, position) = (self.patience, self.stand.position);
        if self.stuck_since.elapsed() >= patience {
            return Err(OutletError::Stuck { patience, position, advice, text });
        }
        let pause = PAUSES.0 * (1 << self.refusals.min(10)) - PAUSES.0;
        self.refusals += 1;
        sleep(pause.min(PAUSES.1)).await;
        Ok(())
    }

    /// Says that the spool was terminated, past all that waits, and stores it for inlets that come later.
    async fn terminate(&mut self) -> Result<Ended, OutletError> {
        let end = || Body::End(End::Terminated, Totals { each: Vec::new(), part: 0, of: 1 });
        let frame = self.frame(end(), Bytes::new()).encode();
        let is_told = match self.chain.ask(frame, true).await {
            Ok(answer) => answer.await.is_ok(),
            Err(_nobody_listens) => false,
        };
        loop {
            let stored = match self.is_unsure {
                true => self.find().await,
                false => self.store(end(), Bytes::new()).await,
            };
            let is_stored = self.stand.end == Some(End::Terminated);
            match stored {
                Ok(()) if is_stored => return Ok(Ended::Terminated),
                Ok(()) => {}
                // A stream that takes nothing must not hold up who was told.
                Err(error) if is_told => {
                    tracing::warn!(subject = self.subject, %error, "the termination is not stored");
                    return Ok(Ended::Terminated);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn tell_figures(&mut self) {
        self.told_at = Instant::now();
        figures::set(&self.figures.reconnects, self.chain.reconnects());
        self.figures.record(&self.name);
    }
}

impl Stand {
    fn behind(frame: &Frame, is_resumed: bool) -> Self {
        Self {
            place: 0,
            number: frame.number + 1,
            position: frame.position,
            sent: frame.sent,
            check: None,
            end: match &frame.body {
                Body::End(end, _) => Some(*end),
                _ => None,
            },
            is_resumed,
        }
    }
}
