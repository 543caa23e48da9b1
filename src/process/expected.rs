//! How much a pipe has, where it need not be asked.
//!
//! To ask takes the lock of the pipe, as the read behind it does. Where a child writes at full speed and we read right
//! behind it, both wait for each other there, and the question costs a seventh of the time of both. So the answer is
//! guessed from the one before. What is reserved in the ring and not filled is lost to its history: there is a budget
//! for that, and no guess beyond it.

use std::mem;

/// Less is asked for: many small reads are worse than the question.
const LEAST: u64 = 4 << 10;
/// More is asked for: beside such a read the question costs little.
const MOST: u64 = 16 << 10;
/// Of what is read, and of the ring, this part may be lost.
const PART: u64 = 64;
/// How many guesses follow an answer: there may be more by now.
const GUESSES: u32 = 7;

#[derive(Debug)]
pub(super) struct Expected {
    /// The last answer.
    there: u64,
    guesses: u32,
    is_guess: bool,
    /// How many bytes may be lost, and how many these are at most.
    budget: u64,
    limit: u64,
}

impl Expected {
    pub(super) fn new(capacity: usize) -> Self {
        Self { there: 0, guesses: 0, is_guess: false, budget: 0, limit: capacity as u64 / PART }
    }

    /// What is probably there, if something is.
    pub(super) fn guess(&mut self) -> Option<u64> {
        let may = (LEAST..=MOST.min(self.budget)).contains(&self.there) && self.guesses < GUESSES;
        self.guesses += u32::from(may);
        self.is_guess = may;
        may.then_some(self.there)
    }

    /// It was asked, and had so much.
    pub(super) fn asked(&mut self, there: u64) {
        (self.there, self.guesses, self.is_guess) = (there, 0, false);
    }

    /// There is no room for what is expected. If that is a guess, it is to be asked: there may be room for what
    /// is there.
    pub(super) fn must_ask(&mut self) -> bool {
        self.there = 0;
        mem::take(&mut self.is_guess)
    }

    /// So much was read of what was reserved. If that was too much, it is to be asked.
    pub(super) fn has_read(&mut self, read: usize, reserved: usize) {
        let lost = reserved.saturating_sub(read) as u64;
        if lost > 0 {
            self.there = 0;
        }
        self.budget = (self.budget + read as u64 / PART).min(self.limit).saturating_sub(lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads, and guesses how much there is whenever it may. There is as much as `there` says.
    fn lost(capacity: usize, reads: u32, there: impl Fn(u32) -> usize) -> (u32, usize, usize) {
        let mut expected = Expected::new(capacity);
        let (mut guesses, mut total, mut lost) = (0, 0, 0);
        for number in 0..reads {
            let there = there(number);
            let guess = expected.guess();
            let reserved = guess.map_or(there, |guess| guess as usize);
            match guess {
                Some(_) => guesses += 1,
                None => expected.asked(there as u64),
            }
            let read = there.min(reserved);
            expected.has_read(read, reserved);
            (total, lost) = (total + read, lost + reserved - read);
        }
        (guesses, total, lost)
    }

    #[test]
    fn a_child_that_always_writes_as_much_is_asked_now_and_then() {
        let (guesses, total, lost) = lost(1 << 20, 1000, |_| 8192);
        assert!(guesses > 800 && guesses < 875, "{guesses}");
        assert_eq!((total, lost), (1000 * 8192, 0));
    }

    #[test]
    fn where_a_guess_finds_no_room_it_is_asked_once() {
        let mut expected = Expected::new(1 << 20);
        expected.has_read(1 << 20, 1 << 20);
        expected.asked(8192);
        assert!(!expected.must_ask(), "that was no guess");
        expected.asked(8192);
        assert_eq!(expected.guess(), Some(8192));
        assert!(expected.must_ask());
        assert_eq!(expected.guess(), None);
        assert!(!expected.must_ask());
    }

    #[test]
    fn little_and_much_is_always_asked_for() {
        for there in [1, 60, 4095, (16 << 10) + 1, 256 << 10] {
            assert_eq!(lost(16 << 20, 10_000, |_| there).0, 0, "{there}");
        }
        // A guess would be too much for a small ring.
        assert_eq!(lost(64 << 10, 10_000, |_| 8192).0, 0);
    }

    #[test]
    fn bad_guesses_lose_a_small_part() {
        for every in 2..40 {
            let there = |number| if number % every == 0 { 60 } else { 8192 };
            let (guesses, total, lost) = lost(1 << 20, 10_000, there);
            assert!(guesses > 0 && lost > 0, "{every}");
            assert!(lost <= total / PART as usize, "{lost} of {total}, every {every}");
        }
    }
}
