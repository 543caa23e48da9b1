//! A console has no foreground: all that were started in it may read from it.

use std::io;
use std::process::{Command, Stdio};

/// There is nothing to be handed on.
pub(in crate::process) struct Foreground(());

/// Nobody has to ask for it.
pub(in crate::process) type Asks = ();

impl Foreground {
    pub(in crate::process) fn new() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// What this program has as stdin.
    pub(in crate::process) fn stdio(&self) -> io::Result<Stdio> {
        Ok(Stdio::inherit())
    }
}

pub(in crate::process) fn ask(_: &mut Command, _: &mut Option<Asks>, _: bool) {}
