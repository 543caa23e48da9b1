//! What can go wrong, and what to do then.

use overfall::error::Failure;
use std::time::Duration;
use thiserror::Error;

/// Why an engine did not take what an outlet publishes, and what to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Advice {
    /// No server answers.
    #[error("no server answers: start nats-server, or check the address and the network")]
    NoServer,
    /// The server has no JetStream.
    #[error("the server has no JetStream: start it with `-js`, or publish with a weak reader")]
    NoJetStream,
    /// No stream stores this subject.
    #[error("no stream stores this subject: create one, or publish with a weak reader")]
    NoStream,
    /// The stream is full, and refuses what is new.
    #[error(
        "the stream is full and refuses what is new: raise its limits, or have an inlet read it"
    )]
    StreamFull,
    /// Nobody subscribes to the subject.
    #[error("nobody listens to the subject: start an inlet on it")]
    NobodyListens,
    /// Nobody answers. A server does not tell who asks without permission, either.
    #[error(
        "nobody answers in time: see whether the other side is up and not stalled, and whether this account may use \
         the subject, `$JS.API.>` and `_INBOX.>`"
    )]
    NoAnswer,
    /// A message of the engine would be longer than the server takes.
    #[error("it is longer than the server's `max_payload`: raise that, or send less at once")]
    TooLong,
    /// Something else; see the text.
    #[error("the server refused it")]
    Other,
}

/// Why a connection was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody answers at that address.
    #[error(
        "no server at {address}: start nats-server, or check the address and the network ({text})"
    )]
    NoServer {
        /// Where it was looked for.
        address: String,
        /// What the client says.
        text: String,
    },
    /// The server does not let us in.
    #[error("{address} refuses the credentials: check user, password, token or key ({text})")]
    NotAllowed {
        /// The server.
        address: String,
        /// What the client says.
        text: String,
    },
    /// Something else.
    #[error("no connection to {address}: {text}")]
    Other {
        /// The server.
        address: String,
        /// What the client says.
        text: String,
    },
}

/// Why an outlet stopped. [`run`](crate::Outlet::run) may be called again: it goes on where it stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutletError {
    /// The engine cannot be used as it is.
    #[error("{subject}: {advice} ({text})")]
    Engine {
        /// What is wrong.
        advice: Advice,
        /// The subject.
        subject: String,
        /// What the engine says.
        text: String,
    },
    /// The stream throws away what nobody has read, and the outlet is a reliable one.
    #[error(
        "the stream {stream} throws away what nobody has read ({limits}): create it with `discard new`, \
         without `max_age`, or allow that with `Outlet::allow_discard`"
    )]
    Discards {
        /// The stream.
        stream: String,
        /// By which of its limits.
        limits: String,
    },
    /// The engine has taken nothing for so long.
    #[error(
        "the engine takes nothing since {patience:?}, at position {position}: {advice} ({text})"
    )]
    Stuck {
        /// For how long it was tried: [`Outlet::patience`](crate::Outlet::patience).
        patience: Duration,
        /// All before this position of the ring is stored.
        position: u64,
        /// What to do.
        advice: Advice,
        /// What the engine says.
        text: String,
    },
    /// A message is longer than the engine takes, and [pieces](crate::Outlet::refuse_large) are not wanted.
    #[error("a message of {len} bytes at position {position}: the engine takes {limit}")]
    TooLong {
        /// The payload bytes of the message.
        len: usize,
        /// The most that would have gone.
        limit: usize,
        /// Where the message lies in the ring.
        position: u64,
    },
    /// All is sent, but nobody has answered the end.
    #[error(
        "nobody answered the end after position {position} for {patience:?}: {advice} ({text})"
    )]
    EndUnanswered {
        /// For how long it was tried: [`Outlet::end_within`](crate::Outlet::end_within).
        patience: Duration,
        /// Behind the last message.
        position: u64,
        /// What to do.
        advice: Advice,
        /// What the engine says.
        text: String,
    },
    /// The stream does not keep what was read, so that it cannot tell an outlet of a spool where to go on.
    #[error(
        "the stream {stream} forgets what was read (retention by {retention}), and an outlet of a spool asks it \
         where to go on: create it with retention by limits"
    )]
    Forgets {
        /// The stream.
        stream: String,
        /// How long it keeps messages.
        retention: String,
    },
    /// What the stream has under this name is not what the spool has.
    #[error(
        "what the stream has under the name {name}, up to position {position}, is not in this spool of {len} bytes: \
         it is another recording, which needs a name of its own, or the spool has lost its end"
    )]
    OtherSpool {
        /// The name of the outlet.
        name: String,
        /// Behind the last byte that the stream has.
        position: u64,
        /// How long the spool is.
        len: u64,
    },
    /// What was published under this name has ended, and the spool has not, or not there.
    #[error(
        "what was published under the name {name} ended at position {position}: take another name for what \
         comes now"
    )]
    HasEnded {
        /// The name of the outlet.
        name: String,
        /// Where it ended.
        position: u64,
    },
    /// Somebody else began to publish to the subject, while this outlet of a spool did.
    #[error(
        "another outlet publishes to {subject}, which takes one at a time: stop one of them, or take another subject"
    )]
    Taken {
        /// The subject.
        subject: String,
    },
    /// The spool cannot be read.
    #[error("the outlet's spool cannot be read: {0}")]
    Spool(#[from] overfall::spool::ReadError),
    /// The spool does not keep what comes behind the last byte that the stream has.
    #[error("the outlet's spool cannot go on where the stream ends: {0}")]
    Gone(#[from] overfall::spool::SeekError),
    /// The reader cannot go on: its own end, not that of its channel.
    #[error("the outlet's reader stopped: {0}")]
    Reader(#[from] overfall::error::ReadError),
}

/// How a channel ended that an outlet or an inlet carried.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// All was sent, and the writers have gone or the channel was drained.
    Drained,
    /// It failed, with this error. On the inlet's side it is the text of it.
    Failed(Failure),
    /// It was terminated.
    Terminated,
}

/// The error that an inlet's channel fails with when the channel on the other side failed: its text.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct Remote(pub String);

/// Why an inlet stopped.
///
/// [`run`](crate::Inlet::run) may be called again, and goes on. An inlet that is dropped without an end
/// fails its channel, so that its readers never take that for a clean end.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum InletError {
    /// The engine cannot be used as it is.
    #[error("{subject}: {advice} ({text})")]
    Engine {
        /// What is wrong.
        advice: Advice,
        /// The subject.
        subject: String,
        /// What the engine says.
        text: String,
    },
    /// The outlet began anew without an end: its process was killed, or it was dropped. The next `run` goes
    /// on with the new epoch.
    #[error(
        "epoch {epoch:016x} stopped after position {position} without an end, and epoch {next:016x} began: \
         what the old one had not published is lost"
    )]
    EpochBroken {
        /// The old epoch.
        epoch: u64,
        /// Behind the last frame of it that arrived.
        position: u64,
        /// The new epoch.
        next: u64,
    },
    /// Nothing has come for so long, not even a heartbeat.
    #[error(
        "nothing since {silence:?} after position {position} of epoch {epoch:016x}: see whether the outlet \
         and the server are up"
    )]
    Silent {
        /// For how long: [`Inlet::silence`](crate::Inlet::silence).
        silence: Duration,
        /// The epoch.
        epoch: u64,
        /// Behind the last frame that arrived.
        position: u64,
    },
    /// A message does not fit into the local ring. `run` fails with it each time: the ring must be another one.
    #[error(
        "a message of {len} bytes does not fit into the ring, which takes {max}: use a larger one"
    )]
    TooLong {
        /// Its payload bytes.
        len: usize,
        /// The longest slice of the ring.
        max: usize,
    },
    /// The local channel takes no more: its readers are gone, or somebody ended it. What is not
    /// acknowledged stays in the engine.
    #[error("the inlet's channel takes no more: {0}")]
    Closed(overfall::error::SendError),
    /// What was lost on the way cannot be told to the local channel: it has ended, or the outlet tells bytes
    /// without messages.
    #[error("the inlet's channel does not take what was missed: {0}")]
    Missed(overfall::error::ReportMissedError),
    /// The inlet was dropped in the middle. Readers of the channel get this as its failure.
    #[error("the inlet was dropped after position {position}, before the end")]
    Dropped {
        /// Behind the last frame that arrived.
        position: u64,
    },
}
