//! Child processes.
#![cfg(unix)]

#[cfg(target_os = "linux")]
mod child;
mod consuming;
mod dropped;
mod ends;
mod output;
mod places;
mod ready;
mod support;
#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
