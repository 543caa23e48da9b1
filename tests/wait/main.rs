//! Waiting: who is woken, in which order, and what is left when a wait is given up.

mod cancelling;
mod line;
mod reentrant;
