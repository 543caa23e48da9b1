//! How a writer ends.

use super::Core;
use crate::channel::terms::{Ending, Strength};
use crate::error::{
    FailError, Failure, ReportMissedError, ReserveError, SendError, TryReserveError, TrySendError,
    TryWriteError, WriteError, WriterPanicked,
};
use crate::wait::panics::Panics;

/// How a writer ended by its own doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    ShutDown,
    Terminated,
}

/// Why a writer cannot have a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Closed,
    Terminated,
}

macro_rules! from_ended {
    ($($error:ident)*) => {$(
        impl From<Ended> for $error {
            #[inline]
            fn from(ended: Ended) -> Self {
                match ended {
                    Ended::Closed => Self::Closed,
                    Ended::Terminated => Self::Terminated,
                }
            }
        }
    )*};
}
from_ended!(TryWriteError WriteError TryReserveError ReserveError TrySendError SendError);
from_ended!(ReportMissedError);

impl Core {
    /// Whether its end was its own doing.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// This writer is done: it stops keeping the channel open.
    #[inline]
    pub(crate) fn shut_down(&mut self) {
        self.finish(Done::ShutDown);
    }

    #[inline]
    pub(crate) fn terminate(&mut self) {
        self.finish(Done::Terminated);
    }

    #[inline]
    pub(super) fn finish(&mut self, done: Done) {
        self.lane.close();
        self.end_record();
        if self.done != Some(Done::Terminated) {
            self.done = Some(done);
        }
        let mut panics = Panics::new();
        panics.run(|| self.abort());
        panics.run(|| self.stop_waiting());
        // It counts as a weak one from here on: nothing waits for it.
        panics.run(|| self.convert(Strength::Weak));
        panics.finish();
    }

    /// Lets the channel fail. What this writer has left in flight is no part of it.
    pub(crate) fn fail(&mut self, failure: Failure) -> Result<(), FailError> {
        self.end_record();
        // First, as code of others runs in both. What is left in flight is given up later in any case.
        let failed = self.shared.fail(failure);
        self.abort();
        failed
    }

    /// Lets the channel fail if this writer is dropped by a panic: what it was to write next may never
    /// come. A weak one keeps nothing open, nor does one that is done, and so nothing is expected of
    /// them. One that was made while the thread panicked already, for a line of a log in a destructor, is
    /// not what the panic interrupted.
    pub(super) fn fail_if_panicking(&self) {
        let is_expected = self.strength == Some(Strength::Strong) && self.shared.fails_on_panic;
        if is_expected && !self.was_panicking && std::thread::panicking() {
            let name = self.shared.writer_name(self.id);
            // If the channel has ended before, nothing was expected any more.
            let _unless_ended = self.shared.fail(Failure::new(WriterPanicked::new(self.id, name)));
        }
    }

    /// Whether writes are refused, now and for ever.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.done.is_some() || self.shared.ending() != Ending::Open
    }
}
