//! Child processes: many consumers of one output.

mod driver;
