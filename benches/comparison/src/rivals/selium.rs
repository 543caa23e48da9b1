//! selium-messaging: a ring of bytes with strong endpoints, through tokio's io traits. Its other way to
//! read, frame by frame, makes a vector of each.
//!
//! Its endpoints only wait as tasks do, so it takes part where there are tasks.

use super::io::Tokio;
use crate::endpoints::*;
use selium_messaging::{Backpressure, Channel};
use std::mem;

pub(crate) fn new(setup: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let channel = Channel::with_parameters(RING, Backpressure::Park);
    let readers = (0..setup.readers).map(|_| Tokio(channel.new_strong_reader()));
    let ends = Ends::new([Tokio(channel.new_strong_writer())], readers);
    // Its ends do not keep the channel, so it stays for good.
    mem::forget(channel);
    ends
}
