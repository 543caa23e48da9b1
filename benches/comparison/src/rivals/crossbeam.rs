//! crossbeam-channel.

use crate::endpoints::*;

channel!(crossbeam_channel::bounded, send, recv);
