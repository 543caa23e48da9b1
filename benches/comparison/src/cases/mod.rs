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
use crate::report::{bytes, count};
use crate::sheet::{Group, Sheet};
use ::bytes::Bytes;

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
    /// The lengths of its messages, and what compares contestants with them.
    runs: &'static [(usize, fn(&mut Sheet<'_>, usize))],
}

impl Case {
    pub(crate) fn choice(&self) -> PossibleValue {
        PossibleValue::new(self.name).help(self.title)
    }

    pub(crate) fn run<'a>(&'static self, options: &'a Options) -> Sheet<'a> {
        let mut sheet = Sheet::new(options, self);
        for (size, run) in self.runs {
            if options.size.is_none_or(|only| only == *size) {
                run(&mut sheet, *size);
            }
        }
        sheet
    }
}
