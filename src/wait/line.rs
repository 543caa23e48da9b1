//! A line of waiters, served in order: writers that wait for room, tasks and threads that wait for
//! the end. Those who wait until something was read stand in a line that is not served in turn, but
//! by what they wait for: the one with the smallest length is the first ([`Line::by_length`]).
//!
//! *Order.* A waiter is woken when there is room for it and for all waiters before it, which have
//! been woken as well. It stays in the line until it has run and taken its room. Threads behind it,
//! or not in the line, take room only if enough is left for it ([`Line::claimed`]), so that
//! small slices do not starve a large one. A newcomer need not join while there is enough for all:
//! a woken waiter takes microseconds to run, and if all newcomers slept behind it meanwhile, each
//! slice would cost a sleep and a wake from then on.
//!
//! *No waiter may block the line for ever.* A woken waiter may never run: its future is kept and
//! not polled. A sleeping one may be gone, too: a task can forget what `AsyncWrite::poll_write`
//! registered, without a trace. So a thread that finds room, but must leave it to the waiters
//! before it, counts a *refusal* ([`Line::press`], [`Line::press_within`]). When the
//! refusals reach the *threshold* of the first waiter, a sleeping one is woken, to see whether it
//! comes. A woken one is *passed over*: it is taken out of the line, and claims nothing any more.
//! It keeps its ticket. If it comes, it joins again at its old place, and its threshold doubles. A
//! waiter that always comes is served in the end, however fast others are; one that never comes
//! costs a fixed number of tries.
//!
//! Counting refusals takes a thread that runs. Suppose that waiter B is refused only for the sake
//! of waiter A. If A was woken, or may have been forgotten, B asks to be polled again at once,
//! since nothing else in its task may run: as many times as A's threshold says. If A sleeps, and
//! leaves the line in its destructor, B sleeps as well. A strong reader with something to read will
//! give that back, and look at the line again. Once no reader has ([`Room::may_grow`]), there may
//! never be more room. Then every waiter is woken for which there is room, even room that is
//! claimed by waiters that have been woken and may not come. A waiter whose task may have forgotten
//! it starts with a threshold of 0: when it is woken, it leaves the line at once, until it comes. If the line is
//! empty then, it takes its room as a newcomer does, and does not join for it.
//!
//! *Only waiters block on the lock.* A thread that joins or leaves the line locks it. A thread that
//! makes room, ends the channel, or finds no room and does not wait, only tries the lock. First it
//! reads the hint, which needs no lock: whether a waiter sleeps, and for how much room. As with
//! parking: A makes room, issues a full fence, and reads the hint; B changes the line, unlocks it,
//! issues a full fence, and looks whether there is room now. One of the two sees the other. A may
//! read half of one change and half of the next. Then neither of the threads that made them had
//! come to its fence, and the later one sees the room.
//!
//! If A finds a waiter to wake, it leaves a *mark*, issues a full fence, and tries the lock. If B
//! has it, A goes on with its own business. B unlocks it, issues a full fence, and looks at the
//! marks. Of the two fences one comes first. If it is A's, B sees the mark. If it is B's, A sees
//! that B has unlocked; then a third thread C had the lock, and the same holds for A and C. So the
//! last thread to have the lock sees the mark. If that thread is stopped in the middle, the
//! sleeping waiters sleep until it goes on; no other thread waits for it.
//!
//! Wakers are foreign code: they are cloned, woken and dropped outside of the lock, and one that
//! panics costs no other waiter its wake-up. The mark stays while a waker is woken, so that other
//! threads wake the rest if this one is stopped.

use super::panics::Panics;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, fence, lock, try_lock,
};
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::task::Waker;

/// How many refusals a waiter may cause before it is passed over. They should take longer than a
/// thread needs from being woken to its first step, while one or two others spin. With more of
/// them, the doubling makes up for it. Eight blocking writers get as much done with 16 as with 512.
pub(crate) const THRESHOLD: u32 = if cfg!(overfall_loom) { 2 } else { 128 };

/// The highest threshold that a waiter can have.
const MAX_THRESHOLD: u32 = THRESHOLD << 16;

/// What a line waits for.
pub(crate) trait Room {
    /// Whether there is room for a slice of `length` payload bytes and for `others` more ring
    /// bytes.
    fn has(&self, length: u64, others: u64) -> bool;

    /// Whether there may be more without another write, by a thread that then looks at the line.
    fn may_grow(&self) -> bool;
}

/// For a line in which all waiters are woken at once.
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
    /// The last threshold of its waiter.
    threshold: u32,
}

/// What a waiter waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// For writers: payload bytes.
    pub(crate) length: u64,
    /// The ring bytes that others must leave for it; more than 0.
    pub(crate) claim: u64,
    /// Its first threshold: [`THRESHOLD`], or 0 for a waiter whose task may have forgotten it.
    pub(crate) threshold: u32,
}

#[derive(Debug)]
struct Waiter {
    number: NonZeroU64,
    length: u64,
    claim: u64,
    threshold: u32,
    /// Whether it was woken to see whether it comes.
    is_probed: bool,
    /// `None` once it was woken.
    waker: Option<Waker>,
}

impl Waiter {
    fn is_asleep(&self) -> bool {
        self.waker.is_some()
    }

    /// Raises the threshold of a waiter that has come after all.
    fn wait_longer(&mut self) {
        self.threshold = self.threshold.saturating_mul(2).clamp(THRESHOLD, MAX_THRESHOLD);
    }
}

#[derive(Debug)]
struct Waiters {
    /// In the order of their numbers.
    waiters: VecDeque<Waiter>,
    next: NonZeroU64,
    /// The sum of their claims.
    claimed: u64,
    /// The first waiter when the hint was last written, and whether it slept.
    first: Option<(NonZeroU64, bool)>,
    /// Whether the smallest length comes first. Lengths may wrap.
    by_length: bool,
}

/// What threads read of the line without the lock. It is written under the lock.
#[derive(Debug)]
struct Hint {
    claimed: AtomicU64,
    waiters: AtomicU32,
    /// Whether a waiter sleeps. The next two fields are about the first sleeping waiter.
    is_anybody_asleep: AtomicBool,
    length: AtomicU64,
    /// What must be left to the waiters before it, which have all been woken.
    others: AtomicU64,
    /// How often threads were refused for the sake of the first waiter alone, since it came or was
    /// woken. The only field that is written without the lock.
    refusals: AtomicU32,
    /// How many refusals are enough.
    threshold: AtomicU32,
    /// Whether the first waiter has been woken, or may have been forgotten.
    is_in_question: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Line {
    hint: CachePadded<Hint>,
    /// What the thread with the lock, or the next one to take it, has to do.
    marks: AtomicU32,
    line: Mutex<Waiters>,
}

/// Wake the waiters for which there is room.
const WAKE: u32 = 1;
/// Wake all waiters.
const WAKE_ALL: u32 = 2;

impl Waiters {
    /// The place of the waiter with this number, or where it would be.
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
        let length = |place: usize| self.waiters[place].length;
        let is_before = |one, other| (length(one).wrapping_sub(length(other)) as i64) < 0;
        let mut asleep = (0..self.waiters.len()).filter(|&place| self.waiters[place].is_asleep());
        if self.by_length {
            asleep.reduce(|first, place| if is_before(place, first) { place } else { first })
        } else {
            asleep.next()
        }
    }

    /// Takes the waker of a waiter. A waiter that may have been forgotten loses its place until it
    /// comes.
    fn take_waker(&mut self, place: usize) -> Option<Waker> {
        if self.waiters[place].threshold == 0 {
            return self.remove(place)?.waker;
        }
        self.waiters[place].waker.take()
    }

    /// The waker of the next waiter to wake, as the marks say.
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
                // It is still there, and the waiters behind it leave it its room.
                return None;
            }
        }
        None
    }

    /// Called when the refusals have reached the threshold of the first waiter. Returns its waker
    /// if it sleeps; a waiter that had been woken is passed over.
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

impl Line {
    pub(crate) fn new() -> Self {
        Self::of(false)
    }

    /// A line in which the waiter with the smallest length is always the first. Where there is no room for
    /// that one, there is none for any other: so who looks for somebody to wake looks at one, however many
    /// wait.
    pub(crate) fn by_length() -> Self {
        Self::of(true)
    }

    fn of(by_length: bool) -> Self {
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
            line: Mutex::new(Waiters {
                waiters: VecDeque::new(),
                next: NonZeroU64::MIN,
                claimed: 0,
                first: None,
                by_length,
            }),
        }
    }

    /// Reserves memory for so many waiters, so that waiting allocates nothing. If the lock is
    /// taken, the waiters allocate when they join.
    #[inline]
    pub(crate) fn make_room(&self, waiters: usize) {
        if let Some(mut line) = try_lock(&self.line) {
            let length = line.waiters.len();
            line.waiters.reserve(waiters.saturating_sub(length));
        }
    }

    /// Whether the line is empty.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.claimed() == 0
    }

    /// How many waiters are in the line.
    pub(crate) fn len(&self) -> usize {
        self.hint.waiters.load(Ordering::Relaxed) as usize
    }

    /// The ring bytes that a newcomer must leave to the waiters in the line.
    #[inline]
    pub(crate) fn claimed(&self) -> u64 {
        self.hint.claimed.load(Ordering::Relaxed)
    }

    /// Updates the hint: under the lock, after each change.
    fn record_change(&self, line: &mut Waiters) {
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
    /// waker there. Returns what must be left to the waiters before. Before the caller sleeps, it
    /// must check once more, behind a full fence, and [check](Self::check) for others.
    pub(crate) fn join(
        &self,
        ticket: &mut Option<Ticket>,
        request: Request,
        waker: &Waker,
        room: &impl Room,
    ) -> u64 {
        // User code may run in here, so this is outside of the lock.
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
                // The old waker is dropped after the lock.
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

    /// Leaves the line, if the ticket is still in there, and wakes the waiters that can go on then.
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

    /// Counts a refusal: a thread that is not in the line finds room, but must leave it to the
    /// waiters in the line. Returns what it must leave from now on, if that has become less.
    pub(crate) fn press(&self, room: &impl Room) -> Option<u64> {
        if !self.count_refusal() {
            return None;
        }
        // The thread with the lock may be stopped, or gone with a fork. The line has been waited
        // for long enough.
        let Some(line) = try_lock(&self.line) else { return Some(0) };
        self.press_first(line, room).then(|| self.claimed())
    }

    /// The same for a waiter that must leave the room to the waiters before it. Returns whether the
    /// first waiter was passed over, so that there may be room now. If the first waiter may still
    /// come or be passed over, wakes the refused one to ask again, since no other thread may.
    pub(crate) fn press_within(&self, ticket: Option<Ticket>, room: &impl Room) -> bool {
        if self.count_refusal() {
            if self.press_first(lock(&self.line), room) {
                return true;
            }
        } else if !self.hint.is_in_question.load(Ordering::Relaxed) {
            // The first waiter is there, and waits for more room. So do the waiters behind it.
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

    /// Counts a refusal. Returns whether there have been enough for the first waiter.
    fn count_refusal(&self) -> bool {
        let before = self.hint.refusals.fetch_add(1, Ordering::Relaxed);
        before + 1 >= self.hint.threshold.load(Ordering::Relaxed)
    }

    /// [Presses](Waiters::press) the first waiter. Returns whether it was passed over.
    fn press_first(&self, mut line: MutexGuard<'_, Waiters>, room: &impl Room) -> bool {
        let hint = &*self.hint;
        // Another thread may have been faster.
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

    /// Wakes the waiters for which there is room. The caller made that room, and then issued a full
    /// fence.
    #[inline]
    pub(crate) fn check(&self, room: &impl Room) {
        if !self.is_anybody_asleep() {
            return;
        }
        let hint = &*self.hint;
        let (length, others) = (&hint.length, &hint.others);
        if room.has(length.load(Ordering::Relaxed), others.load(Ordering::Relaxed))
            || !room.may_grow()
        {
            self.ask(WAKE, room);
        }
    }

    /// Whether [`Line::check`] has something to look at; behind the same fence.
    #[inline]
    pub(crate) fn is_anybody_asleep(&self) -> bool {
        self.hint.is_anybody_asleep.load(Ordering::Relaxed)
    }

    /// Called by a thread that changed the line and has unlocked it.
    fn check_after_change(&self, room: &impl Room) {
        // ORD(line:B) SeqCst, pairs with ORD(line:A). ORD(park:A) SeqCst, pairs with ORD(park:B):
        // if a thread made room and found the line as it was before, this look sees the room.
        fence(Ordering::SeqCst);
        let mut panics = Panics::new();
        panics.run(|| self.attend(room));
        panics.run(|| self.check(room));
        panics.finish();
    }

    /// Wakes all waiters that are in the line now, and takes them out.
    pub(crate) fn wake_all(&self) {
        self.ask(WAKE_ALL, &Never);
    }

    /// Leaves a mark, for this thread if it gets the lock, or for the thread that has it.
    fn ask(&self, mark: u32, room: &impl Room) {
        self.marks.fetch_or(mark, Ordering::Relaxed);
        // ORD(line:A) SeqCst, pairs with ORD(line:B).
        fence(Ordering::SeqCst);
        self.attend(room);
    }

    /// Does `work` with the lock held, like a thread that is stopped there.
    #[cfg(all(test, not(overfall_loom)))]
    pub(crate) fn while_locked<T>(&self, room: &impl Room, work: impl FnOnce() -> T) -> T {
        let line = lock(&self.line);
        let value = work();
        drop(line);
        self.check_after_change(room);
        value
    }

    /// Does what the marks say, unless another thread has the lock and will do it.
    fn attend(&self, room: &impl Room) {
        let mut panics = Panics::new();
        while self.marks.load(Ordering::Relaxed) != 0 {
            let Some(mut line) = try_lock(&self.line) else { break };
            // ORD(line:C) Acquire, pairs with the fence ORD(line:A): a thread that joins after us
            // finds what the mark is about.
            let marks = self.marks.swap(0, Ordering::Acquire);
            let waker = line.next_to_wake(marks, room);
            if waker.is_some() {
                // There may be more waiters to wake. If this thread is stopped, others wake them.
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
