//! What a thread does before it sleeps.

use super::Until;
use std::hint::spin_loop;
use std::ops::Range;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// Whether a thread spins before it sleeps.
///
/// Spinning helps if the other side runs on another core and is about to be done: then a message
/// costs a fraction of a microsecond, and not a sleep and a wake. On the same core it only keeps
/// the other side waiting. So a thread spins as long as spinning has been of use now and then.
///
/// If there are more threads than cores, the threads that it waits for may have no core. It yields
/// to them some times, which is far cheaper than a sleep and a wake, and lets them fill or empty
/// the ring in one go. But on a core that other threads keep busy, a yield gives a whole time slice
/// away. So the thread looks at the clock, and once yields have taken too long ([`Spin::COSTLY`]),
/// it does without them for a long time; unless the time went to other writers of the ring
/// ([`Spin::forgive`]). It yields if it waits for room, or in a stream. It does not if it may wait for a
/// short while only.
///
/// A writer in the line may have to leave the room that is there to writers before it, which were woken
/// and have not run yet. Then it is woken at once, to ask again (`wait/line.rs`). It gives its core away
/// first, to them or to the reader: without that, eight writers on two cores spent most of their time
/// asking, and were three times slower.
///
/// Two sides that run at the same time are fastest if neither looks at what the other is about to
/// change: each poll takes a cache line away from the other side. So where messages come in a
/// *stream*, a reader yields before it looks again, or, where it does not yield, looks later and later,
/// and finds several. What came before this wait tells a stream from an *answer*: in a stream, there was
/// something to do at once after the last wait.
///
/// But a reader that is right behind a writer finds one message after the other, each as soon as it is
/// there, as if all were answers, and holds that writer up: four writers on two cores took three times as
/// long. So after many answers in a row it looks later once, to find out: if they are a stream, there is
/// more than one by then.
pub(super) struct Spin {
    /// How many waits in a row went on after the spin, or would have.
    misses: u32,
    /// How many waits still go without yielding, because it was costly.
    pub(super) without: u32,
    /// It waits for room, which comes in turns.
    pub(super) is_for_room: bool,
    /// The step that a spin begins with.
    first: u32,
    /// Whether there was something to do at once since the last wait.
    was_at_once: bool,
    /// How many answers are still to come until it finds out, of how many.
    answers: (u32, u32),
}

impl Default for Spin {
    fn default() -> Self {
        Self {
            misses: 0,
            without: 0,
            is_for_room: false,
            first: 0,
            was_at_once: false,
            answers: (Self::ANSWERS.start, Self::ANSWERS.start),
        }
    }
}

impl Spin {
    /// How often it tries again, with twice as many pauses each time. In all that takes a few
    /// microseconds, about as long as to sleep and be woken.
    const STEPS: u32 = 9;
    /// The same, if it yields afterwards.
    const STEPS_BEFORE_YIELDS: u32 = 7;
    /// After so many misses spinning is of no use.
    const THRESHOLD: u32 = 16;
    /// Then so many waits in a row of each period find out whether it is of use again. They are in
    /// a row because two threads that answer each other have to spin at the same time.
    const PROBES: u32 = 2;
    pub(super) const PERIOD: u32 = 1024;
    /// How often it yields: for something to read, and for room, which many writers may be after.
    const YIELDS: u32 = 12;
    const YIELDS_FOR_ROOM: u32 = 64;
    /// Threads that take turns with this one give the core back in less than that.
    /// Threads that have other work use up a time slice each.
    const COSTLY: Duration = Duration::from_millis(1);
    /// It yields if it may wait for longer than this.
    pub(super) const LONG: Duration = Duration::from_millis(100);
    /// After how many answers it finds out whether they are a stream, at first, and at last, when they never were.
    const ANSWERS: Range<u32> = 64..4096;
    /// It finds out by a spin that begins with this step, a microsecond or two.
    const FINDS_OUT: u32 = 6;

    /// There was something to do at once.
    #[inline]
    pub(super) fn record_at_once(&mut self) {
        self.was_at_once = true;
    }

    /// What took long was not lost to threads that have other work.
    pub(super) fn forgive(&mut self) {
        self.without = 0;
    }

    /// Tries for a short while, if that is of use.
    #[inline]
    pub(super) fn spin<T>(
        &mut self,
        until: Until,
        mut attempt: impl FnMut() -> Poll<T>,
    ) -> Poll<T> {
        let is_stream = std::mem::take(&mut self.was_at_once);
        if is_stream {
            self.first = (self.first + 1).min(Self::STEPS - 1);
            self.answers = (Self::ANSWERS.start, Self::ANSWERS.start);
        } else {
            self.first = self.first.saturating_sub(2);
        }
        let is_long = until.left().is_none_or(|left| left > Self::LONG);
        let yields = (is_stream || self.is_for_room) && is_long && self.without == 0;
        self.without = self.without.saturating_sub(1);
        if yields {
            return self.yield_to_others(attempt);
        }
        let finds_out = !is_stream && !self.is_for_room && self.finds_out();
        let first = if finds_out { Self::FINDS_OUT } else { self.first };
        if self.misses < Self::THRESHOLD || self.misses % Self::PERIOD < Self::PROBES {
            for step in first..Self::STEPS {
                for _ in 0..1 << step {
                    spin_loop();
                }
                let value = attempt();
                if value.is_ready() {
                    self.misses = 0;
                    return value;
                }
            }
        }
        self.misses = self.misses.wrapping_add(1);
        Poll::Pending
    }

    /// The same with yields, in a stream right from the start.
    #[inline(never)]
    fn yield_to_others<T>(&mut self, mut attempt: impl FnMut() -> Poll<T>) -> Poll<T> {
        let steps = if self.is_for_room { Self::STEPS_BEFORE_YIELDS } else { 0 };
        for step in 0..steps {
            (0..1 << step).for_each(|_| spin_loop());
            let value = attempt();
            if value.is_ready() {
                self.misses = 0;
                return value;
            }
        }
        let value = self.take_turns(attempt);
        self.misses = if value.is_ready() { 0 } else { self.misses.wrapping_add(1) };
        value
    }

    /// Whether this is the answer that finds out whether all are a stream. If they are, the next wait is one in a
    /// stream.
    #[inline]
    fn finds_out(&mut self) -> bool {
        let (left, of) = self.answers;
        if left > 0 {
            self.answers.0 = left - 1;
            return false;
        }
        let of = (2 * of).min(Self::ANSWERS.end);
        self.answers = (of, of);
        true
    }

    /// Lets other threads run a few times.
    fn take_turns<T>(&mut self, mut attempt: impl FnMut() -> Poll<T>) -> Poll<T> {
        let mut turns = Turns::default();
        let yields = if self.is_for_room { Self::YIELDS_FOR_ROOM } else { Self::YIELDS };
        for _ in 0..yields {
            let is_costly = !turns.give();
            if is_costly {
                self.without = Self::PERIOD;
            }
            let value = attempt();
            if value.is_ready() || is_costly {
                return value;
            }
        }
        Poll::Pending
    }
}

/// Turns that a thread gives to other threads, until one is [costly](Spin::COSTLY).
#[derive(Default)]
pub(super) struct Turns {
    was_costly: bool,
}

impl Turns {
    /// Tells whether another turn may be given. What comes between two of them, as a sleep, is no part of either.
    pub(super) fn give(&mut self) -> bool {
        if !self.was_costly {
            let started = Instant::now();
            thread::yield_now();
            self.record(started.elapsed());
        }
        !self.was_costly
    }

    fn record(&mut self, turn: Duration) {
        self.was_costly = turn > Spin::COSTLY;
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_costly_turn_is_the_last() {
        let mut turns = Turns::default();
        turns.record(Spin::COSTLY);
        assert!(!turns.was_costly);
        turns.record(2 * Spin::COSTLY);
        assert!(!turns.give());
        assert!(!turns.give());
    }

    /// How many looks a spin takes that finds nothing.
    fn polls_of_a_spin(spin: &mut Spin) -> u32 {
        let mut looks = 0;
        let _nothing = spin.spin(Until::timeout(Duration::from_millis(10)), || {
            looks += 1;
            Poll::<()>::Pending
        });
        looks
    }

    #[test]
    fn a_spin_that_is_of_no_use_is_left_out_but_now_and_then() {
        let mut spin = Spin::default();
        let waits = 10 * Spin::PERIOD;
        let spun = (0..waits).filter(|_| polls_of_a_spin(&mut spin) > 0).count() as u32;
        assert_eq!(spun, Spin::THRESHOLD + 9 * Spin::PROBES);
        // It finds out that it is of use.
        while spin.spin(Until::Now, || Poll::Ready(())).is_pending() {}
        assert_eq!(polls_of_a_spin(&mut spin), Spin::STEPS);
    }

    #[test]
    fn in_a_stream_the_first_look_comes_later_and_an_answer_is_looked_for_at_once() {
        let mut spin = Spin::default();
        for first in [1, 2, 3, 4, 5, 6, 7, 8, 8, 8] {
            spin.record_at_once();
            assert_eq!(polls_of_a_spin(&mut spin), Spin::STEPS - first);
        }
        for first in [6, 4, 2, 0, 0] {
            assert_eq!(polls_of_a_spin(&mut spin), Spin::STEPS - first);
        }
    }

    #[test]
    fn in_a_stream_a_reader_that_may_wait_long_yields_before_it_looks() {
        let mut spin = Spin::default();
        let mut looks = 0;
        spin.record_at_once();
        let _nothing = spin.spin(Until::Forever, || {
            looks += 1;
            Poll::<()>::Pending
        });
        // It may have been costly, on a machine that has other work.
        assert!(looks == Spin::YIELDS || spin.without == Spin::PERIOD, "{looks} looks");
    }

    #[test]
    fn after_many_answers_a_reader_looks_later_once_and_then_more_seldom_unless_they_were_a_stream()
    {
        let mut spin = Spin::default();
        let looks_later = |spin: &mut Spin| {
            spin.misses = 0;
            polls_of_a_spin(spin) == Spin::STEPS - Spin::FINDS_OUT
        };
        let answers = |spin: &mut Spin| (0..9999).take_while(|_| !looks_later(spin)).count();
        for after in [64, 128, 256, 512, 1024, 2048, 4096, 4096] {
            assert_eq!(answers(&mut spin), after);
        }
        spin.record_at_once();
        polls_of_a_spin(&mut spin);
        assert_eq!(answers(&mut spin), 64);
    }
}
