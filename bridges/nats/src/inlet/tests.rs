//! An inlet and an engine that delivers what a test wants, in that order.

use super::Core;
use crate::count::Count;
use crate::engine::{Delivery, Subscription};
use crate::error::{Ended, InletError};
use crate::frame::{Body, End, Frame, Piece, Run, Totals};
use crate::order::{Question, Whereabouts};
use bytes::Bytes;
use overfall::error::TryReadError;
use overfall::{Channel, StrongReader};
use std::collections::VecDeque;
use std::future::{pending, ready};
use std::time::Duration;

/// Tokens are places.
struct Script {
    deliveries: VecDeque<Delivery<u64>>,
    place: u64,
    settled: Vec<u64>,
    /// The most that had to be held.
    room: u64,
}

impl Script {
    fn deliver(&mut self, frame: Frame) {
        self.place += 1;
        let place = self.place;
        self.deliveries.push_back(Delivery { frame: Some(frame), place, token: place });
    }
}

impl Subscription for Script {
    type Token = u64;

    async fn begin(&mut self) -> Result<(), InletError> {
        Ok(())
    }

    fn is_reliable(&self) -> bool {
        true
    }

    fn was_there(&self, _age_ms: u64) -> bool {
        true
    }

    fn first(&self) -> (Option<(u64, u64)>, u64) {
        (None, 0)
    }

    async fn next(&mut self) -> Result<Delivery<u64>, InletError> {
        match self.deliveries.pop_front() {
            Some(delivery) => Ok(delivery),
            None => pending().await,
        }
    }

    async fn terminated(&mut self) -> u64 {
        pending().await
    }

    async fn end(&mut self, _epoch: u64) {}

    async fn make_room(&mut self, frames: u64) -> Result<(), InletError> {
        self.room = self.room.max(frames);
        Ok(())
    }

    async fn hold(&mut self, _held: &VecDeque<(u64, u64)>) {}

    async fn settle(&mut self, token: u64) {
        self.settled.push(token);
    }

    async fn whereabouts(&mut self, question: &Question) -> Result<Whereabouts, InletError> {
        let is_held =
            (question.after + 1..=question.until).any(|place| !question.seen.contains(&place));
        Ok(if is_held { Whereabouts::Held } else { Whereabouts::NeverStored })
    }

    fn reconnects(&self) -> u64 {
        0
    }
}

fn inlet() -> (Core<Script>, StrongReader) {
    let far = Channel::new(1 << 16);
    let script = Script { deliveries: VecDeque::new(), place: 0, settled: Vec::new(), room: 0 };
    (Core::new(script, "lab".to_owned(), far.new_writer()), far.new_strong_reader())
}

/// Runs until the inlet waits for more, or ends.
async fn run(inlet: &mut Core<Script>) -> Option<Result<Ended, InletError>> {
    tokio::select! {
        biased;
        result = inlet.run() => Some(result),
        () = ready(()) => None,
    }
}

fn frame(epoch: u64, number: u64, sent: u64, body: Body, payload: &'static [u8]) -> Frame {
    let (channel, sent) = ("a".into(), Count::new(sent, sent));
    let payload = Bytes::from_static(payload);
    let (floor, age_ms, position, names) = (0, 0, sent.bytes, Vec::new());
    Frame { channel, epoch, number, floor, age_ms, position, sent, body, names, payload }
}

/// A message of one byte, the only one of its writer in a frame; `number` were sent before.
fn message(epoch: u64, number: u64) -> Frame {
    let before = Count::new(number, number);
    let run = Run { writer: 1, before, position: number, lens: vec![(1, 1)] };
    frame(epoch, number, number + 1, Body::Messages(vec![run]), b"m")
}

fn end(epoch: u64, number: u64, end: End) -> Frame {
    let totals = Totals { each: vec![(1, Count::new(number, number))], part: 0, of: 1 };
    frame(epoch, number, number, Body::End(end, totals), b"")
}

fn piece(number: u64, offset: u64) -> Frame {
    let before = Count::default();
    let piece = Piece { writer: 1, before, position: 0, offset, total: 3 };
    let payload = &b"abc"[offset as usize..][..1];
    Frame { sent: Count::new(1, 3), ..frame(7, number, 0, Body::Piece(piece), payload) }
}

#[tokio::test]
async fn pieces_are_acknowledged_once_the_whole_message_is_in_the_ring() {
    let (mut inlet, mut reader) = inlet();
    inlet.subscription.deliver(piece(0, 0));
    inlet.subscription.deliver(piece(1, 1));
    // The first is delivered again meanwhile.
    inlet.subscription.deliver(piece(0, 0));
    assert!(run(&mut inlet).await.is_none());
    assert!(inlet.subscription.settled.is_empty());
    assert!(reader.try_recv().is_err());
    inlet.subscription.deliver(piece(2, 2));
    assert!(run(&mut inlet).await.is_none());
    assert_eq!(inlet.subscription.settled, [3, 2, 4]);
    assert_eq!(reader.try_recv().expect("no error").expect("no end"), b"abc");
    inlet.subscription.deliver(message(7, 3));
    assert!(run(&mut inlet).await.is_none());
    assert_eq!(inlet.subscription.settled, [3, 2, 4, 5]);
}

#[tokio::test]
async fn however_many_pieces_there_are_none_is_acknowledged_before_the_last() {
    let (mut inlet, mut reader) = inlet();
    let total = 2000;
    for number in 0..total {
        let before = Count::default();
        let piece = Piece { writer: 1, before, position: 0, offset: number, total };
        inlet.subscription.deliver(frame(7, number, 0, Body::Piece(piece), b"p"));
        assert!(run(&mut inlet).await.is_none());
        assert_eq!(inlet.subscription.settled.is_empty(), number < total - 1);
    }
    assert_eq!(inlet.subscription.room, total);
    assert!(inlet.subscription.settled.iter().copied().eq(1..=total));
    assert_eq!(reader.try_recv().expect("no error").expect("no end").len() as u64, total);
}

#[tokio::test]
async fn a_message_that_the_ring_never_takes_is_told_with_its_first_piece_and_each_time() {
    let (mut inlet, _reader) = inlet();
    let piece =
        Piece { writer: 1, before: Count::default(), position: 0, offset: 0, total: 1 << 20 };
    inlet.subscription.deliver(frame(7, 0, 0, Body::Piece(piece), b"p"));
    for _ in 0..2 {
        let error = run(&mut inlet).await.expect("it does not wait");
        assert!(matches!(error, Err(InletError::TooLong { len: 1_048_576, .. })), "{error:?}");
    }
    assert!(inlet.subscription.settled.is_empty());
}

#[tokio::test]
async fn what_lies_behind_a_refused_frame_arrives_though_its_outlet_is_killed() {
    let (mut inlet, mut reader) = inlet();
    inlet.subscription.deliver(message(7, 0));
    // The one with number 1 was refused. Those behind it were stored, and acknowledged to the outlet.
    inlet.subscription.deliver(message(7, 2));
    inlet.subscription.deliver(message(7, 3));
    assert!(run(&mut inlet).await.is_none());
    inlet.asked_at -= Duration::from_secs(1);
    assert!(run(&mut inlet).await.is_none());
    assert_eq!(inlet.subscription.settled, [1, 2, 3]);
    assert_eq!(reader.try_recv().expect("no error").expect("no end"), b"m");
    assert!(reader.try_recv().is_err());
    // The outlet is killed before it publishes them again, and the next one begins.
    inlet.subscription.deliver(message(8, 0));
    inlet.asked_at -= Duration::from_secs(1);
    let Some(Err(InletError::EpochBroken { epoch: 7, position: 4, next: 8 })) =
        run(&mut inlet).await
    else {
        panic!("the epoch is broken off");
    };
    for missed in [1, 0] {
        let message = reader.try_recv().expect("no error").expect("no end");
        assert_eq!(message.header().missed.messages, missed);
    }
    assert!(run(&mut inlet).await.is_none());
    assert_eq!(inlet.subscription.settled, [1, 2, 3, 4]);
    assert!(reader.try_recv().expect("no error").is_some());
}

#[tokio::test]
async fn a_termination_of_a_later_epoch_is_done_when_the_inlet_comes_to_it() {
    // Told past all that is stored, or found in the stream; then the end alone may be all that there is.
    for (is_stored, has_messages) in [(false, true), (true, true), (true, false)] {
        let (mut inlet, mut reader) = inlet();
        inlet.subscription.deliver(message(7, 0));
        if !is_stored {
            let (frame, place, token) = (Some(end(8, 1, End::Terminated)), 0, 0);
            inlet.subscription.deliveries.push_back(Delivery { frame, place, token });
        }
        inlet.subscription.deliver(message(7, 1));
        assert!(run(&mut inlet).await.is_none());
        if has_messages {
            inlet.subscription.deliver(message(8, 0));
        }
        if is_stored {
            inlet.subscription.deliver(end(8, 1, End::Terminated));
        }
        let broken = run(&mut inlet).await.expect("it does not wait");
        assert!(matches!(broken, Err(InletError::EpochBroken { epoch: 7, position: 2, .. })));
        for _ in 0..2 {
            assert!(reader.try_recv().expect("no error").is_some());
        }
        let ended = run(&mut inlet).await.expect("it does not wait");
        assert_eq!(ended.expect("the end"), Ended::Terminated);
        assert_eq!(reader.try_recv().err(), Some(TryReadError::Terminated));
    }
}

#[tokio::test]
async fn what_is_remembered_of_epochs_that_are_over_is_bounded() {
    let (mut inlet, mut reader) = inlet();
    for epoch in 1..=3000 {
        // Somebody says of epochs that never come that they were terminated.
        let (frame, place, token) = (Some(end(epoch << 32, 1, End::Terminated)), 0, 0);
        inlet.subscription.deliver(message(epoch, 0));
        inlet.subscription.deliveries.push_back(Delivery { frame, place, token });
        while let Some(broken) = run(&mut inlet).await {
            assert!(matches!(broken, Err(InletError::EpochBroken { .. })));
        }
        assert_eq!(reader.try_recv().expect("no error").expect("no end"), b"m");
        assert!(inlet.remembered() <= 2048, "{}", inlet.remembered());
    }
    // The last ones are known.
    inlet.subscription.deliver(message(2999, 1));
    assert!(run(&mut inlet).await.is_none());
    assert!(reader.try_recv().is_err());
    assert_eq!(inlet.figures.read().foreign, 1);
}

#[tokio::test]
async fn names_of_writers_are_those_of_their_local_writers() {
    let (mut inlet, mut reader) = inlet();
    let named = |mut frame: Frame, names: &[(u32, &str)]| {
        frame.names = names.iter().map(|&(writer, name)| (writer, name.into())).collect();
        frame
    };
    inlet.subscription.deliver(named(message(7, 0), &[(1, "roof"), (99, "nobody")]));
    assert!(run(&mut inlet).await.is_none());
    let local = reader.try_recv().expect("no error").expect("no end").header().writer;
    assert_eq!(reader.writer_name(local).as_deref(), Some("roof"));
    // It has another name now.
    let totals = Totals { each: vec![(1, Count::new(1, 1))], part: 0, of: 1 };
    let heartbeat = frame(7, 1, 1, Body::Heartbeat(totals), b"");
    inlet.subscription.deliver(named(heartbeat, &[(1, "cellar")]));
    assert!(run(&mut inlet).await.is_none());
    assert_eq!(reader.writer_name(local).as_deref(), Some("cellar"));
    // Somebody else has its number in the next epoch.
    inlet.subscription.deliver(message(8, 0));
    assert!(matches!(run(&mut inlet).await, Some(Err(InletError::EpochBroken { .. }))));
    assert!(run(&mut inlet).await.is_none());
    let local = reader.try_recv().expect("no error").expect("no end").header().writer;
    assert_eq!(reader.writer_name(local), None);
}
