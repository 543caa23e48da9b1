//! Child processes: many consumers of one output.

#[cfg_attr(not(test), allow(dead_code, reason = "until children use it"))]
mod drain;
#[cfg_attr(not(test), allow(dead_code, reason = "until children use it"))]
mod driver;
#[cfg_attr(not(test), allow(dead_code, reason = "until children use it"))]
mod output;

pub use output::{Output, Ring};
