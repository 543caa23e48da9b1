//! thingbuf. What is in its slots stays there for reuse: messages are copied into them and out of
//! them. That is what it is made for. Passing records by value is shown for events.

use crate::endpoints::*;
use thingbuf::mpsc::blocking;
use thingbuf::recycling::Recycle;

/// Leaves in a slot what was in it: the next message overwrites it.
struct Keep<F>(F);

impl<T, F: Fn() -> T> Recycle<T> for Keep<F> {
    fn new_element(&self) -> T {
        (self.0)()
    }

    fn recycle(&self, _: &mut T) {}
}

pub(crate) fn in_place<T: Record>(
    setup: Setup,
    new: impl Fn() -> T + Send + Sync + 'static,
    fill: impl FnMut(&mut T, &[u8]) + Clone + Send + 'static,
) -> Ends<impl Sender, impl Receiver> {
    let (sender, receiver) = blocking::with_recycle(setup.capacity(), Keep(new));
    let sender = |_| {
        let (sender, mut fill) = (sender.clone(), fill.clone());
        move |message: &[u8]| {
            let Ok(mut slot) = sender.send_ref() else { panic!("the channel is closed") };
            fill(&mut slot, message);
            true
        }
    };
    let receive = move |sink: &mut Sink| {
        sink.accept(receiver.recv_ref().expect("the channel is open").as_ref());
    };
    Ends::new((0..setup.writers).map(sender), [receive])
}

/// Messages of `N` bytes.
pub(crate) fn in_slots<const N: usize>(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    in_place(setup, || [0; N], |slot, message: &[u8]| slot.copy_from_slice(message))
}

// By value.
channel!(blocking::channel, send, recv, T: Default);
