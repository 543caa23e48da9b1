//! Waiting: for slices to read ([`parking`]) and for room to write ([`mod@line`]).
//!
//! Both sides go through the same four steps. Who waits (1) leaves its waker where it will be
//! found, (2) issues `fence(SeqCst)`, (3) checks once more what it waits for, and only then (4)
//! goes to sleep. Who changes anything that somebody may wait for (1) changes it, (2) issues
//! `fence(SeqCst)`, (3) looks whether anybody waits, and (4) wakes them. Of the two fences one
//! comes first in the single order of all such fences, and the thread whose fence is second sees
//! what the other did before: either the sleeper sees the change, or the other one sees the sleeper.
//! Acquire and Release alone would let both look past each other.
//!
//! The second step of who changes something is left out while nobody has slept for long ([`watch`]):
//! then the price is one load of a line that nobody writes.
//!
//! A waker is code of others. It is cloned, woken and dropped under no lock of ours, and where the
//! caller's own state, and that of the channel, is in order: it may come back to us, and it may panic.
//! Where several are woken, each is, and then the first panic goes on ([`panics`]).
//!
//! A waker is the same thing for a task and for a thread (`io/blocking/park.rs` makes one that unparks),
//! so that all of this exists once.

pub(crate) mod budget;
pub(crate) mod inside;
pub(crate) mod line;
pub(crate) mod owed;
pub(crate) mod panics;
pub(crate) mod parking;
pub(crate) mod reader_figures;
pub(crate) mod until;
pub(crate) mod watch;
