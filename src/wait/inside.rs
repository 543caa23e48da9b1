//! Whether this thread is inside of an event of ours (`channel/trace.rs`). There it never waits: a
//! subscriber that handles an event may need the room that its own thread is about to give back.

#[cfg(feature = "tracing")]
mod flag {
    use std::cell::Cell;

    thread_local! {
        /// It has no destructor, so destructors of other thread-locals can use it as well.
        static INSIDE: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether a subscriber on this thread has one of our events in hand.
    pub(crate) fn is_inside() -> bool {
        INSIDE.try_with(Cell::get).unwrap_or(false)
    }

    /// It ends when the subscriber is done, or panics.
    pub(crate) struct Inside;

    impl Inside {
        /// `None` if an event is in hand already.
        pub(crate) fn enter() -> Option<Self> {
            let was_inside = INSIDE.try_with(|inside| inside.replace(true)).unwrap_or(true);
            // With `then_some` an `Inside` would be made and dropped, which would end the outer
            // one.
            if was_inside { None } else { Some(Self) }
        }
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            let _there_since_we_entered = INSIDE.try_with(|inside| inside.set(false));
        }
    }
}

#[cfg(feature = "tracing")]
pub(crate) use flag::{Inside, is_inside};

/// Whether a subscriber on this thread has one of our events in hand.
#[cfg(not(feature = "tracing"))]
#[inline(always)]
pub(crate) fn is_inside() -> bool {
    false
}
