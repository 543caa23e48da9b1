//! The loop of an inlet.

use super::local::Locals;
use crate::count::Count;
use crate::engine::{Delivery, Subscription};
use crate::error::{Ended, InletError, Remote};
use crate::figures::{self, InletFigures};
use crate::frame::{Body, End, Frame};
use crate::order::Order;
use crate::sums::{Step, Sums};
use bytes::Bytes;
use overfall::Writer;
use overfall::error::{Failure, SendError};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// A missing frame is asked for, and looked for, so often.
const QUESTIONS: Duration = Duration::from_millis(100);
/// The ring bytes of a slice with a short message.
const GRANULE: usize = 64;

#[derive(Debug)]
pub(crate) struct Core<S: Subscription> {
    pub(crate) subscription: S,
    pub(crate) silence: Duration,
    pub(crate) figures: Arc<InletFigures>,
    subject: String,
    locals: Locals,
    epoch: Option<Epoch<S::Token>>,
    /// Epochs that are over.
    over: Recent,
    /// Epochs that were terminated before we came to them.
    terminated: Recent,
    /// Frames of the epochs behind this one.
    later: VecDeque<Delivery<S::Token>>,
    /// What is to be done with the frame that was taken last, and what settles it then.
    steps: VecDeque<Step>,
    taken: Option<Taken<S::Token>>,
    /// Pieces of a message that is not whole, by their numbers. They are in no ring yet, and settled with the last.
    pieces: VecDeque<(u64, S::Token)>,
    last_frame: Instant,
    told_at: Instant,
    pub(super) asked_at: Instant,
    has_begun: bool,
    ended: Option<Ended>,
}

/// The frame that was taken last.
#[derive(Debug)]
struct Taken<T> {
    number: u64,
    position: u64,
    token: Option<T>,
    /// A piece, and not the last: so many pieces the message has.
    part_of: Option<u64>,
}

#[derive(Debug)]
struct Epoch<T> {
    id: u64,
    /// Of an engine that delivers at least once. What is settled has no token.
    order: Order<(Frame, Option<T>)>,
    sums: Sums,
    position: u64,
}

impl<S: Subscription> Core<S> {
    pub(crate) fn new(subscription: S, subject: String, writer: Writer) -> Self {
        Self {
            subscription,
            silence: Duration::from_secs(60),
            figures: Arc::default(),
            subject,
            locals: Locals::new(writer),
            epoch: None,
            over: Recent::default(),
            terminated: Recent::default(),
            later: VecDeque::new(),
            steps: VecDeque::new(),
            taken: None,
            pieces: VecDeque::new(),
            last_frame: Instant::now(),
            told_at: Instant::now(),
            asked_at: Instant::now(),
            has_begun: false,
            ended: None,
        }
    }

    /// Of how many other epochs something is known.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.over.order.len() + self.terminated.order.len()
    }

    pub(crate) async fn run(&mut self) -> Result<Ended, InletError> {
        if let Some(ended) = &self.ended {
            return Ok(ended.clone());
        }
        self.subscription.begin().await?;
        if !std::mem::replace(&mut self.has_begun, true)
            && let (Some((epoch, number)), place) = self.subscription.first()
        {
            self.begin(epoch, number, place);
        }
        self.last_frame = Instant::now();
        loop {
            if let Some(Epoch { id, .. }) = self.epoch
                && self.terminated.contains(id)
            {
                self.terminated(id);
            }
            self.tell_figures();
            self.perform().await?;
            self.settle().await?;
            if let Some(ended) = &self.ended {
                self.subscription.end(self.epoch.as_ref().map_or(0, |epoch| epoch.id)).await;
                self.figures.record(&self.subject);
                tracing::debug!(subject = self.subject, ?ended, "inlet ended");
                return Ok(ended.clone());
            }
            if self.take_next() {
                continue;
            }
            self.next_epoch()?;
            if self.ask().await? {
                continue;
            }
            self.receive().await?;
        }
    }

    /// From time to time.
    fn tell_figures(&mut self) {
        if self.told_at.elapsed() >= figures::EVERY {
            self.told_at = Instant::now();
            figures::set(&self.figures.reconnects, self.subscription.reconnects());
            self.figures.record(&self.subject);
        }
    }

    /// The next frame that is here, in order.
    fn take_next(&mut self) -> bool {
        let Some(epoch) = &mut self.epoch else { return false };
        let Some((frame, token)) = epoch.order.pop() else { return false };
        let known = epoch.sums.duplicates();
        epoch.sums.take(&frame, &mut self.steps);
        figures::add(&self.figures.duplicates, epoch.sums.duplicates() - known);
        epoch.position = frame.position;
        let part_of = match &frame.body {
            Body::Piece(piece) if frame.count().is_none() => {
                let max = self.locals.template().max_slice();
                if piece.total > max as u64 {
                    // It is told before all of it is collected.
                    self.steps.push_front(Step::TooLong(piece.total as usize));
                }
                Some(piece.total.div_ceil(frame.payload.len() as u64))
            }
            _ => None,
        };
        let (number, position) = (frame.number, frame.position);
        self.taken = Some(Taken { number, position, token, part_of });
        true
    }

    /// All that a frame asked for is done. A piece is held until its message is in the ring.
    async fn settle(&mut self) -> Result<(), InletError> {
        let Some(taken) = &self.taken else { return Ok(()) };
        figures::set(&self.figures.position, taken.position);
        if let Some(pieces) = taken.part_of {
            self.subscription.make_room(pieces).await?;
        }
        // If this is given up in the middle, the rest is delivered again, and superfluous.
        let Some(taken) = self.taken.take() else { return Ok(()) };
        self.pieces.extend(taken.token.map(|token| (taken.number, token)));
        if taken.part_of.is_some() {
            self.subscription.hold(&self.pieces).await;
        } else {
            while let Some((_number, token)) = self.pieces.pop_front() {
                self.subscription.settle(token).await;
            }
        }
        // While the ring was full, nobody listened.
        self.last_frame = Instant::now();
        Ok(())
    }

    fn begin(&mut self, id: u64, number: u64, place: u64) {
        // The first that an inlet sees may have begun before it; the next begin while it is there.
        let is_first = self.epoch.is_none() && self.over.is_empty();
        let from_start = !is_first || number == 0;
        self.epoch = Some(Epoch {
            id,
            order: Order::new(number, place),
            sums: Sums::new(from_start),
            position: 0,
        });
        figures::add(&self.figures.epochs, 1);
        tracing::debug!(subject = self.subject, epoch = id, from_start, "epoch begun");
    }

    /// Goes on with the next epoch, if this one has nothing more to come.
    fn next_epoch(&mut self) -> Result<(), InletError> {
        let Some(next) = self.later.front().map(epoch_of) else { return Ok(()) };
        let Some(old) = &self.epoch else { return Ok(()) };
        if old.order.is_waiting() {
            return Ok(());
        }
        let (epoch, position) = (old.id, old.position);
        self.over.insert(epoch);
        self.locals.forget_all();
        let place = self.later.front().map_or(0, |first| first.place.saturating_sub(1));
        self.begin(next, 0, place);
        for delivery in std::mem::take(&mut self.later) {
            self.sort(delivery);
        }
        tracing::warn!(subject = self.subject, epoch, position, next, "epoch broken");
        Err(InletError::EpochBroken { epoch, position, next })
    }

    /// Asks the engine for a frame that is missing. Tells whether we can go on.
    async fn ask(&mut self) -> Result<bool, InletError> {
        let newer = self.later.front().map(|first| first.place);
        let Some(epoch) = &mut self.epoch else { return Ok(false) };
        let Some(question) = epoch.order.question(newer) else { return Ok(false) };
        if self.asked_at.elapsed() < QUESTIONS {
            return Ok(false);
        }
        let answer = self.subscription.whereabouts(&question).await?;
        self.asked_at = Instant::now();
        tracing::debug!(subject = self.subject, ?question, ?answer, "a frame is missing");
        if epoch.order.resolve(answer, newer.is_some()) {
            for (_frame, token) in epoch.order.kept() {
                if let Some(token) = token.take() {
                    self.subscription.settle(token).await;
                }
            }
        }
        Ok(!epoch.order.is_waiting())
    }

    /// Waits for a frame, and puts it where it belongs.
    async fn receive(&mut self) -> Result<(), InletError> {
        let is_waiting = self.epoch.as_ref().is_some_and(|epoch| epoch.order.is_waiting());
        let silence = if self.epoch.is_some() { self.silence } else { Duration::MAX };
        let limit = if is_waiting { QUESTIONS.min(silence) } else { silence };
        let Ok(delivery) = timeout(limit, self.subscription.next()).await else {
            if let Some(Epoch { id, position, .. }) = &self.epoch
                && self.last_frame.elapsed() >= silence
            {
                let (epoch, position) = (*id, *position);
                return Err(InletError::Silent { silence, epoch, position });
            }
            return Ok(());
        };
        let delivery = delivery?;
        self.last_frame = Instant::now();
        let Some(frame) = &delivery.frame else {
            figures::add(&self.figures.foreign, 1);
            self.subscription.settle(delivery.token).await;
            return Ok(());
        };
        figures::set(&self.figures.reconnects, self.subscription.reconnects());
        if self.over.contains(frame.epoch) {
            // Two outlets on one subject, or one that was thought to be gone.
            tracing::warn!(
                subject = self.subject,
                epoch = frame.epoch,
                "left out: this epoch is over"
            );
            figures::add(&self.figures.foreign, 1);
            self.subscription.settle(delivery.token).await;
            return Ok(());
        }
        if matches!(frame.body, Body::End(End::Terminated, _)) {
            self.terminated(frame.epoch);
            let is_later = self.epoch.as_ref().is_some_and(|epoch| epoch.id != frame.epoch);
            // One that is stored comes behind all of this epoch, and begins the next.
            if !is_later || delivery.place == 0 {
                self.subscription.settle(delivery.token).await;
                return Ok(());
            }
        }
        if self.epoch.is_none() {
            let (id, place) = (frame.epoch, delivery.place.saturating_sub(1));
            let was_there = self.subscription.was_there(frame.age_ms);
            self.begin(id, if was_there { 0 } else { frame.number }, place);
        }
        if let Some(superfluous) = self.sort(delivery) {
            figures::add(&self.figures.duplicates, superfluous.count());
            self.settle_superfluous(superfluous).await;
        }
        Ok(())
    }

    async fn settle_superfluous(&mut self, Superfluous { frame, token }: Superfluous<S::Token>) {
        // A piece of a message that is not whole: the engine wants the newer delivery settled.
        let Some(token) = token else { return };
        match self.pieces.binary_search_by_key(&frame.number, |(number, _)| *number) {
            Ok(index) => self.pieces[index].1 = token,
            Err(_) => self.subscription.settle(token).await,
        }
    }

    /// To its epoch. Returns what is superfluous.
    fn sort(&mut self, delivery: Delivery<S::Token>) -> Option<Superfluous<S::Token>> {
        let is_reliable = self.subscription.is_reliable();
        let epoch = self.epoch.as_mut()?;
        if epoch_of(&delivery) != epoch.id || delivery.frame.is_none() {
            self.later.push_back(delivery);
            return None;
        }
        let Delivery { frame, place, token } = delivery;
        let frame = frame?;
        // Without redelivery a frame is taken when it comes, and what is not there is missed. One that comes
        // late is told from new ones by its messages.
        let number = if is_reliable { frame.number } else { epoch.order.next_number() };
        let superfluous = epoch.order.push(number, frame.floor, place, (frame, Some(token)));
        superfluous.map(|(frame, token)| Superfluous { frame, token })
    }

    /// Does what a frame asks for. Each step is done once, however often it is waited for.
    async fn perform(&mut self) -> Result<(), InletError> {
        while let Some(step) = self.steps.front_mut() {
            match step {
                Step::Missed(writer, count) => {
                    tracing::debug!(subject = self.subject, writer, %count, "missed");
                    let figures = &self.figures;
                    figures::add_count(&figures.missed, &figures.missed_bytes, *count);
                    self.locals.missed(*writer, *count)?;
                }
                Step::Forget(writer) => self.locals.forget(*writer),
                Step::Name(writer, name) => self.locals.name(*writer, Arc::clone(name)),
                // It stays, and is told each time.
                Step::TooLong(len) => {
                    let (len, max) = (*len, self.locals.template().max_slice());
                    return Err(InletError::TooLong { len, max });
                }
                Step::End(end, text) => {
                    let (end, text) = (*end, std::mem::take(text));
                    self.end(end, text)?;
                }
                Step::Deliver(writer, payload, lens) => {
                    let writer = self.locals.of(*writer);
                    let sent = tokio::select! {
                        biased;
                        epoch = self.subscription.terminated() => Err(Some(epoch)),
                        sent = deliver(writer, payload, lens, &self.figures) => Ok(sent),
                        () = sleep_until(self.told_at + figures::EVERY) => Err(None),
                    };
                    match sent {
                        Ok(sent) => sent?,
                        Err(None) => {
                            self.tell_figures();
                            continue;
                        }
                        Err(Some(epoch)) => {
                            self.terminated(epoch);
                            continue;
                        }
                    }
                }
            }
            self.steps.pop_front();
        }
        Ok(())
    }

    /// The other side was terminated: at once, if it is this epoch that is meant; a later one once we come
    /// to it.
    fn terminated(&mut self, epoch: u64) {
        if self.epoch.is_none() {
            self.begin(epoch, 0, 0);
        }
        if self.epoch.as_ref().is_some_and(|current| current.id == epoch) {
            self.steps.clear();
            self.locals.template().channel().terminate();
            self.ended = Some(Ended::Terminated);
        } else if !self.over.contains(epoch) {
            self.terminated.insert(epoch);
        }
    }

    fn end(&mut self, end: End, text: String) -> Result<(), InletError> {
        let channel = self.locals.template().channel();
        let (result, ended) = match end {
            End::Drained => (channel.drain().is_ok(), Ended::Drained),
            End::Failed => {
                let error = Remote(text);
                let failed = channel.fail(error.clone()).is_ok();
                (failed, Ended::Failed(channel.failure().unwrap_or_else(|| Failure::new(error))))
            }
            End::Terminated => {
                channel.terminate();
                (true, Ended::Terminated)
            }
        };
        if !result {
            return Err(InletError::Closed(SendError::Closed));
        }
        self.ended = Some(ended);
        Ok(())
    }
}

/// The last epochs of which something is known. Outlets begin anew for as long as an inlet runs, and of one that is
/// over hardly anything comes later than what those behind it send.
#[derive(Debug, Default)]
struct Recent {
    epochs: HashSet<u64>,
    /// In the order in which they came.
    order: VecDeque<u64>,
}

impl Recent {
    const MOST: usize = 1024;

    fn insert(&mut self, epoch: u64) {
        if self.epochs.insert(epoch) {
            self.order.push_back(epoch);
        }
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.epochs.remove(&oldest);
        }
    }

    fn contains(&self, epoch: u64) -> bool {
        self.epochs.contains(&epoch)
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

impl<S: Subscription> Drop for Core<S> {
    /// Readers never take an inlet that went for a clean end.
    fn drop(&mut self) {
        if self.ended.is_none() {
            let position = self.epoch.as_ref().map_or(0, |epoch| epoch.position);
            let channel = self.locals.template().channel();
            // A channel that has ended has its end.
            let _has_ended = channel.fail(InletError::Dropped { position });
        }
    }
}

/// A frame that was here before.
struct Superfluous<T> {
    frame: Frame,
    token: Option<T>,
}

impl<T> Superfluous<T> {
    fn count(&self) -> u64 {
        self.frame.count().messages
    }
}

fn epoch_of<T>(delivery: &Delivery<T>) -> u64 {
    delivery.frame.as_ref().map_or(0, |frame| frame.epoch)
}

/// Sends messages, and takes those that are sent out of `payload` and `lens`.
async fn deliver(
    writer: &mut Writer,
    payload: &mut Bytes,
    lens: &mut Vec<u32>,
    figures: &InletFigures,
) -> Result<(), InletError> {
    // Several of them must fit into one slice together.
    let most = writer.max_slice() / 2;
    while !lens.is_empty() {
        let mut ring_bytes = 0;
        let fits = |len: &&u32| {
            ring_bytes += (**len as usize).max(1).next_multiple_of(GRANULE);
            ring_bytes <= most
        };
        let together = lens.iter().take_while(fits).count().max(1);
        let mut offset = 0;
        let messages: Vec<&[u8]> = lens[..together]
            .iter()
            .map(|&len| {
                offset += len as usize;
                &payload[offset - len as usize..offset]
            })
            .collect();
        let sent = match messages[..] {
            [message] => writer.send(message).await,
            _ => writer.send_many(&messages).await,
        };
        match sent {
            // What is dropped, a reader learns of from the writer's figures.
            Ok(_delivered_or_dropped) => {}
            Err(SendError::TooLong { len, max }) => return Err(InletError::TooLong { len, max }),
            Err(error) => return Err(InletError::Closed(error)),
        }
        let count = Count::new(together as u64, offset as u64);
        figures::add_count(&figures.received, &figures.received_bytes, count);
        lens.drain(..together);
        *payload = payload.slice(offset..);
    }
    Ok(())
}
