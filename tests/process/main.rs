//! Child processes.
#![cfg(unix)]
