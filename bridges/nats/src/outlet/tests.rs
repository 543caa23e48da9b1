//! An outlet and an engine that answers when a test says so.

use super::Core;
use crate::engine::{Publisher, Refused};
use crate::error::OutletError;
use crate::frame::Envelope;
use overfall::Channel;
use std::collections::VecDeque;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::task::unconstrained;

/// Who waits for an answer, in the order in which they were published.
#[derive(Clone, Debug, Default)]
struct Slow(Arc<Mutex<VecDeque<oneshot::Sender<()>>>>);

#[derive(Debug)]
struct Answer(oneshot::Receiver<()>);

impl Future for Answer {
    type Output = Result<(), Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| {
            answer.expect("the test keeps it");
            Ok(())
        })
    }
}

impl Slow {
    fn in_flight(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    fn answer(&self) {
        let first = self.0.lock().expect("no panic").pop_front();
        first.expect("something is in flight").send(()).expect("it is waited for");
    }
}

impl Publisher for Slow {
    type Answer = Answer;

    async fn check(&self) -> Result<(), OutletError> {
        Ok(())
    }

    fn max_frame(&self) -> usize {
        1 << 20
    }

    fn reconnects(&self) -> u64 {
        0
    }

    async fn store(&self, _frame: Envelope) -> Result<Answer, Refused> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().expect("no panic").push_back(sender);
        Ok(Answer(receiver))
    }

    async fn send(&self, _frame: Envelope) -> Result<(), Refused> {
        unreachable!("a reliable outlet stores")
    }

    async fn ask(&self, _frame: Envelope, _ahead: bool) -> Result<Answer, Refused> {
        unreachable!("a reliable outlet stores")
    }
}

/// Runs until the outlet waits for something.
async fn run(outlet: &mut Core<Slow>) {
    tokio::select! {
        biased;
        // A task of tokio is interrupted from time to time, and then has not waited.
        ended = unconstrained(outlet.run()) => panic!("{ended:?}"),
        () = ready(()) => {}
    }
}

#[tokio::test]
async fn no_more_are_in_flight_than_was_said_and_room_is_given_back_one_by_one() {
    for window in [Some(7), None] {
        let (engine, near) = (Slow::default(), Channel::new(64 * 512));
        let reader = near.new_strong_reader();
        let mut outlet = Core::new(engine.clone(), "a".to_owned(), reader.into());
        outlet.state.set_batch(0, std::time::Duration::ZERO);
        if let Some(window) = window {
            outlet.state.settings.window = window;
        }
        let window = window.unwrap_or(256);
        let mut writer = near.new_writer();
        for number in 0..512u32 {
            writer.try_send(number.to_le_bytes()).expect("room");
        }
        run(&mut outlet).await;
        assert_eq!(engine.in_flight(), window);
        writer.try_send("more").expect_err("the ring is full of what is not stored");
        // The first frame says that an epoch began.
        engine.answer();
        run(&mut outlet).await;
        writer.try_send("more").expect_err("no message is stored");
        for _ in 0..20 {
            engine.answer();
            run(&mut outlet).await;
            assert_eq!(engine.in_flight(), window);
            writer.try_send("more").expect("room for one");
            writer.try_send("more").expect_err("and no more");
        }
    }
}
