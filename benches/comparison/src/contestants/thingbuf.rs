//! thingbuf: messages are copied into its slots and out of them, where they stay for reuse. That is
//! what it is made for, and better than passing records by value.

use super::channels::capacity;
use crate::transport::{Receiver, Sender};
use thingbuf::mpsc::blocking;
use thingbuf::recycling::Recycle;

/// Leaves in a slot what was in it: the next message overwrites it.
#[derive(Debug)]
pub(crate) struct Keep;

impl<const N: usize> Recycle<[u8; N]> for Keep {
    fn new_element(&self) -> [u8; N] {
        [0; N]
    }

    fn recycle(&self, _: &mut [u8; N]) {}
}

type Ends<const N: usize> =
    (Vec<blocking::Sender<[u8; N], Keep>>, blocking::Receiver<[u8; N], Keep>);

pub(crate) fn new<const N: usize>(writers: usize) -> Ends<N> {
    let (sender, receiver) = blocking::with_recycle(capacity(N), Keep);
    ((0..writers).map(|_| sender.clone()).collect(), receiver)
}

impl<const N: usize> Sender for blocking::Sender<[u8; N], Keep> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        let Ok(mut slot) = self.send_ref() else { panic!("the channel is closed") };
        slot.copy_from_slice(message);
        true
    }
}

impl<const N: usize> Receiver for blocking::Receiver<[u8; N], Keep> {
    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let Some(slot) = self.recv_ref() else { panic!("the channel is closed") };
        buffer.copy_from_slice(&*slot);
        true
    }
}
