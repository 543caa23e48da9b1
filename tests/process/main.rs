//! Child processes. The tests look at them in `/proc`.
#![cfg(target_os = "linux")]

mod child;
mod consuming;
mod dropped;
mod ends;
mod output;
mod places;
mod promises;
mod ready;
mod resources;
mod situations;
mod support;
mod terminal;
