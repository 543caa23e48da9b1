//! What is compared, a case a file.

mod bytes;
mod fan_out;
mod idle;
mod messages;
mod one_thread;
mod records;
mod round_trip;
mod taps;
mod tasks;
mod typed;

// What cases have in common: each begins with `use super::*`.
use crate::drivers::*;
use crate::endpoints::*;
use crate::ours;
use crate::pair::Cores;
use crate::report::{Table, Target, bytes, count};
use crate::sheet::{Group, Sheet};
use ::bytes::Bytes;
use std::sync::Arc;

use crate::Options;
use clap::builder::PossibleValue;

/// All of them, in the order of the results.
pub(crate) const ALL: &[&Case] = &[
    &bytes::CASE,
    &tasks::CASE,
    &records::CASE,
    &messages::CASE,
    &typed::CASE,
    &fan_out::CASE,
    &taps::CASE,
    &one_thread::CASE,
    &round_trip::CASE,
    &idle::CASE,
];

/// A table of the results.
pub(crate) struct Case {
    /// By which it is chosen on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What is measured, and what the goal is.
    pub(crate) about: &'static str,
    run: fn(&mut Sheet<'_>),
}

impl Case {
    pub(crate) fn choice(&self) -> PossibleValue {
        PossibleValue::new(self.name).help(self.title)
    }

    pub(crate) fn run(&'static self, options: &Options) -> Table {
        let mut sheet = Sheet::new(options, self);
        (self.run)(&mut sheet);
        sheet.table
    }
}
