//! How a writer ends.

use super::Core;
use crate::channel::terms::{Ending, Strength};
use crate::error::{
    ReserveError, SendError, TryReserveError, TrySendError, TryWriteError, WriteError,
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

    /// Whether writes are refused, now and for ever.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.done.is_some() || self.shared.ending() != Ending::Open
    }
}
