//! Foreign code, above all wakers, which may panic while a thread runs it for another thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Runs several pieces of code that may panic, one after the other, and lets the first panic go on
/// when all have run.
///
/// In between, the caller's own state must be as it would be without a panic: nothing unwinds
/// before [`finish`](Self::finish), which stands last.
#[derive(Debug, Default)]
#[must_use = "a panic that was caught goes on only when it is finished"]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Runs `foreign`; `None` if it panicked.
    pub(crate) fn run<T>(&mut self, foreign: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(foreign)) {
            Ok(value) => Some(value),
            Err(panic) => {
                match self.0 {
                    None => self.0 = Some(panic),
                    Some(_) => drop_payload(panic),
                }
                None
            }
        }
    }

    /// Whether nothing has panicked so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Lets the first panic go on, unless the thread panics already: that one goes on then.
    pub(crate) fn finish(self) {
        match self.0 {
            None => {}
            Some(panic) if std::thread::panicking() => drop_payload(panic),
            Some(panic) => resume_unwind(panic),
        }
    }
}

/// Drops a waker, if there is one. A panic of it goes on, unless the thread panics already.
pub(crate) fn drop_waker(waker: Option<Waker>) {
    if waker.is_some() {
        let mut panics = Panics::new();
        panics.run(|| drop(waker));
        panics.finish();
    }
}

/// Drops the payload of a panic. That drop may panic as well; the payload of this second panic is
/// leaked, since otherwise there might be no end to it.
#[cold]
fn drop_payload(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(another);
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use std::panic::panic_any;

    /// Panics with another of its kind when it is dropped.
    struct Endless;

    impl Drop for Endless {
        fn drop(&mut self) {
            panic_any(Endless);
        }
    }

    #[test]
    fn all_are_run_and_the_first_panic_goes_on() {
        let mut ran = Vec::new();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut panics = Panics::new();
            assert_eq!(panics.run(|| ran.push(0)), Some(()));
            assert_eq!(panics.run(|| panic_any("first")), None::<()>);
            assert_eq!(panics.run(|| panic_any(Endless)), None::<()>);
            assert_eq!(panics.run(|| ran.push(1)), Some(()));
            panics.finish();
        }));
        assert_eq!(result.unwrap_err().downcast_ref(), Some(&"first"));
        assert_eq!(ran, [0, 1]);
    }

    #[test]
    fn a_thread_that_panics_already_goes_on_with_that() {
        struct InADrop(fn());
        impl Drop for InADrop {
            fn drop(&mut self) {
                let mut panics = Panics::new();
                panics.run(self.0);
                panics.finish();
            }
        }
        for foreign in [(|| panic_any("second")) as fn(), || panic_any(Endless)] {
            let result = catch_unwind(|| {
                let _in_a_drop = InADrop(foreign);
                panic_any("first");
            });
            assert_eq!(result.unwrap_err().downcast_ref(), Some(&"first"));
        }
    }
}
