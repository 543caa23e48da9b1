//! Lines of text out of any reader.

mod bytes;
mod cutting;
mod gaps;
mod unfinished;
mod ways;
mod writers;
