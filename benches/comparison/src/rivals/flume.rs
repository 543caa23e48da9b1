//! flume.

use crate::endpoints::*;

channel!(flume::bounded, send, recv);
