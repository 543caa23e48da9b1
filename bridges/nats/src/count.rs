//! Messages and payload bytes, counted together.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// So many messages, and so many payload bytes in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Count {
    /// How many messages.
    pub messages: u64,
    /// How many payload bytes these have.
    pub bytes: u64,
}

impl Count {
    /// So many of both.
    pub fn new(messages: u64, bytes: u64) -> Self {
        Self { messages, bytes }
    }

    /// Whether it is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<overfall::Missed> for Count {
    fn from(missed: overfall::Missed) -> Self {
        Self::new(missed.messages, missed.bytes)
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        // They come from others, too, who may say anything.
        Self::new(
            self.messages.saturating_add(other.messages),
            self.bytes.saturating_add(other.bytes),
        )
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Count {
    type Output = Self;

    /// What is left; of what is less than nothing, nothing.
    fn sub(self, other: Self) -> Self {
        Self::new(
            self.messages.saturating_sub(other.messages),
            self.bytes.saturating_sub(other.bytes),
        )
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages of {} bytes", self.messages, self.bytes)
    }
}
