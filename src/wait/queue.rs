//! A line of waiters, served in order: writers that wait for room, and whoever waits for the end.
//!
//! The lock is taken by those who wait and by those who wake them, never by a read or write that
//! finds what it needs and nobody waiting; wakers are cloned, woken and dropped outside of it.
//!
//! *Order.* A waiter is woken when everybody before it has been served, and its need can be met; it
//! stays in the line until it has run and taken its room. A newcomer goes ahead only if it leaves
//! room enough for all who are in the line ([`WaitQueue::needed`]); otherwise it joins the end, so
//! that small slices do not starve a large one. It need not join while there is enough for all:
//! who has been woken takes microseconds to run, and if all who come meanwhile went to sleep behind
//! it, there would be a sleep and a wake for each slice from then on.
//!
//! *No wake is swallowed.* Waking everybody whose need can be met would be safe, and a stampede:
//! most find that others have taken the room. So behind a waiter that has been woken the waking
//! stops, and *that* waiter wakes the next, once it has taken its room or given up
//! ([`Request::forwards`]). This needs a waiter that cannot vanish: our own futures and the blocking
//! calls, which give up in a destructor. What `AsyncWrite::poll_write` registers can be forgotten
//! without a trace by a task that turns to something else. Such a waiter is taken out of the line
//! when it is woken, and the waking goes on behind it; it keeps its ticket, and if somebody was
//! faster, it joins again at its old place.
//!
//! *Nobody asks twice.* A waiter takes microseconds to run once it is woken, and a reader gives back
//! hundreds of slices in that time. So the line says, without the lock, whether its first one is still
//! to be woken. It is as with whether there is a line at all: who changes that looks, behind a full
//! fence, whether there is room by now; who makes room looks, behind a full fence, whether there is
//! somebody to wake; and one of them sees the other.

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock};
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::task::Waker;

/// A place in the line; the smaller one is served first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Ticket(u64);

/// What somebody waits for, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// For writers: payload bytes.
    pub(crate) need: u64,
    /// What others must leave for it, in ring bytes; more than 0.
    pub(crate) room: u64,
    /// It wakes the next one when it is served or gives up.
    pub(crate) forwards: bool,
}

#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    request: Request,
    /// Nothing once it was woken.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Line {
    /// In the order of their tickets.
    waiters: VecDeque<Waiter>,
    next: Ticket,
}

#[derive(Debug)]
pub(crate) struct WaitQueue {
    hint: CachePadded<Hint>,
    line: Mutex<Line>,
}

/// What is known of the line without the lock, under which it is written.
#[derive(Debug)]
struct Hint {
    /// The sum of what those in the line need.
    needed: AtomicU64,
    /// There is a first one, and it has not been woken yet.
    is_first_asleep: AtomicBool,
}

impl Line {
    fn is_first_asleep(&self) -> bool {
        self.waiters.front().is_some_and(|first| first.waker.is_some())
    }
}

impl WaitQueue {
    pub(crate) fn new() -> Self {
        Self {
            hint: CachePadded::new(Hint {
                needed: AtomicU64::new(0),
                is_first_asleep: AtomicBool::new(false),
            }),
            line: Mutex::new(Line { waiters: VecDeque::new(), next: Ticket(0) }),
        }
    }

    /// Makes room for so many waiters, so that waiting allocates nothing.
    #[inline]
    pub(crate) fn make_room(&self, waiters: usize) {
        let mut line = lock(&self.line);
        let length = line.waiters.len();
        line.waiters.reserve(waiters.saturating_sub(length));
    }

    /// Whether nobody is in the line.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.needed() == 0
    }

    /// Whether [`WaitQueue::wake_while`] would ask for anybody, for a look behind `fence(SeqCst)`.
    #[inline]
    pub(crate) fn is_first_asleep(&self) -> bool {
        self.hint.is_first_asleep.load(Ordering::Relaxed)
    }

    /// The ring bytes that a newcomer must leave to those who are in the line.
    #[inline]
    pub(crate) fn needed(&self) -> u64 {
        self.hint.needed.load(Ordering::Relaxed)
    }

    /// How many are in the line.
    pub(crate) fn len(&self) -> usize {
        lock(&self.line).waiters.len()
    }

    /// Under the lock: somebody needs so much less, and somebody so much more.
    fn note_change(&self, line: &Line, less: u64, more: u64) {
        // No ring and no line is so large that this overflows.
        self.hint.needed.store(self.needed() - less + more, Ordering::Relaxed);
        self.hint.is_first_asleep.store(line.is_first_asleep(), Ordering::Relaxed);
    }

    /// Joins the line, at the place of `ticket` if there is one, or renews the request and the
    /// waker there. Tells whether nobody is before. After this the caller must check once more
    /// before it sleeps, behind a full fence, if others wake only whom they see without the lock.
    pub(crate) fn join(
        &self,
        ticket: &mut Option<Ticket>,
        request: Request,
        waker: &Waker,
    ) -> bool {
        // User code may run in here: not under the lock.
        let mut waker = Some(waker.clone());
        let mut guard = lock(&self.line);
        let line = &mut *guard;
        let ticket = *ticket.get_or_insert_with(|| {
            let ticket = line.next;
            line.next = Ticket(ticket.0 + 1);
            ticket
        });
        let place = line.waiters.partition_point(|waiter| waiter.ticket < ticket);
        let present = line.waiters.get_mut(place).filter(|waiter| waiter.ticket == ticket);
        let before = if let Some(waiter) = present {
            // The old waker is dropped after the lock.
            std::mem::swap(&mut waiter.waker, &mut waker);
            std::mem::replace(&mut waiter.request, request).room
        } else {
            line.waiters.insert(place, Waiter { ticket, request, waker: waker.take() });
            0
        };
        self.note_change(line, before, request.room);
        drop(guard);
        drop(waker);
        place == 0
    }

    /// Leaves the line, if the ticket is still in there. Others may have waited for that: the caller
    /// looks, behind a full fence, whether they can be woken.
    pub(crate) fn leave(&self, ticket: Ticket) {
        let mut line = lock(&self.line);
        let found = line.waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket);
        let waiter = found.ok().and_then(|place| line.waiters.remove(place));
        if let Some(waiter) = &waiter {
            self.note_change(&line, waiter.request.room, 0);
        }
        drop(line);
        drop(waiter);
    }

    /// Wakes waiters in their order, for as long as `can_be_met` says so of their needs, and no
    /// further than to the first who will see to the rest.
    pub(crate) fn wake_while(&self, can_be_met: impl Fn(u64) -> bool) {
        loop {
            let mut line = lock(&self.line);
            let Some(first) = line.waiters.front_mut() else { return };
            // Woken before, and about to run: it will see to the rest.
            let is_woken = first.waker.is_none();
            if is_woken || !can_be_met(first.request.need) {
                return;
            }
            let waker = first.waker.take();
            let Request { room, forwards, .. } = first.request;
            if !forwards {
                line.waiters.pop_front();
            }
            self.note_change(&line, if forwards { 0 } else { room }, 0);
            drop(line);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// Wakes everybody who is in the line now.
    pub(crate) fn wake_all(&self) {
        let waiters = {
            let mut line = lock(&self.line);
            self.hint.needed.store(0, Ordering::Relaxed);
            self.hint.is_first_asleep.store(false, Ordering::Relaxed);
            // The room stays with the line: those who join again must not allocate.
            let room = line.waiters.capacity();
            std::mem::replace(&mut line.waiters, VecDeque::with_capacity(room))
        };
        waiters.into_iter().filter_map(|waiter| waiter.waker).for_each(Waker::wake);
    }
}
