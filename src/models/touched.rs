//! The bytes of a spool's segment as loom sees them: it fails if one is read and written at a time.

use loom::cell::UnsafeCell;
use std::fmt;
use std::ops::Range;

pub(crate) struct Touched(Vec<UnsafeCell<()>>);

impl Touched {
    pub(crate) fn new(bytes: usize) -> Self {
        Self((0..bytes).map(|_| UnsafeCell::new(())).collect())
    }

    pub(crate) fn read(&self, range: Range<usize>) {
        self.0[range].iter().for_each(|byte| byte.with(|_| ()));
    }

    pub(crate) fn write(&self, range: Range<usize>) {
        self.0[range].iter().for_each(|byte| byte.with_mut(|_| ()));
    }
}

impl fmt::Debug for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
