//! The seam: what the bridge asks of an engine. What knows NATS stands in `engine/nats.rs` alone.

#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod nats;

use crate::error::{Advice, InletError, OutletError};
use crate::frame::{Check, Envelope, Frame};
use crate::order::{Question, Whereabouts};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;

/// An engine did not take a frame, or nobody answered it.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) advice: Advice,
    pub(crate) text: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where an outlet's frames go.
pub(crate) trait Publisher: Send + Sync {
    /// The engine's word on a frame. It always comes: an engine that says nothing is a refusal after a
    /// time.
    type Answer: Future<Output = Result<(), Refused>> + Send + Unpin + fmt::Debug;

    /// What is wrong with the other side before anything is published.
    fn check(&self) -> impl Future<Output = Result<(), OutletError>> + Send;

    /// The most that one message may take, headers included.
    fn max_frame(&self) -> usize;

    /// How often the connection came back so far.
    fn reconnects(&self) -> u64;

    /// Publishes a frame that the engine must store; the answer tells that it has.
    fn store(&self, frame: Envelope) -> impl Future<Output = Result<Self::Answer, Refused>> + Send;

    /// Publishes a frame, for whoever listens now.
    fn send(&self, frame: Envelope) -> impl Future<Output = Result<(), Refused>> + Send;

    /// Publishes a frame that an inlet must answer. With `ahead`, past all that is stored or queued.
    fn ask(
        &self,
        frame: Envelope,
        ahead: bool,
    ) -> impl Future<Output = Result<Self::Answer, Refused>> + Send;
}

/// Where the frames of a spool's outlet go: each behind the last one, or nowhere.
pub(crate) trait Chain: Publisher {
    /// What is wrong with the other side before anything is published.
    fn check_chain(&self) -> impl Future<Output = Result<(), OutletError>> + Send;

    /// What is stored last.
    fn last(&self) -> impl Future<Output = Result<Last, Refused>> + Send;

    /// Stores a frame if the last thing that is stored lies at this place (0: if nothing is), and tells its
    /// own place. If it is an error, it may be stored or not.
    fn append(
        &self,
        frame: Envelope,
        behind: u64,
    ) -> impl Future<Output = Result<u64, Refused>> + Send;
}

/// What is stored last.
#[derive(Debug)]
pub(crate) struct Last {
    /// The place of the last message, also of one that is none of ours. 0 if there is none.
    pub(crate) place: u64,
    /// The last that is ours.
    pub(crate) frame: Option<(Frame, Option<Check>)>,
}

/// Where an inlet's frames come from.
pub(crate) trait Subscription: Send {
    /// What settles a frame.
    type Token: Send + Sync;

    /// Subscribes, if that was not done before.
    fn begin(&mut self) -> impl Future<Output = Result<(), InletError>> + Send;

    /// Whether each frame is delivered until it is settled.
    fn is_reliable(&self) -> bool;

    /// Whether all that an epoch of this age sent was meant for us, too, from its first frame on.
    fn was_there(&self, age_ms: u64) -> bool;

    /// Of a reliable engine: the epoch and number of the frame that comes first, if there is one, and the
    /// place in front of it.
    fn first(&self) -> (Option<(u64, u64)>, u64);

    /// The next frame. If the future is dropped, nothing is lost.
    fn next(&mut self) -> impl Future<Output = Result<Delivery<Self::Token>, InletError>> + Send;

    /// Waits for the word, past all that is stored or queued, that the channel of an epoch was terminated;
    /// tells which. `next` tells it, too. If the future is dropped, nothing is lost.
    fn terminated(&mut self) -> impl Future<Output = u64> + Send;

    /// The end of this epoch has come: what was settled must arrive, and the end is answered again if it is sent
    /// again.
    fn end(&mut self, epoch: u64) -> impl Future<Output = ()> + Send;

    /// So many frames will be held before the first of them is settled: the engine must deliver as many.
    fn make_room(&mut self, frames: u64) -> impl Future<Output = Result<(), InletError>> + Send;

    /// These frames, by their numbers, are held, and will be settled together. The engine need not deliver
    /// them again meanwhile.
    fn hold(&mut self, held: &VecDeque<(u64, Self::Token)>) -> impl Future<Output = ()> + Send;

    /// What the frame says is in the ring now.
    fn settle(&mut self, token: Self::Token) -> impl Future<Output = ()> + Send;

    /// What became of a frame that is missing.
    fn whereabouts(
        &mut self,
        question: &Question,
    ) -> impl Future<Output = Result<Whereabouts, InletError>> + Send;

    /// How often the connection came back so far.
    fn reconnects(&self) -> u64;
}

/// A message of the engine.
#[derive(Debug)]
pub(crate) struct Delivery<T> {
    /// Nothing, if it is none of ours.
    pub(crate) frame: Option<Frame>,
    /// Its number in the stream, of an engine that stores.
    pub(crate) place: u64,
    pub(crate) token: T,
}
