//! Child processes.
#![cfg(unix)]

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod dropped;
#[cfg(target_os = "linux")]
mod ends;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod support;
