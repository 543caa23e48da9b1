//! kanal, in its blocking and in its async form.

use crate::endpoints::*;
use kanal::{AsyncReceiver as Receiving, AsyncSender as Sending};

channel!(kanal::bounded, send, recv);
async_channel!(kanal::bounded_async, Sending.send, Receiving.recv, |setup, receiver| [receiver]);
