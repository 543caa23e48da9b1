//! A line of waiters, served in order: writers that wait for room, and whoever waits for the end.
//!
//! *Order.* A waiter is woken when there is room for it and for all before it, who have been woken as
//! well. It stays in the line until it has run and taken its room, and whoever is behind it, or not in
//! the line, takes room only where enough is left for it ([`WaitQueue::claimed`]), so that small slices
//! do not starve a large one. A newcomer need not join while there is enough for all: who has been
//! woken takes microseconds to run, and if all who come meanwhile went to sleep behind it, there would
//! be a sleep and a wake for each slice from then on.
//!
//! *Nobody waits for a stranger.* One that was woken may never come: its future is kept and not polled.
//! One that sleeps may be gone, too: what `AsyncWrite::poll_write` registers can be forgotten without a
//! trace by a task that turns to something else. So whoever finds room, but must leave it to those in
//! the line before it, counts that ([`WaitQueue::press`], [`WaitQueue::press_within`]). When the first
//! of them has been waited for so many times as its *threshold* says, it is woken, to see whether it
//! comes, if it slept, and *passed over*, if it had been woken: it is taken out of the line, and claims
//! nothing any more. It keeps its ticket. If it comes, it joins again at its old place, and is waited
//! for twice as long the next time: one that always comes is served in the end, however fast others
//! are, and one that never comes costs a fixed number of tries.
//!
//! Who counts must run for that. A waiter that is refused only for the sake of one that was woken, or
//! of one of which nothing is known, asks to be polled again at once, since in its task there may be
//! nobody else who runs: so many times as the threshold of the other one says. For the sake of one that sleeps
//! and that leaves the line in its destructor, it sleeps as well. While a strong reader has something
//! to read, it will give that back, and look at the line again. Once none has ([`Room::may_grow`]), no
//! more room may ever come: then all are woken for whom there is room, though it be left to those who
//! have been woken and may not come. A waiter whose task may have forgotten it starts with a
//! threshold of 0: woken, it is out of the line at once, until it comes.
//!
//! *Nobody waits for the lock but those who wait.* Who joins or leaves locks it, and may wait for that.
//! Who makes room, ends the channel, or finds no room without waiting only tries to. First it looks at
//! what is known of the line without the lock: whether somebody sleeps, and for how much room. It is as
//! with parking: A makes room, issues a full fence, and looks at that; B changes the line, unlocks it,
//! issues a full fence, and looks whether there is room now. One of the two sees the other. What A sees
//! may be half of one change and half of the next: then neither of the two who made these had come to
//! its fence, and the later one sees the room.
//!
//! If A finds somebody to wake, it leaves a *mark*, issues a full fence, and tries the lock. If B has
//! it, A goes on with its own business. B unlocks it, issues a full fence, and looks at the marks. Of
//! the two fences one comes first. If it is A's, B sees the mark. If it is B's, A sees that B has
//! unlocked; then it was another that had the lock, of which the same can be said. So the last one to
//! have it sees the mark. Should that one be stopped in the middle, the waiters that sleep do so until
//! it goes on; nobody else does.
//!
//! Wakers are the code of others: they are cloned, woken and dropped outside of the lock, and one that
//! panics costs nobody else the wake-up. While one is being woken the mark stays, so that others see to
//! the rest should its thread be stopped.

use super::panics::Panics;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, fence, lock, try_lock,
};
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::task::Waker;

/// How often others find room that a waiter leaves lying before it is passed over. It is to be longer
/// than a thread takes from being woken to its first step, while one or two others spin; with more it
/// makes up for that by waiting longer. Eight blocking writers get as much done with 16 as with 512.
pub(crate) const THRESHOLD: u32 = if cfg!(overfall_loom) { 2 } else { 128 };

/// No waiter is waited for any longer.
const MAX_THRESHOLD: u32 = THRESHOLD << 16;

/// What a line waits for.
pub(crate) trait Room {
    /// Whether there is room for a slice of `length` payload bytes, and for `others` ring bytes besides.
    fn has(&self, length: u64, others: u64) -> bool;

    /// Whether there may be more without anybody writing, and somebody looks at the line then.
    fn may_grow(&self) -> bool;
}

/// For a line in which nobody is woken before all are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Never;

impl Room for Never {
    fn has(&self, _length: u64, _others: u64) -> bool {
        false
    }

    fn may_grow(&self) -> bool {
        true
    }
}

/// A place in the line; the smaller number is served first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    number: NonZeroU64,
    /// How long its waiter was waited for last.
    threshold: u32,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// For writers: payload bytes.
    pub(crate) length: u64,
    /// What others must leave for it, in ring bytes; more than 0.
    pub(crate) claim: u64,
    /// How long it is waited for at first: [`THRESHOLD`], or 0 for one whose task may have forgotten it.
    pub(crate) threshold: u32,
}

#[derive(Debug)]
struct Waiter {
    number: NonZeroU64,
    length: u64,
    claim: u64,
    threshold: u32,
    /// It was woken to see whether it comes.
    is_probed: bool,
    /// Nothing once it was woken.
    waker: Option<Waker>,
}

impl Waiter {
    fn is_asleep(&self) -> bool {
        self.waker.is_some()
    }

    /// It has come after all: next time it is waited for longer.
    fn wait_longer(&mut self) {
        self.threshold = self.threshold.saturating_mul(2).clamp(THRESHOLD, MAX_THRESHOLD);
    }
}

#[derive(Debug)]
struct Line {
    /// In the order of their numbers.
    waiters: VecDeque<Waiter>,
    next: NonZeroU64,
    /// The sum of their claims.
    claimed: u64,
    /// The first one when the hint was last written, and whether it slept.
    first: Option<(NonZeroU64, bool)>,
}

/// What is known of the line without the lock, under which it is written.
#[derive(Debug)]
struct Hint {
    claimed: AtomicU64,
    waiters: AtomicU32,
    /// Somebody sleeps; the next two are about the first of those.
    is_anybody_asleep: AtomicBool,
    length: AtomicU64,
    /// What must be left to those before it, who have all been woken.
    others: AtomicU64,
    /// How often somebody was refused for the sake of the first one alone, since that one came or was
    /// woken. The only one that is written without the lock.
    refusals: AtomicU32,
    /// How many refusals are enough.
    threshold: AtomicU32,
    /// The first one has been woken, or nobody knows whether it is still there.
    is_in_question: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct WaitQueue {
    hint: CachePadded<Hint>,
    /// What is to be done by who has the lock, or takes it next.
    marks: AtomicU32,
    line: Mutex<Line>,
}

/// Wake those for whom there is room.
const WAKE: u32 = 1;
/// Wake everybody.
const WAKE_ALL: u32 = 2;

impl Line {
    /// Where the waiter of this number is, or would be.
    fn place(&self, number: NonZeroU64) -> Result<usize, usize> {
        self.waiters.binary_search_by_key(&number, |waiter| waiter.number)
    }

    fn claimed_before(&self, place: usize) -> u64 {
        self.waiters.iter().take(place).map(|waiter| waiter.claim).sum()
    }

    fn remove(&mut self, place: usize) -> Option<Waiter> {
        let waiter = self.waiters.remove(place)?;
        self.claimed -= waiter.claim;
        Some(waiter)
    }

    fn first_asleep(&self) -> Option<usize> {
        self.waiters.iter().position(Waiter::is_asleep)
    }

    /// Takes the waker of a waiter. One that may have been forgotten loses its place until it comes.
    fn take_waker(&mut self, place: usize) -> Option<Waker> {
        if self.waiters[place].threshold == 0 {
            return self.remove(place)?.waker;
        }
        self.waiters[place].waker.take()
    }

    /// The next one to be woken, as the marks say.
    fn next_to_wake(&mut self, marks: u32, room: &impl Room) -> Option<Waker> {
        if marks & WAKE_ALL != 0 {
            return std::iter::from_fn(|| self.remove(0)).find_map(|waiter| waiter.waker);
        }
        let first = self.first_asleep()?;
        let others = self.claimed_before(first);
        if room.has(self.waiters[first].length, others) {
            return self.take_waker(first);
        }
        if room.may_grow() {
            return None;
        }
        for (place, waiter) in self.waiters.iter().enumerate().skip(first) {
            if !waiter.is_asleep() {
                continue;
            }
            if room.has(waiter.length, 0) {
                return self.take_waker(place);
            }
            if waiter.threshold > 0 {
                // It is there, and those behind it leave it what it waits for.
                return None;
            }
        }
        None
    }

    /// The first one has been waited for long enough. Hands back what wakes it, or nothing if it had
    /// been woken and is passed over now.
    fn press(&mut self) -> Option<Waker> {
        let first = self.waiters.front_mut()?;
        if first.is_asleep() {
            first.is_probed = true;
            return self.take_waker(0);
        }
        self.remove(0);
        None
    }
}

impl WaitQueue {
    pub(crate) fn new() -> Self {
        let [claimed, length, others] = [0; 3].map(AtomicU64::new);
        let [waiters, refusals, threshold, marks] = [0; 4].map(AtomicU32::new);
        let [is_anybody_asleep, is_in_question] = [false; 2].map(AtomicBool::new);
        Self {
            hint: CachePadded::new(Hint {
                claimed,
                waiters,
                is_anybody_asleep,
                length,
                others,
                refusals,
                threshold,
                is_in_question,
            }),
            marks,
            line: Mutex::new(Line {
                waiters: VecDeque::new(),
                next: NonZeroU64::MIN,
                claimed: 0,
                first: None,
            }),
        }
    }

    /// Makes room for so many waiters, so that waiting allocates nothing. Where the lock cannot be had
    /// at once, those who join make it themselves.
    #[inline]
    pub(crate) fn make_room(&self, waiters: usize) {
        if let Some(mut line) = try_lock(&self.line) {
            let length = line.waiters.len();
            line.waiters.reserve(waiters.saturating_sub(length));
        }
    }

    /// Whether nobody is in the line.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.claimed() == 0
    }

    /// How many are in the line.
    pub(crate) fn len(&self) -> usize {
        self.hint.waiters.load(Ordering::Relaxed) as usize
    }

    /// The ring bytes that a newcomer must leave to those who are in the line.
    #[inline]
    pub(crate) fn claimed(&self) -> u64 {
        self.hint.claimed.load(Ordering::Relaxed)
    }

    /// Under the lock, behind each change.
    fn record_change(&self, line: &mut Line) {
        let hint = &*self.hint;
        hint.claimed.store(line.claimed, Ordering::Relaxed);
        hint.waiters.store(line.waiters.len() as u32, Ordering::Relaxed);
        let asleep = line.first_asleep();
        hint.is_anybody_asleep.store(asleep.is_some(), Ordering::Relaxed);
        if let Some(place) = asleep {
            hint.length.store(line.waiters[place].length, Ordering::Relaxed);
            hint.others.store(line.claimed_before(place), Ordering::Relaxed);
        }
        let first = line.waiters.front().map(|first| (first.number, first.is_asleep()));
        if let Some(waiter) = line.waiters.front() {
            let threshold = waiter.threshold;
            hint.threshold.store(threshold.max(THRESHOLD), Ordering::Relaxed);
            let is_in_question = !waiter.is_asleep() || threshold == 0;
            hint.is_in_question.store(is_in_question, Ordering::Relaxed);
        }
        if line.first != first {
            line.first = first;
            hint.refusals.store(0, Ordering::Relaxed);
        }
    }

    /// Joins the line, at the place of `ticket` if there is one, or renews the request and the
    /// waker there. Tells what must be left to those before. After this the caller must check once
    /// more before it sleeps, behind a full fence, and [check](Self::check) for others.
    pub(crate) fn join(
        &self,
        ticket: &mut Option<Ticket>,
        request: Request,
        waker: &Waker,
        room: &impl Room,
    ) -> u64 {
        // User code may run in here: not under the lock.
        let mut waker = Some(waker.clone());
        let mut guard = lock(&self.line);
        let line = &mut *guard;
        let Request { length, claim, mut threshold } = request;
        let is_new = ticket.is_none();
        let number = match ticket {
            Some(ticket) => {
                threshold = ticket.threshold;
                ticket.number
            }
            None => {
                let number = line.next;
                line.next = number.saturating_add(1);
                number
            }
        };
        let place = match line.place(number) {
            Ok(place) => {
                let waiter = &mut line.waiters[place];
                if waiter.is_probed && !waiter.is_asleep() {
                    waiter.is_probed = false;
                    waiter.wait_longer();
                }
                line.claimed -= waiter.claim;
                (waiter.length, waiter.claim) = (length, claim);
                // The old one is dropped after the lock.
                std::mem::swap(&mut waiter.waker, &mut waker);
                place
            }
            Err(place) => {
                let waker = waker.take();
                let mut waiter =
                    Waiter { number, length, claim, threshold, is_probed: false, waker };
                if !is_new {
                    waiter.wait_longer();
                }
                line.waiters.insert(place, waiter);
                place
            }
        };
        line.claimed += claim;
        *ticket = Some(Ticket { number, threshold: line.waiters[place].threshold });
        let others = line.claimed_before(place);
        self.record_change(line);
        drop(guard);
        let mut panics = Panics::new();
        panics.run(|| drop(waker));
        // ORD(line:B) SeqCst, pairs with ORD(line:A).
        fence(Ordering::SeqCst);
        panics.run(|| self.attend(room));
        panics.finish();
        others
    }

    /// Leaves the line, if the ticket is still in there, and wakes those who have waited for that.
    pub(crate) fn leave(&self, ticket: Ticket, room: &impl Room) {
        let mut line = lock(&self.line);
        let place = line.place(ticket.number).ok();
        let waiter = place.and_then(|place| line.remove(place));
        if waiter.is_some() {
            self.record_change(&mut line);
        }
        drop(line);
        let mut panics = Panics::new();
        panics.run(|| drop(waiter));
        panics.run(|| self.check_after_change(room));
        panics.finish();
    }

    /// For who is not in the line, and finds room that it must leave to those who are: counts that.
    /// Tells what it must leave from now on, if that has become less.
    pub(crate) fn press(&self, room: &impl Room) -> Option<u64> {
        if !self.count_refusal() {
            return None;
        }
        // Who has the lock may be stopped, or gone with a fork: the line has been waited for long
        // enough.
        let Some(line) = try_lock(&self.line) else { return Some(0) };
        self.press_first(line, room).then(|| self.claimed())
    }

    /// The same for who is in the line, and finds room that it must leave to those before it. Tells
    /// whether the first one was passed over, and there may be room now. If that one is still to come,
    /// or to be passed over, wakes who was refused, to ask again, since nobody else may.
    pub(crate) fn press_within(&self, ticket: Option<Ticket>, room: &impl Room) -> bool {
        if self.count_refusal() {
            if self.press_first(lock(&self.line), room) {
                return true;
            }
        } else if !self.hint.is_in_question.load(Ordering::Relaxed) {
            // It is there, and waits for more room. So do those behind it.
            return false;
        }
        let mut line = lock(&self.line);
        let place = ticket.and_then(|ticket| line.place(ticket.number).ok());
        let waker = place.and_then(|place| line.waiters[place].waker.take());
        self.record_change(&mut line);
        drop(line);
        let mut panics = Panics::new();
        panics.run(|| waker.into_iter().for_each(Waker::wake));
        panics.run(|| self.check_after_change(room));
        panics.finish();
        false
    }

    /// Whether the first one has been waited for long enough.
    fn count_refusal(&self) -> bool {
        let before = self.hint.refusals.fetch_add(1, Ordering::Relaxed);
        before + 1 >= self.hint.threshold.load(Ordering::Relaxed)
    }

    /// Tells whether it was passed over.
    fn press_first(&self, mut line: MutexGuard<'_, Line>, room: &impl Room) -> bool {
        let hint = &*self.hint;
        // Another may have been faster.
        let is_due =
            hint.refusals.load(Ordering::Relaxed) >= hint.threshold.load(Ordering::Relaxed);
        let before = line.waiters.len();
        let waker = if is_due { line.press() } else { None };
        let was_passed_over = line.waiters.len() < before;
        self.record_change(&mut line);
        drop(line);
        let mut panics = Panics::new();
        panics.run(|| waker.into_iter().for_each(Waker::wake));
        panics.run(|| self.check_after_change(room));
        panics.finish();
        was_passed_over
    }

    /// Wakes those for whom there is room, behind a full fence after whatever made that room.
    #[inline]
    pub(crate) fn check(&self, room: &impl Room) {
        let hint = &*self.hint;
        if !hint.is_anybody_asleep.load(Ordering::Relaxed) {
            return;
        }
        let (length, others) = (&hint.length, &hint.others);
        if room.has(length.load(Ordering::Relaxed), others.load(Ordering::Relaxed))
            || !room.may_grow()
        {
            self.ask(WAKE, room);
        }
    }

    /// For who changed the line, and has unlocked it.
    fn check_after_change(&self, room: &impl Room) {
        // ORD(line:B) SeqCst, pairs with ORD(line:A). ORD(park:A) SeqCst, pairs with ORD(park:B): who
        // made room, and found the line as it was before, is seen by this look.
        fence(Ordering::SeqCst);
        let mut panics = Panics::new();
        panics.run(|| self.attend(room));
        panics.run(|| self.check(room));
        panics.finish();
    }

    /// Wakes everybody who is in the line now, and takes them out.
    pub(crate) fn wake_all(&self) {
        self.ask(WAKE_ALL, &Never);
    }

    /// Has something done, by this thread if it gets the lock, or by the one that has it.
    fn ask(&self, mark: u32, room: &impl Room) {
        self.marks.fetch_or(mark, Ordering::Relaxed);
        // ORD(line:A) SeqCst, pairs with ORD(line:B).
        fence(Ordering::SeqCst);
        self.attend(room);
    }

    /// Does `work` while it has the lock, as one that is stopped there would.
    #[cfg(all(test, not(overfall_loom)))]
    pub(crate) fn while_locked<T>(&self, room: &impl Room, work: impl FnOnce() -> T) -> T {
        let line = lock(&self.line);
        let value = work();
        drop(line);
        self.check_after_change(room);
        value
    }

    /// Does what the marks say, unless another has the lock, who will do it.
    fn attend(&self, room: &impl Room) {
        let mut panics = Panics::new();
        while self.marks.load(Ordering::Relaxed) != 0 {
            let Some(mut line) = try_lock(&self.line) else { break };
            // ORD(line:C) Acquire, pairs with the fence ORD(line:A): who joins behind us finds what
            // the mark is about.
            let marks = self.marks.swap(0, Ordering::Acquire);
            let waker = line.next_to_wake(marks, room);
            if waker.is_some() {
                // There may be more. Should this thread be stopped, others see to them.
                self.marks.fetch_or(marks, Ordering::Relaxed);
            }
            self.record_change(&mut line);
            drop(line);
            panics.run(|| waker.into_iter().for_each(Waker::wake));
            // ORD(line:B) SeqCst, pairs with ORD(line:A).
            fence(Ordering::SeqCst);
        }
        panics.finish();
    }
}
