//! tokio's mpsc, among tasks and with its blocking calls.

use crate::endpoints::*;
use tokio::sync::mpsc::{self, Receiver as Receiving, Sender as Sending};

channel!(mpsc::channel, blocking_send, blocking_recv);
async_channel!(mpsc::channel, Sending.send, Receiving.recv, |setup, receiver| [receiver]);
