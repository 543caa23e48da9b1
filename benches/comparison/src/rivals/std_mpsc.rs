//! The mpsc channel of the standard library.

use crate::endpoints::*;

channel!(std::sync::mpsc::sync_channel, send, recv);
