//! The event of a child that is dropped. The rules of `channel/trace.rs` hold for it: it comes last, never
//! from within another event, and a subscriber's panic does not meet another panic.

#[cfg(feature = "tracing")]
pub(super) fn killed(name: &str, id: u32, gently: bool) {
    use crate::wait::inside::Inside;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let Some(_inside) = Inside::enter() else { return };
    let event = || {
        let what = if gently { "dropped child is shut down" } else { "dropped child is killed" };
        tracing::warn!(
            target: "overfall", child = name, id, what,
            "a child was dropped that had not been waited for: wait for it, end it, or detach it"
        );
    };
    // No panic leaves a destructor.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(event)) {
        // What it carries may panic when it is dropped.
        std::mem::forget(panic);
    }
}

#[cfg(not(feature = "tracing"))]
pub(super) fn killed(_: &str, _: u32, _: bool) {}
