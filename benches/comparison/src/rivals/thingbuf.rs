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

pub(crate) fn in_place<M: Message + ?Sized, T: AsRef<[u8]> + Send + Sync + 'static>(
    setup: Setup,
    new: impl Fn() -> T + Send + Sync + 'static,
    fill: impl Fn(&mut T, &M) + Copy + Send + 'static,
) -> Ends<impl Sender<M>, impl Receiver<M>> {
    let (sender, receiver) = blocking::with_recycle(setup.capacity(), Keep(new));
    let sender = |_| {
        let sender = sender.clone();
        move |message: &M| {
            let Ok(mut slot) = sender.send_ref() else { panic!("the channel is closed") };
            fill(&mut slot, message);
            true
        }
    };
    let receive = move |sink: &mut Sink<M>| {
        sink.accept(receiver.recv_ref().expect("the channel is open").as_ref());
    };
    Ends::new((0..setup.writers).map(sender).collect(), vec![receive])
}

/// Messages of `N` bytes, in place.
pub(crate) fn new<const N: usize>(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    in_place(setup, || [0; N], |slot, message: &[u8]| slot.copy_from_slice(message))
}

pub(crate) fn by_value<M: Message + ?Sized, T: Record<M> + Default>(
    setup: Setup,
) -> Ends<impl Sender<M>, impl Receiver<M>> {
    let (sender, receiver) = blocking::channel(setup.capacity());
    records(
        (0..setup.writers).map(|_| sender.clone()).collect(),
        vec![receiver],
        |sender, record: T| sender.send(record).is_ok(),
        |receiver| receiver.recv(),
    )
}
