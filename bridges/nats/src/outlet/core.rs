//! The loop of an outlet.

use super::source::{Got, Next, Source};
use crate::engine::{Publisher, Refused};
use crate::error::{Advice, Ended, OutletError};
use crate::figures::{self, OutletFigures};
use crate::frame::{End, Frame, NAME};
use crate::ledger::Ledger;
use crate::packer::{Packer, cut};
use overfall::error::{ChannelError, ReadError};
use overfall::{Missed, Reader, WeakChannel};
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) window: usize,
    pub(crate) batch_time: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) patience: Duration,
    pub(crate) end_within: Duration,
    pub(crate) refuses_large: bool,
}

/// Before a frame that was refused is published again: so long, and twice as long each time, up to this.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Far away.
const NEVER: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
pub(crate) struct Core<P: Publisher> {
    reader: Reader,
    pub(crate) state: State<P>,
}

/// All but the reader, of which a run makes a source.
#[derive(Debug)]
pub(crate) struct State<P: Publisher> {
    pub(crate) publisher: P,
    pub(crate) settings: Settings,
    pub(crate) figures: Arc<OutletFigures>,
    subject: String,
    name: Arc<str>,
    /// Messages that were received, and are not stored.
    unreleased: u64,
    channel: WeakChannel,
    packer: Packer,
    /// Frames that were not published yet.
    ready: VecDeque<Frame>,
    /// Frames that the engine has not stored yet, of a reliable outlet: some that are published, and behind them
    /// some that are not, because one before them was refused.
    pending: VecDeque<Pending<P::Answer>>,
    /// How many are published.
    published: usize,
    /// How many may be published: fewer than the window after one was refused, and one more with each that is
    /// stored.
    allowed: usize,
    /// How often the first was refused, and until when nothing is published for that.
    refusals: u32,
    pause: Option<Instant>,
    /// Since when the engine has taken nothing.
    stuck_since: Instant,
    /// The answer to the last heartbeat, or the end, of a lossy outlet.
    asked: Option<P::Answer>,
    last_published: Instant,
    last_heartbeat: Instant,
    told_at: Instant,
    /// Writers that have gone, and behind what they have sent. They are forgotten once all of that is read.
    gone: Option<(u64, HashSet<u32>)>,
    /// The end was read.
    ending: Option<Ending>,
    ended: Option<Ended>,
    /// The channel takes no more: what `closed` has to say was said.
    is_closed: bool,
}

#[derive(Debug)]
struct Ending {
    how: Ended,
    since: Instant,
    /// Of a lossy outlet, which asks until it is answered.
    frame: Option<Frame>,
}

#[derive(Debug)]
struct Pending<A> {
    frame: Frame,
    /// If it is published.
    answer: Option<A>,
}

/// What the loop has waited for.
enum Event {
    Answered(Result<(), Refused>),
    Pause,
    Asked(Result<(), Refused>),
    Got(Result<Got, ReadError>),
    Closed,
    Flush,
    Heartbeat,
}

impl<P: Publisher> Core<P> {
    pub(crate) fn new(publisher: P, subject: String, reader: Reader) -> Self {
        let channel = reader.channel();
        // Headers are lines.
        let mut name = channel.name().unwrap_or(&subject).replace(char::is_control, " ");
        cut(&mut name, NAME);
        let name: Arc<str> = name.into();
        let now = (std::time::SystemTime::now(), std::process::id());
        // A hasher of std has random keys.
        let epoch = RandomState::new().hash_one(now);
        let mut packer = Packer::new(Arc::clone(&name), epoch, 16 * 1024);
        packer.ledger = missed_before(&reader);
        packer.name_by(channel.clone());
        let state = State {
            publisher,
            settings: Settings {
                window: 256,
                batch_time: Duration::ZERO,
                heartbeat: Duration::from_secs(1),
                patience: Duration::from_secs(60),
                end_within: Duration::from_secs(30),
                refuses_large: false,
            },
            figures: Arc::default(),
            subject,
            packer,
            name,
            channel,
            unreleased: 0,
            ready: VecDeque::new(),
            pending: VecDeque::new(),
            published: 0,
            allowed: usize::MAX,
            refusals: 0,
            pause: None,
            stuck_since: Instant::now(),
            asked: None,
            last_published: Instant::now(),
            last_heartbeat: Instant::now(),
            told_at: Instant::now(),
            gone: None,
            ending: None,
            ended: None,
            is_closed: false,
        };
        Self { reader, state }
    }

    pub(crate) fn into_reader(self) -> Reader {
        self.reader
    }

    pub(crate) async fn run(&mut self) -> Result<Ended, OutletError> {
        if let Some(ended) = &self.state.ended {
            return Ok(ended.clone());
        }
        let mut source = Source::new(&mut self.reader, self.state.unreleased);
        self.state.run(&mut source).await
    }
}

impl<P: Publisher> State<P> {
    pub(crate) fn set_batch(&mut self, bytes: usize, time: Duration) {
        self.packer.set_batch(bytes);
        self.settings.batch_time = time;
    }

    async fn run(&mut self, source: &mut Source<'_>) -> Result<Ended, OutletError> {
        if source.is_reliable() {
            self.publisher.check().await?;
        }
        self.packer.limit_frames(self.publisher.max_frame());
        self.stuck_since = Instant::now();
        if let Some(ending) = &mut self.ending {
            ending.since = Instant::now();
        }
        if self.packer.next_number() == 0 {
            // The first frame of an epoch says that there is one, before there is a message.
            self.packer.stand(source.position());
            let frames = self.packer.heartbeat();
            self.ready.extend(frames);
        }
        let mut looks_for_termination = true;
        loop {
            if std::mem::take(&mut looks_for_termination) && self.is_terminated() {
                return self.terminate(source).await;
            }
            self.publish(source).await?;
            if let Some(ended) = self.has_ended() {
                self.tell_figures();
                tracing::debug!(subject = self.subject, ?ended, "outlet ended");
                self.ended = Some(ended.clone());
                return Ok(ended);
            }
            self.while_busy(source).await?;
            let event = self.event(source).await;
            // What ends a channel once may end it again: a drain, and then a termination.
            looks_for_termination = match &event {
                Event::Closed | Event::Pause | Event::Heartbeat => true,
                Event::Got(got) => matches!(got, Err(ReadError::Terminated)),
                _ => false,
            };
            match event {
                Event::Answered(answer) => self.answered(answer, source)?,
                Event::Pause => self.pause = None,
                Event::Asked(answer) => self.was_asked(answer)?,
                Event::Got(got) => self.got(got, source)?,
                Event::Closed => self.is_closed = true,
                Event::Flush => self.ready.extend(self.packer.flush()),
                Event::Heartbeat => self.heartbeat(source).await?,
            }
        }
    }

    /// Whether the channel was terminated, whatever there is to be read.
    fn is_terminated(&self) -> bool {
        // One that is closed is not changed by a drain, which tells how it ended.
        self.channel.is_closed() && self.channel.drain() == Err(ChannelError::Terminated)
    }

    /// The longest message that is taken.
    fn longest(&self) -> usize {
        if self.settings.refuses_large { self.packer.max_whole() } else { usize::MAX }
    }

    /// Waits for what comes first.
    async fn event(&mut self, source: &mut Source<'_>) -> Event {
        let is_full = self.pending.len() >= self.settings.window || !self.ready.is_empty();
        let reads = !is_full && self.ending.is_none();
        let longest = self.longest();
        let heartbeat = self.last_published + self.settings.heartbeat;
        let flush =
            self.packer.open_since().map(|since| Instant::from(since) + self.settings.batch_time);
        let pause = self.pause;
        let closed = self.channel.closed();
        let Self { pending, packer, ready, asked, .. } = self;
        let front = pending.front_mut().and_then(|pending| pending.answer.as_mut());
        let at = |at: Option<Instant>| sleep_until(at.unwrap_or_else(|| Instant::now() + NEVER));
        tokio::select! {
            biased;
            answer = either(front) => Event::Answered(answer),
            answer = either(asked.as_mut()) => Event::Asked(answer),
            // Nothing else tells that the channel was terminated while we do not read.
            () = closed, if !self.is_closed && !reads => Event::Closed,
            () = at(pause), if pause.is_some() => Event::Pause,
            () = at(flush), if flush.is_some() => Event::Flush,
            got = source.receive(packer, ready, longest), if reads => Event::Got(got),
            () = sleep_until(heartbeat) => Event::Heartbeat,
        }
    }

    fn got(
        &mut self,
        got: Result<Got, ReadError>,
        source: &mut Source<'_>,
    ) -> Result<(), OutletError> {
        let (how, end, text) = match got {
            Ok(Got { messages, next }) => {
                self.unreleased += messages;
                match next {
                    Next::End => (Ended::Drained, End::Drained, String::new()),
                    Next::TooLong { len, position } => {
                        let limit = self.packer.max_whole();
                        return Err(OutletError::TooLong { len, limit, position });
                    }
                    Next::More | Next::Empty => {
                        let is_due =
                            self.settings.batch_time.is_zero() && matches!(next, Next::Empty);
                        if is_due || self.packer.is_full() {
                            self.ready.extend(self.packer.flush());
                        }
                        return Ok(());
                    }
                }
            }
            Err(ReadError::Failed(failure)) => {
                let text = failure.get_ref().to_string();
                (Ended::Failed(failure), End::Failed, text)
            }
            // The loop looks for that before all else.
            Err(ReadError::Terminated) if self.is_terminated() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.ready.extend(self.packer.flush());
        self.packer.ledger.missed(source.missed().into_iter());
        let mut frames = self.packer.end(end, text);
        let frame = if source.is_reliable() { None } else { frames.pop() };
        self.ready.extend(frames);
        // An answer to a heartbeat is none to the end.
        self.asked = None;
        self.ending = Some(Ending { how, since: Instant::now(), frame });
        Ok(())
    }

    /// Publishes what is ready, as far as the window reaches.
    async fn publish(&mut self, source: &Source<'_>) -> Result<(), OutletError> {
        if source.is_reliable() {
            self.publish_pending(source).await?;
            figures::set(&self.figures.in_flight, self.published as u64);
            return Ok(());
        }
        while let Some(frame) = self.ready.pop_front() {
            self.count_published(&frame);
            match self.publisher.send(frame.encode()).await {
                Ok(()) => figures::set(&self.figures.position, frame.position),
                // The sums of the next frame tell it.
                Err(refused) => self.count_refused(&refused),
            }
        }
        self.ask_for_end().await
    }

    fn count_published(&mut self, frame: &Frame) {
        let figures = &self.figures;
        figures::add_count(&figures.published, &figures.published_bytes, frame.count());
        self.last_published = Instant::now();
    }

    async fn publish_pending(&mut self, source: &Source<'_>) -> Result<(), OutletError> {
        self.allowed = self.allowed.min(self.settings.window);
        while self.pause.is_none() && self.published < self.allowed {
            if self.published == self.pending.len() {
                let Some(mut frame) = self.ready.pop_front() else { break };
                self.count_published(&frame);
                // All before the oldest that is pending is stored.
                frame.floor = self.pending.front().map_or(frame.number, |first| first.frame.number);
                self.pending.push_back(Pending { frame, answer: None });
            }
            // If this is given up in the middle, it is published again.
            let next = &mut self.pending[self.published];
            match self.publisher.store(next.frame.encode()).await {
                Ok(answer) => {
                    next.answer = Some(answer);
                    self.published += 1;
                }
                // It is told again when it is the first.
                Err(refused) if self.published > 0 => {
                    self.count_refused(&refused);
                    break;
                }
                Err(refused) => self.refused(refused, source)?,
            }
        }
        Ok(())
    }

    /// The engine's word on the first that is pending.
    fn answered(
        &mut self,
        answer: Result<(), Refused>,
        source: &mut Source<'_>,
    ) -> Result<(), OutletError> {
        if let Err(refused) = answer {
            return self.refused(refused, source);
        }
        let Pending { frame, .. } = self.pending.pop_front().expect("it was answered");
        self.published -= 1;
        self.refusals = 0;
        self.allowed = self.allowed.saturating_add(1).min(self.settings.window);
        self.stuck_since = Instant::now();
        let (count, figures) = (frame.count(), &self.figures);
        figures::add_count(&figures.acknowledged, &figures.acknowledged_bytes, count);
        figures::set(&figures.position, frame.position);
        self.unreleased -= count.messages;
        source.release(count.messages);
        Ok(())
    }

    /// The first that is pending was refused: it is published again after a pause, at once the first time.
    ///
    /// All behind it are published again behind it, whether they were stored or not. An inlet that finds one
    /// of them without the first relies on that (`order.rs`).
    fn refused(&mut self, refused: Refused, source: &Source<'_>) -> Result<(), OutletError> {
        self.count_refused(&refused);
        for pending in &mut self.pending {
            pending.answer = None;
        }
        self.published = 0;
        self.allowed = (self.allowed / 2).max(1);
        let (shortest, longest) = PAUSES;
        let pause = shortest * (1 << self.refusals.min(10)) - shortest;
        let now = Instant::now();
        self.pause = Some(now + pause.min(longest));
        self.refusals += 1;

        let Refused { advice, text } = refused;
        let (since, patience) = match &self.ending {
            Some(ending) => (ending.since.max(self.stuck_since), self.settings.end_within),
            None => (self.stuck_since, self.settings.patience),
        };
        if now.duration_since(since) < patience {
            return Ok(());
        }
        let position = source.position();
        Err(match self.ending {
            Some(_) => OutletError::EndUnanswered { patience, position, advice, text },
            None => OutletError::Stuck { patience, position, advice, text },
        })
    }

    fn count_refused(&self, refused: &Refused) {
        figures::add(&self.figures.refused, 1);
        tracing::debug!(subject = self.subject, %refused, advice = %refused.advice, "refused");
    }

    fn tell_figures(&mut self) {
        self.told_at = Instant::now();
        let missed = self.packer.ledger.missed_in_all();
        figures::set(&self.figures.missed, missed.messages);
        figures::set(&self.figures.missed_bytes, missed.bytes);
        figures::set(&self.figures.reconnects, self.publisher.reconnects());
        self.figures.record(&self.name);
    }

    /// What is due from time to time also while messages come and go.
    async fn while_busy(&mut self, source: &Source<'_>) -> Result<(), OutletError> {
        if self.told_at.elapsed() >= figures::EVERY {
            self.tell_figures();
        }
        if self.gone.is_none() && self.packer.ledger.should_sweep() {
            let there: HashSet<u32> =
                self.channel.stats().writers.iter().map(|stats| stats.id).collect();
            let gone = self.packer.ledger.those_who(|writer| !there.contains(&writer));
            self.packer.ledger.swept(gone.len());
            // Asked after it was seen that they have gone.
            self.gone = Some((self.channel.stats().reserved, gone));
        }
        let is_due = self.last_heartbeat.elapsed() >= self.settings.heartbeat.max(figures::EVERY);
        let have_gone = self.gone.as_ref().is_some_and(|(end, _)| self.packer.position() >= *end);
        let is_free = self.ready.is_empty() && self.pause.is_none() && self.ending.is_none();
        if !is_free || !(is_due || have_gone) {
            return Ok(());
        }
        self.ready.extend(self.packer.flush());
        self.publish(source).await?;
        self.send_heartbeat(source).await?;
        if have_gone && let Some((_, gone)) = self.gone.take() {
            self.packer.ledger.forget(|writer| gone.contains(&writer));
        }
        Ok(())
    }

    /// Tells how far we are, when nothing else tells it.
    async fn heartbeat(&mut self, source: &mut Source<'_>) -> Result<(), OutletError> {
        self.last_published = Instant::now();
        let missed = source.missed();
        if self.ending.is_some() || !self.ready.is_empty() {
            return Ok(());
        }
        if source.is_reliable() && !self.pending.is_empty() {
            return Ok(());
        }
        // What was missed behind the last message is told when there is nothing else: looked at first, and
        // then found that there is nothing, so that none of it lies behind a message.
        let longest = self.longest();
        let got = source.receive_more(&mut self.packer, &mut self.ready, longest, 0);
        let is_quiet = matches!(got, Got { messages: 0, next: Next::Empty });
        self.got(Ok(got), source)?;
        if self.packer.open_since().is_some() || !self.ready.is_empty() {
            return Ok(());
        }
        if is_quiet {
            self.packer.ledger.missed(missed.into_iter());
        }
        self.send_heartbeat(source).await?;
        if is_quiet && self.packer.ledger.is_long() {
            let stats = self.channel.stats();
            let there: HashSet<u32> = stats.writers.iter().map(|stats| stats.id).collect();
            self.packer.ledger.forget(|writer| !there.contains(&writer));
        }
        Ok(())
    }

    /// Behind all that was received.
    async fn send_heartbeat(&mut self, source: &Source<'_>) -> Result<(), OutletError> {
        self.last_heartbeat = Instant::now();
        let mut frames = self.packer.heartbeat();
        let last = if source.is_reliable() { None } else { frames.pop() };
        self.ready.extend(frames);
        if let Some(last) = last {
            // The other parts go first.
            self.publish(source).await?;
            match self.publisher.ask(last.encode(), false).await {
                Ok(answer) => self.asked = Some(answer),
                Err(refused) => self.count_refused(&refused),
            }
        }
        Ok(())
    }

    /// A lossy outlet asks for an answer to its end, until there is one.
    async fn ask_for_end(&mut self) -> Result<(), OutletError> {
        if self.asked.is_some() || self.pause.is_some() {
            return Ok(());
        }
        let Some(Ending { frame: Some(frame), .. }) = &self.ending else { return Ok(()) };
        match self.publisher.ask(frame.encode(), false).await {
            Ok(answer) => self.asked = Some(answer),
            Err(refused) => self.was_asked(Err(refused))?,
        }
        Ok(())
    }

    /// The answer to a heartbeat, or to the end.
    fn was_asked(&mut self, answer: Result<(), Refused>) -> Result<(), OutletError> {
        self.asked = None;
        let refused = match (answer, &mut self.ending) {
            (Ok(()), Some(ending)) => {
                ending.frame = None;
                return Ok(());
            }
            (Ok(()), None) => return Ok(()),
            (Err(refused), _) => refused,
        };
        if refused.advice == Advice::NobodyListens {
            figures::add(&self.figures.unheard, 1);
            tracing::warn!(subject = self.subject, "nobody listens to what the outlet publishes");
        } else {
            self.count_refused(&refused);
        }
        if let Some(ending) = &self.ending {
            self.pause = Some(Instant::now() + PAUSES.0 * 5);
            let patience = self.settings.end_within;
            if ending.since.elapsed() >= patience {
                let (position, Refused { advice, text }) = (self.packer.position(), refused);
                return Err(OutletError::EndUnanswered { patience, position, advice, text });
            }
        }
        Ok(())
    }

    /// The end, once it was answered.
    fn has_ended(&mut self) -> Option<Ended> {
        let Ending { how, frame: None, .. } = self.ending.as_ref()? else { return None };
        let is_done = self.pending.is_empty() && self.ready.is_empty();
        is_done.then(|| how.clone())
    }

    /// Says that the channel was terminated, past all that waits.
    async fn terminate(&mut self, source: &Source<'_>) -> Result<Ended, OutletError> {
        let (position, since) = (self.packer.position(), Instant::now());
        self.pending.clear();
        self.ready.clear();
        let frame = self.packer.terminated().encode();
        let patience = self.settings.end_within;
        let is_reliable = source.is_reliable();
        let mut times = 0;
        loop {
            let asked = match self.publisher.ask(frame.clone(), true).await {
                Ok(answer) => answer.await,
                Err(refused) => Err(refused),
            };
            let stored = match is_reliable {
                // One inlet has answered. Others, and those that come later, find it in the stream.
                true => match self.publisher.store(frame.clone()).await {
                    Ok(answer) => answer.await,
                    Err(refused) => Err(refused),
                },
                false => Ok(()),
            };
            let last = match (asked, stored) {
                // A stream that takes nothing must not hold up who was told.
                (Ok(()), Err(refused)) => {
                    tracing::warn!(subject = self.subject, %refused, "the termination is not stored");
                    self.count_refused(&refused);
                    Ok(())
                }
                (Err(_unheard), stored) if is_reliable => stored,
                (asked, _stored) => asked,
            };
            match last {
                Ok(()) => {
                    self.ended = Some(Ended::Terminated);
                    return Ok(Ended::Terminated);
                }
                Err(refused) if since.elapsed() >= patience => {
                    let Refused { advice, text } = refused;
                    return Err(OutletError::EndUnanswered { patience, position, advice, text });
                }
                Err(refused) => self.count_refused(&refused),
            }
            let pause = (PAUSES.0 * (1 << times)).min(PAUSES.1);
            times = 10.min(times + 1);
            tokio::time::sleep(pause).await;
        }
    }
}

/// What was missed by a reader that has received something, which may be told already.
fn missed_before(reader: &Reader) -> Ledger {
    if reader.stats().payload_bytes == 0 {
        return Ledger::default();
    }
    let of_each = |(writer, missed): (u32, Missed)| (writer, missed.into());
    match reader {
        Reader::Strong(reader) => Ledger::left_out(reader.missed_by_writer().map(of_each)),
        Reader::Weak(reader) => Ledger::left_out(reader.missed_by_writer().map(of_each)),
    }
}

/// What this future says, if there is one; otherwise nothing ever.
async fn either<F: Future + Unpin>(future: Option<&mut F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
