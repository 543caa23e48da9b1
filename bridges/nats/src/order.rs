//! Frames in the order of their numbers, from an engine that delivers each at least once.
//!
//! Frames come out of order when one was delivered and did not arrive: it is delivered again, behind
//! others. Or the outlet published it again, because nobody acknowledged it. So a frame that is missing is
//! waited for, and those behind it are kept meanwhile, unacknowledged; the engine limits how many these
//! can be.
//!
//! A frame that does not come is asked for in the stream (`Order::question`), up to the place that we
//! have seen. If it lies there, it is delivered again. If it was thrown away, it is given up. If it was
//! never stored there, one of two things holds:
//!
//! - The *floor* of a later frame tells that it was stored before that one, or the outlet that could publish
//!   it is no more. Then it is given up, too.
//! - It was refused, or lost on the way to the stream. Then the outlet publishes it again, **and all behind
//!   it**, in order (`outlet/core.rs`). So those that we keep are settled: were they unacknowledged in a
//!   stream that is full, the missing one would never find room. But they stay here. If the outlet is killed
//!   before it publishes them again, they are taken when the next one begins. There are no more of them than
//!   the outlet's window has.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct Order<T> {
    next: u64,
    kept: BTreeMap<u64, T>,
    /// The highest floor of a frame that was seen.
    floor: u64,
    /// All up to this place was seen when nothing was missing last.
    calm: u64,
    /// What was seen since.
    seen: BTreeSet<u64>,
}

/// What became of a frame that is missing: it would lie behind `after`, up to `until`, and is not in `seen`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) after: u64,
    pub(crate) until: u64,
    pub(crate) seen: BTreeSet<u64>,
}

/// The engine's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Something that we have not seen lies there. It is delivered again.
    Held,
    /// Something lay there that we have not seen, and was thrown away.
    Gone,
    /// Nothing that we have not seen was ever there.
    NeverStored,
}

impl<T> Order<T> {
    /// Begins with the frame of this number; nothing behind this place in the stream was seen.
    pub(crate) fn new(next: u64, calm: u64) -> Self {
        Self { next, kept: BTreeMap::new(), floor: 0, calm, seen: BTreeSet::new() }
    }

    /// The number of the frame that comes next.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    /// Takes a frame. Returns what is superfluous: a frame that was here before.
    pub(crate) fn push(&mut self, number: u64, floor: u64, place: u64, frame: T) -> Option<T> {
        self.seen.insert(place);
        self.floor = self.floor.max(floor);
        if number < self.next {
            self.settle();
            return Some(frame);
        }
        // Of two, the newer one is kept: the engine wants that acknowledged.
        self.kept.insert(number, frame)
    }

    /// The next frame in order, if it is there.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let frame = self.kept.remove(&self.next)?;
        self.next += 1;
        self.settle();
        Some(frame)
    }

    fn settle(&mut self) {
        if self.kept.is_empty() {
            self.calm();
        }
    }

    fn calm(&mut self) {
        self.calm = self.seen.last().copied().unwrap_or(0).max(self.calm);
        self.seen.clear();
    }

    /// Whether frames are kept for one that is missing.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.kept.is_empty() && !self.kept.contains_key(&self.next)
    }

    /// What to ask the engine; nothing if no frame is missing. `newer` is the place of a frame of the next
    /// epoch, if one was seen.
    pub(crate) fn question(&self, newer: Option<u64>) -> Option<Question> {
        if !self.is_waiting() {
            return None;
        }
        let mut seen = self.seen.clone();
        seen.extend(newer);
        Some(Question { after: self.calm, until: *seen.last()?, seen })
    }

    /// Goes on by the engine's answer. Tells whether those that are kept come again, and should be settled.
    /// `is_over` if the outlet is no more.
    pub(crate) fn resolve(&mut self, answer: Whereabouts, is_over: bool) -> bool {
        let comes_again = self.floor <= self.next && !is_over;
        match answer {
            Whereabouts::Held => {}
            Whereabouts::NeverStored if comes_again => {
                // All up to here was seen. There is no question until something else is.
                self.calm();
                return true;
            }
            Whereabouts::NeverStored | Whereabouts::Gone => {
                if let Some((&number, _)) = self.kept.first_key_value() {
                    self.next = number;
                }
            }
        }
        false
    }

    /// What is kept.
    pub(crate) fn kept(&mut self) -> impl Iterator<Item = &mut T> {
        self.kept.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(order: &mut Order<char>) -> String {
        std::iter::from_fn(|| order.pop()).collect()
    }

    #[test]
    fn a_frame_that_comes_late_goes_to_its_place() {
        let mut order = Order::new(0, 0);
        assert_eq!(order.push(0, 0, 1, 'a'), None);
        assert_eq!(order.push(2, 0, 2, 'c'), None);
        assert_eq!(taken(&mut order), "a");
        assert!(order.is_waiting());
        assert_eq!(order.push(3, 0, 3, 'd'), None);
        assert_eq!(order.push(1, 0, 4, 'b'), None);
        assert_eq!(taken(&mut order), "bcd");
        assert!(!order.is_waiting());
    }

    #[test]
    fn what_was_here_before_comes_back() {
        let mut order = Order::new(0, 0);
        order.push(0, 0, 1, 'a');
        assert_eq!(taken(&mut order), "a");
        assert_eq!(order.push(0, 0, 1, 'A'), Some('A'));
        order.push(2, 0, 3, 'c');
        assert_eq!(order.push(2, 0, 3, 'C'), Some('c'));
    }

    #[test]
    fn a_frame_that_was_thrown_away_is_given_up() {
        let mut order = Order::new(0, 7);
        order.push(1, 0, 9, 'b');
        order.push(2, 0, 11, 'c');
        let question = Question { after: 7, until: 11, seen: [9, 11].into() };
        assert_eq!(order.question(None), Some(question));
        assert!(!order.resolve(Whereabouts::Held, false));
        assert!(order.is_waiting());
        assert!(!order.resolve(Whereabouts::Gone, false));
        assert_eq!(taken(&mut order), "bc");
        assert_eq!(order.question(None), None);
    }

    #[test]
    fn a_frame_that_was_stored_by_then_and_is_not_there_is_given_up() {
        let mut order = Order::new(0, 0);
        order.push(1, 1, 9, 'b');
        assert!(!order.resolve(Whereabouts::NeverStored, false));
        assert_eq!(taken(&mut order), "b");
    }

    #[test]
    fn what_lies_behind_a_frame_that_was_refused_comes_again_with_it() {
        let mut order = Order::new(0, 0);
        order.push(1, 0, 1, 'b');
        order.push(2, 0, 2, 'c');
        assert!(order.resolve(Whereabouts::NeverStored, false));
        assert!(order.kept().map(|each| *each).eq(['b', 'c']));
        assert_eq!(order.question(None), None);
        assert_eq!(order.push(0, 0, 3, 'A'), None);
        assert_eq!(taken(&mut order), "Abc");
        assert_eq!(order.push(1, 0, 4, 'B'), Some('B'));
    }

    #[test]
    fn what_would_come_again_is_taken_if_the_outlet_goes_before() {
        let mut order = Order::new(0, 0);
        order.push(1, 0, 1, 'b');
        order.push(2, 0, 2, 'c');
        assert!(order.resolve(Whereabouts::NeverStored, false));
        let question = Question { after: 2, until: 5, seen: [5].into() };
        assert_eq!(order.question(Some(5)), Some(question));
        assert!(!order.resolve(Whereabouts::NeverStored, true));
        assert_eq!(taken(&mut order), "bc");
    }

    #[test]
    fn what_an_outlet_left_behind_is_taken_when_the_next_one_begins() {
        let mut order = Order::new(0, 0);
        order.push(1, 0, 2, 'b');
        let question = Question { after: 0, until: 5, seen: [2, 5].into() };
        assert_eq!(order.question(Some(5)), Some(question));
        assert!(!order.resolve(Whereabouts::NeverStored, true));
        assert_eq!(taken(&mut order), "b");
    }

    #[test]
    fn places_are_forgotten_once_nothing_is_missing() {
        let mut order = Order::new(0, 0);
        for number in 0..1000 {
            order.push(number, number, number + 1, 'x');
            assert_eq!(order.pop(), Some('x'));
        }
        assert!(order.seen.is_empty());
        assert_eq!(order.calm, 1000);
    }
}
