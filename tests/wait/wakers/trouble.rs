//! Wakers that panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// When a waker panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    Wake,
    Clone,
    Drop,
}

/// Panics at its moment, once it is armed.
pub(crate) struct Trouble {
    at: Moment,
    number: usize,
    is_armed: AtomicBool,
    woken: AtomicUsize,
    /// What is done when it is cloned next.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// What such a panic carries.
struct Number(usize);

/// From this number on, what a panic carries panics when it is dropped, unless it has been looked at.
pub(crate) const EXPLOSIVE: usize = 1000;

impl Drop for Number {
    fn drop(&mut self) {
        if self.0 >= EXPLOSIVE {
            panic_with(self.0);
        }
    }
}

/// Without a word: there are thousands of these.
pub(crate) fn panic_with(number: usize) -> ! {
    resume_unwind(Box::new(Number(number)))
}

pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(work))
}

/// The number of the waker that a panic came from; a panic of a test's own goes on.
#[track_caller]
pub(crate) fn panic_of(panic: Box<dyn Any + Send>) -> Option<usize> {
    match panic.downcast::<Number>() {
        Ok(mut number) => Some(std::mem::take(&mut number.0)),
        Err(panic) if panic.is::<Outer>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// What a panic carries that is under way already.
pub(crate) struct Outer;

impl Trouble {
    pub(crate) fn new(at: Moment, number: usize) -> Arc<Self> {
        let (is_armed, woken) = (AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { at, number, is_armed, woken, meanwhile: Mutex::new(None) })
    }

    /// Does `work` when it is cloned next, which is when it is about to be registered.
    pub(crate) fn when_cloned(&self, work: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(work));
    }

    pub(crate) fn arm(&self) {
        self.is_armed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn disarm(&self) {
        self.is_armed.store(false, Ordering::SeqCst);
    }

    pub(crate) fn woken(&self) -> usize {
        self.woken.load(Ordering::SeqCst)
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(self.clone()).cast();
        // SAFETY: the functions of the table keep the contract of `RawWaker`: each waker owns one
        // count of the `Arc` that `data` came from, and `Trouble` is Send and Sync.
        unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) }
    }

    fn moment(&self, now: Moment) {
        if self.at == now && self.is_armed.load(Ordering::SeqCst) {
            panic_with(self.number);
        }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned owns a count for as long as this runs.
    let trouble = unsafe { &*data.cast::<Trouble>() };
    let work = trouble.meanwhile.lock().unwrap().take();
    work.into_iter().for_each(|work| work());
    trouble.moment(Moment::Clone);
    // SAFETY: as above; the new waker gets a count of its own.
    unsafe { Arc::increment_strong_count(data.cast::<Trouble>()) };
    RawWaker::new(data, &TABLE)
}

fn wake(data: *const ()) {
    // SAFETY: the waker is used up, and gives its count back.
    let trouble = unsafe { Arc::from_raw(data.cast::<Trouble>()) };
    trouble.woken.fetch_add(1, Ordering::SeqCst);
    trouble.moment(Moment::Wake);
}

fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker owns a count for as long as this runs.
    let trouble = unsafe { &*data.cast::<Trouble>() };
    trouble.woken.fetch_add(1, Ordering::SeqCst);
    trouble.moment(Moment::Wake);
}

fn release(data: *const ()) {
    // SAFETY: the waker is gone, and gives its count back.
    let trouble = unsafe { Arc::from_raw(data.cast::<Trouble>()) };
    trouble.moment(Moment::Drop);
}
