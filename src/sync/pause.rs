//! Where a test can stop a thread in the middle of an operation, and let other threads go on
//! meanwhile.
//!
//! An operation passes a [`point`] between its accesses to what others change, wherever somebody may
//! come in between that matters to the ring or to the endpoints. In the unit tests of this crate `at` does
//! some work at the nth of them, and `each` at each, as if the thread had been stopped there for as long as
//! that takes. With `--cfg overfall_pauses` a thread stops at any of them by chance, now and then. So a
//! machine with few processors meets interleavings that otherwise take many processors (`ci/pauses`).
//! Everywhere else a point does nothing.

#[cfg(not(any(overfall_pauses, all(test, not(overfall_loom)))))]
#[inline(always)]
pub(crate) fn point() {}

#[cfg(all(overfall_pauses, not(test)))]
pub(crate) use chance::point;

#[cfg(all(overfall_pauses, not(test)))]
mod chance {
    use std::cell::Cell;
    use std::hash::{BuildHasher, RandomState};
    use std::hint::spin_loop;
    use std::thread::yield_now;

    thread_local! {
        static NUMBER: Cell<u64> = Cell::new(RandomState::new().hash_one(()) | 1);
    }

    pub(crate) fn point() {
        // A thread that ends has no number left.
        let next = NUMBER.try_with(|number| {
            let mut next = number.get();
            next ^= next << 13;
            next ^= next >> 7;
            next ^= next << 17;
            number.set(next);
            next
        });
        match next.map(|next| (next % 16, next >> 32)) {
            Ok((0..3, _)) => yield_now(),
            Ok((3..6, next)) => (0..next % 256).for_each(|_| spin_loop()),
            _ => {}
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
pub(crate) use stops::{at, each, point};

#[cfg(all(test, not(overfall_loom)))]
mod stops {
    use std::cell::RefCell;

    type Work = Box<dyn FnOnce()>;

    thread_local! {
        /// How many points to pass, and what to do then.
        static STOP: RefCell<Option<(usize, Work)>> = const { RefCell::new(None) };
        /// What to do at each point.
        static EACH: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
    }

    pub(crate) fn point() {
        if let Some(mut work) = EACH.take() {
            work();
            EACH.set(Some(work));
        }
        let work = STOP.with_borrow_mut(|stop| match stop {
            Some((0, _)) => stop.take().map(|(_, work)| work),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        });
        if let Some(work) = work {
            work();
        }
    }

    /// Does `operation`, with `work` at each of its points, but not at those of `work` itself.
    pub(crate) fn each<T>(work: impl FnMut() + 'static, operation: impl FnOnce() -> T) -> T {
        EACH.set(Some(Box::new(work)));
        let result = operation();
        EACH.take();
        result
    }

    /// Does `operation`, with `work` at its nth point. Tells whether it has so many.
    pub(crate) fn at<T>(
        nth: usize,
        work: impl FnOnce() + 'static,
        operation: impl FnOnce() -> T,
    ) -> (T, bool) {
        STOP.set(Some((nth, Box::new(work))));
        let result = operation();
        (result, STOP.take().is_none())
    }
}
