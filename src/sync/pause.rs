//! Where a test can stop a thread in the middle of an operation, and let others go on meanwhile.
//!
//! An operation passes a [`point`] between any two of its accesses to what others change. In the tests
//! of this crate `at` does some work at the nth of them, as if the thread had been stopped there for
//! as long as that takes; everywhere else a point is nothing.

#[cfg(not(all(test, not(overfall_loom))))]
#[inline(always)]
pub(crate) fn point() {}

#[cfg(all(test, not(overfall_loom)))]
pub(crate) use stops::{at, point};

#[cfg(all(test, not(overfall_loom)))]
mod stops {
    use std::cell::RefCell;

    type Work = Box<dyn FnOnce()>;

    thread_local! {
        /// How many points to pass, and what to do then.
        static STOP: RefCell<Option<(usize, Work)>> = const { RefCell::new(None) };
    }

    pub(crate) fn point() {
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
