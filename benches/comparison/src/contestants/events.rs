//! Channels of events: ours, which serialize into the ring and lend what lies there, and the channels
//! of records, through which go the bytes that rkyv makes of an event. Their readers validate these and
//! look at them where they are, as ours do.
//!
//! Each event becomes a vector of its own, aligned as rkyv needs it. nexus-logbuf copies it into its
//! ring. There and with thingbuf one can do without: a sender of the former may keep one vector for
//! all events, and the slots of the latter may keep theirs. That is shown, too.

use crate::eventing::{Receiving, Sending, Tapping};
use crate::events::{Event, Look, access};
use crate::rounds::RING;
use bytes::Bytes;
use overfall::typed::{Channel, TryRecvError};
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use thingbuf::recycling::Recycle;
use tokio::sync::broadcast;

/// As many events as fit the ring.
fn capacity() -> usize {
    RING / Event::size()
}

fn serialized(event: &Event) -> AlignedVec {
    rkyv::to_bytes::<Error>(event).expect("it can be serialized")
}

fn serialize_into(event: &Event, buffer: &mut AlignedVec) {
    buffer.clear();
    to_bytes_in::<_, Error>(event, buffer).expect("it can be serialized");
}

/// Ours, on threads that park while they wait.
pub(crate) fn ours(writers: usize) -> (Vec<impl Sending>, impl Receiving) {
    let channel = Channel::<Event>::new(RING);
    let sender = |_| {
        let mut writer = channel.new_strong_writer().blocking();
        move |event: &Event| writer.send(event).expect("an event is sent")
    };
    let senders = (0..writers).map(sender).collect();
    let mut reader = channel.new_strong_reader().blocking();
    let receive = move |look: &mut Look| {
        let event = reader.recv().expect("an event").expect("it is not the end");
        look.see(&event);
    };
    (senders, receive)
}

/// Ours, with readers that may be overrun.
pub(crate) fn ours_weak(readers: usize) -> (impl Sending, Vec<impl Tapping>) {
    let channel = Channel::<Event>::new(RING);
    let mut writer = channel.new_strong_writer();
    let tap = |_| {
        let mut reader = channel.new_weak_reader();
        move |look: &mut Look| match reader.try_recv() {
            Ok(event) => {
                look.see(&event.expect("it is not the end"));
                true
            }
            Err(TryRecvError::Empty) => false,
            Err(error) => panic!("ours: {error}"),
        }
    };
    let taps = (0..readers).map(tap).collect();
    // The handle keeps the channel open.
    let send = move |event: &Event| {
        let _ = &channel;
        writer.try_send(event).expect("nobody is waited for");
    };
    (send, taps)
}

/// A channel of vectors.
macro_rules! channel {
    ($name:ident, $new:expr, $send:path, $receive:expr) => {
        pub(crate) fn $name(writers: usize) -> (Vec<impl Sending>, impl Receiving) {
            let (sender, mut receiver) = $new(capacity());
            let sender = |_| {
                let sender = sender.clone();
                move |event: &Event| {
                    let sent = $send(&sender, serialized(event));
                    assert!(sent.is_ok(), "the channel is closed");
                }
            };
            let senders = (0..writers).map(sender).collect();
            let receive = move |look: &mut Look| {
                let bytes: AlignedVec = $receive(&mut receiver).expect("the channel is open");
                look.see(access(&bytes));
            };
            (senders, receive)
        }
    };
}
channel!(
    crossbeam,
    crossbeam_channel::bounded,
    crossbeam_channel::Sender::send,
    |receiver: &mut crossbeam_channel::Receiver<_>| receiver.recv()
);
channel!(kanal, kanal::bounded, kanal::Sender::send, |receiver: &mut kanal::Receiver<_>| {
    receiver.recv()
});
channel!(
    tokio_mpsc,
    tokio::sync::mpsc::channel,
    tokio::sync::mpsc::Sender::blocking_send,
    tokio::sync::mpsc::Receiver::blocking_recv
);

channel!(
    thingbuf,
    thingbuf::mpsc::blocking::channel,
    thingbuf::mpsc::blocking::Sender::send,
    |receiver: &mut thingbuf::mpsc::blocking::Receiver<_>| receiver.recv()
);

/// Leaves in a slot what was in it: the next event is serialized over it.
struct Keep;

impl Recycle<AlignedVec> for Keep {
    fn new_element(&self) -> AlignedVec {
        AlignedVec::with_capacity(Event::size())
    }

    fn recycle(&self, _: &mut AlignedVec) {}
}

pub(crate) fn thingbuf_in_place(writers: usize) -> (Vec<impl Sending>, impl Receiving) {
    let (sender, receiver) = thingbuf::mpsc::blocking::with_recycle(capacity(), Keep);
    let sender = |_| {
        let sender = sender.clone();
        move |event: &Event| {
            let Ok(mut slot) = sender.send_ref() else { panic!("the channel is closed") };
            serialize_into(event, &mut slot);
        }
    };
    let senders = (0..writers).map(sender).collect();
    let receive = move |look: &mut Look| {
        let Some(slot) = receiver.recv_ref() else { panic!("the channel is closed") };
        look.see(access(&slot));
    };
    (senders, receive)
}

macro_rules! nexus {
    ($name:ident, $channel:ident, $keep:literal, |$sender:ident, $writers:ident| $senders:expr) => {
        pub(crate) fn $name($writers: usize) -> (Vec<impl Sending>, impl Receiving) {
            let ($sender, mut receiver) = nexus_logbuf::channel::$channel::channel(RING);
            let senders = $senders.into_iter().map(|mut sender| {
                let mut buffer = AlignedVec::new();
                move |event: &Event| {
                    if $keep {
                        serialize_into(event, &mut buffer);
                    } else {
                        buffer = serialized(event);
                    }
                    let claim = sender.send(buffer.len());
                    let mut claim = claim.expect("the receiver is there");
                    claim.copy_from_slice(&buffer);
                    claim.commit();
                    sender.notify();
                }
            });
            let receive = move |look: &mut Look| {
                let record = receiver.recv(None).expect("the senders are there");
                look.see(access(&record));
            };
            (senders.collect(), receive)
        }
    };
}
nexus!(nexus_mpsc, mpsc, false, |sender, writers| vec![sender; writers]);
nexus!(nexus_mpsc_kept, mpsc, true, |sender, writers| vec![sender; writers]);
nexus!(nexus_spsc, spsc, false, |sender, _writers| [sender]);

/// tokio's broadcast, of vectors that its receivers share.
pub(crate) fn broadcast(readers: usize) -> (impl Sending, Vec<impl Tapping>) {
    let (sender, _) = broadcast::channel::<Bytes>(capacity());
    let tap = |_| {
        let mut receiver = sender.subscribe();
        move |look: &mut Look| match receiver.try_recv() {
            Ok(bytes) => {
                look.see(access(&bytes));
                true
            }
            Err(broadcast::error::TryRecvError::Empty) => false,
            Err(error) => panic!("broadcast: {error}"),
        }
    };
    let taps = (0..readers).map(tap).collect();
    let send = move |event: &Event| {
        assert!(sender.send(Bytes::from_owner(serialized(event))).is_ok(), "there are receivers");
    };
    (send, taps)
}
