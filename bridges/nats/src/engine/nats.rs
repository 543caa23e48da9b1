//! All that knows NATS.
//!
//! What shapes it: a publish on JetStream is `Ok` whether or not it is stored, so that each acknowledgement
//! is awaited. The client's slow-consumer events count only a part of what it dropped, so that nothing is
//! counted by them. A consumer that was overtaken is told nothing, so that losses show in the frames'
//! own numbers.

use super::{Chain, Delivery, Last, Publisher, Refused, Subscription};
use crate::error::{Advice, ConnectError, InletError, OutletError};
use crate::frame::{Check, Envelope, Frame};
use crate::order::{Question, Whereabouts};
use async_nats::connection::State;
use async_nats::jetstream::consumer::pull::{self, MessagesErrorKind};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, FromConsumer};
use async_nats::jetstream::context::{
    ContextBuilder, GetStreamByNameErrorKind, PublishAckFuture, PublishErrorKind,
};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, Stream,
};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, StatusCode, Subject, Subscriber, header};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

/// An answer that does not come in this time is none.
const ANSWER: Duration = Duration::from_secs(2);
/// An inlet answers with this. A stream that stores the subject answers, too, and says nothing of an inlet.
const ANSWERED: &[u8] = b"overfall";
/// What JetStream wants to hear.
const ACKNOWLEDGED: &[u8] = b"+ACK";
const IN_PROGRESS: &[u8] = b"+WPI";
/// A consumer that could not be reached is tried again after this.
const PAUSE: Duration = Duration::from_millis(100);
/// What a consumer may have delivered that is not acknowledged; what `Order` keeps at most. Where a message has more
/// pieces, it is raised (`make_room`).
const MAX_ACK_PENDING: i64 = 512;
/// So many are asked for at once.
const PULL: usize = 256;
/// The end is answered again for so long.
const LINGER: Duration = Duration::from_secs(30);
/// The code of JetStream for a stream that could not store: it is full.
const STORE_FAILED: u64 = 10077;

/// Connects to a server of NATS, and says what to do if it cannot.
///
/// For credentials, certificates and all else there is `async_nats::ConnectOptions`: an
/// [`Outlet`](crate::Outlet) and an [`Inlet`](crate::Inlet) take any client.
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn connect(address: &str) -> Result<Client, ConnectError> {
    connect_with(async_nats::ConnectOptions::new(), address).await
}

/// Connects with options, and says what to do if it cannot.
///
/// # Errors
///
/// See [`ConnectError`].
pub async fn connect_with(
    options: async_nats::ConnectOptions,
    address: &str,
) -> Result<Client, ConnectError> {
    use async_nats::ConnectErrorKind as Kind;
    options.connect(address).await.map_err(|error| {
        let (address, text) = (address.to_owned(), error.to_string());
        match error.kind() {
            Kind::Authentication | Kind::AuthorizationViolation => {
                ConnectError::NotAllowed { address, text }
            }
            Kind::Io | Kind::TimedOut | Kind::Dns => ConnectError::NoServer { address, text },
            _ => ConnectError::Other { address, text },
        }
    })
}

fn context(client: &Client) -> Context {
    ContextBuilder::new().timeout(ANSWER).build(client.clone())
}

fn headers(frame: &Envelope) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &frame.headers {
        headers.insert(*name, value.as_str());
    }
    headers
}

fn frame(headers: Option<&HeaderMap>, payload: Bytes) -> Option<Frame> {
    let headers = headers?;
    Frame::decode(|name| headers.get(name).map(|value| value.as_str()), payload)
}

/// Where the word goes that does not queue behind a backlog.
fn terminations(subject: &str) -> String {
    format!("{subject}.terminate")
}

const STANDSTILL: &str = "the client takes nothing: it has much to send, or no connection";

/// Hands something to the client. Without a connection it keeps what it is given, and at some thousand stands still.
async fn in_time<T>(future: impl Future<Output = T>) -> Result<T, &'static str> {
    tokio::time::timeout(ANSWER, future).await.map_err(|_time_is_up| STANDSTILL)
}

fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

fn reconnects(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed).saturating_sub(1)
}

/// What an error says, and all that it came from.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

/// By which of its limits a stream throws away what nobody has read.
fn throwing_limits(config: &Config) -> Vec<&'static str> {
    let mut limits = Vec::new();
    if config.discard == DiscardPolicy::Old {
        let each = [
            ("max_messages", config.max_messages),
            ("max_bytes", config.max_bytes),
            ("max_messages_per_subject", config.max_messages_per_subject),
        ];
        limits.extend(each.iter().filter(|(_, limit)| *limit > 0).map(|(name, _)| *name));
    }
    if !config.max_age.is_zero() {
        limits.push("max_age");
    }
    if config.retention == RetentionPolicy::Interest {
        limits.push("retention by interest");
    }
    limits
}

/// The stream that stores a subject.
async fn stream_of(client: &Client, subject: &str) -> Result<Stream, (Advice, String)> {
    let context = context(client);
    let name = context.stream_by_subject(subject).await.map_err(|error| {
        let text = with_sources(&error);
        match error.kind() {
            GetStreamByNameErrorKind::NotFound => (Advice::NoStream, text),
            _ if !is_connected(client) => (Advice::NoServer, text),
            // Only a server without JetStream has nobody who answers.
            _ if text.contains("JetStream resource does not exist") => (Advice::NoJetStream, text),
            _ => (Advice::NoAnswer, text),
        }
    })?;
    context.get_stream(name).await.map_err(|error| (Advice::Other, error.to_string()))
}

pub(crate) struct NatsPublisher {
    client: Client,
    context: Context,
    subject: Subject,
    terminations: Subject,
    allows_discard: bool,
}

impl NatsPublisher {
    pub(crate) fn new(client: Client, subject: String) -> Self {
        Self {
            context: context(&client),
            terminations: terminations(&subject).into(),
            subject: subject.into(),
            client,
            allows_discard: false,
        }
    }

    pub(crate) fn allow_discard(&mut self) {
        self.allows_discard = true;
    }

    /// The stream's configuration, if a reliable outlet may use it.
    async fn checked(&self) -> Result<Config, OutletError> {
        let subject = self.subject.to_string();
        let stream = stream_of(&self.client, &subject).await;
        let stream =
            stream.map_err(|(advice, text)| OutletError::Engine { advice, subject, text })?;
        let config = stream.cached_info().config.clone();
        let limits = throwing_limits(&config);
        if !self.allows_discard && !limits.is_empty() {
            let (stream, limits) = (config.name, limits.join(", "));
            return Err(OutletError::Discards { stream, limits });
        }
        Ok(config)
    }

    async fn publish(
        &self,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<PublishAckFuture, Refused> {
        let published = self.context.publish_with_headers(self.subject.clone(), headers, payload);
        let published = in_time(published).await;
        let published = published.map_err(|text| self.refused(Advice::NoAnswer, &text))?;
        published.map_err(|error| refusal(&self.client, &error))
    }

    fn refused(&self, advice: Advice, error: &impl fmt::Display) -> Refused {
        let advice = match advice {
            Advice::NoAnswer if !is_connected(&self.client) => Advice::NoServer,
            advice => advice,
        };
        Refused { advice, text: error.to_string() }
    }
}

impl fmt::Debug for NatsPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsPublisher").field("subject", &self.subject).finish_non_exhaustive()
    }
}

fn refusal(client: &Client, error: &jetstream::context::PublishError) -> Refused {
    let code = error
        .source()
        .and_then(|source| source.downcast_ref::<jetstream::Error>())
        .map(|error| error.error_code().0);
    let advice = match error.kind() {
        PublishErrorKind::StreamNotFound => Advice::NoStream,
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe if is_connected(client) => {
            Advice::NoAnswer
        }
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => Advice::NoServer,
        PublishErrorKind::MaxPayloadExceeded => Advice::TooLong,
        _ if code == Some(STORE_FAILED) => Advice::StreamFull,
        _ => Advice::Other,
    };
    Refused { advice, text: with_sources(error) }
}

/// What the server says to a publish.
pub(crate) struct Answer(Pin<Box<dyn Future<Output = Result<(), Refused>> + Send>>);

impl Future for Answer {
    type Output = Result<(), Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

impl Publisher for NatsPublisher {
    type Answer = Answer;

    async fn check(&self) -> Result<(), OutletError> {
        self.checked().await.map(|_config| ())
    }

    fn max_frame(&self) -> usize {
        self.client.max_payload()
    }

    fn reconnects(&self) -> u64 {
        reconnects(&self.client)
    }

    async fn store(&self, frame: Envelope) -> Result<Self::Answer, Refused> {
        let answer = self.publish(headers(&frame), frame.payload).await?;
        let client = self.client.clone();
        Ok(Answer(Box::pin(async move {
            answer.await.map(|_stored| ()).map_err(|error| refusal(&client, &error))
        })))
    }

    async fn send(&self, frame: Envelope) -> Result<(), Refused> {
        let (subject, headers) = (self.subject.clone(), headers(&frame));
        let sent = self.client.publish_with_headers(subject, headers, frame.payload);
        // What the client does not keep without a connection is lost, and told.
        let time = if is_connected(&self.client) { ANSWER } else { Duration::ZERO };
        match tokio::time::timeout(time, sent).await {
            Ok(sent) => sent.map_err(|error| self.refused(Advice::NoAnswer, &error)),
            Err(_standstill) => Err(self.refused(Advice::NoAnswer, &STANDSTILL)),
        }
    }

    async fn ask(&self, frame: Envelope, ahead: bool) -> Result<Self::Answer, Refused> {
        let subject = if ahead { &self.terminations } else { &self.subject }.clone();
        let (client, headers) = (self.client.clone(), headers(&frame));
        let asked = async move {
            let inbox = client.new_inbox();
            // Not a request: that takes the first answer, and a stream that stores the subject is often quicker.
            let sent = in_time(async {
                let answers = client.subscribe(inbox.clone()).await;
                let answers = answers.map_err(|error| (Advice::Other, error.to_string()))?;
                let sent = client
                    .publish_with_reply_and_headers(subject, inbox, headers, frame.payload)
                    .await;
                sent.map_err(|error| (Advice::Other, with_sources(&error)))?;
                Ok(answers)
            });
            let mut answers = match sent.await {
                Ok(sent) => sent?,
                Err(standstill) => return Err((Advice::NoServer, standstill.to_owned())),
            };
            let mut is_stored = false;
            let answered = async {
                while let Some(answer) = answers.next().await {
                    match &*answer.payload {
                        ANSWERED => return true,
                        _ if answer.status == Some(StatusCode::NO_RESPONDERS) => return false,
                        _ => is_stored = true,
                    }
                }
                false
            };
            let answered = tokio::time::timeout(ANSWER, answered).await;
            Ok::<_, (Advice, String)>((answered, is_stored))
        };
        let client = self.client.clone();
        Ok(Answer(Box::pin(async move {
            let (advice, text) = match asked.await {
                Ok((Ok(true), _)) => return Ok(()),
                Ok((Ok(false), _)) => (Advice::NobodyListens, "no responders".to_owned()),
                _ if !is_connected(&client) => (Advice::NoServer, "not connected".to_owned()),
                Ok((Err(_time_is_up), true)) => {
                    (Advice::NobodyListens, "a stream stores it, and no inlet answered".to_owned())
                }
                Ok((Err(_time_is_up), false)) => {
                    (Advice::NoAnswer, format!("no answer in {ANSWER:?}"))
                }
                Err(error) => error,
            };
            Err(Refused { advice, text })
        })))
    }
}

impl Chain for NatsPublisher {
    async fn check_chain(&self) -> Result<(), OutletError> {
        let Config { name, retention, .. } = self.checked().await?;
        if retention == RetentionPolicy::WorkQueue {
            let retention = "work queue".to_owned();
            return Err(OutletError::Forgets { stream: name, retention });
        }
        Ok(())
    }

    async fn last(&self) -> Result<Last, Refused> {
        let stream = stream_of(&self.client, &self.subject).await;
        let stream = stream.map_err(|(advice, text)| Refused { advice, text })?;
        let first = stream.cached_info().state.first_sequence;
        let get = stream.raw_message_builder().last_by_subject(&*self.subject);
        let (mut place, mut at, mut found) = (0, 0, get.send().await);
        loop {
            match found {
                Ok(message) => {
                    place = place.max(message.sequence);
                    let header = |name| message.headers.get(name).map(|value| value.as_str());
                    if message.subject == self.subject
                        && let Some(frame) = Frame::decode(header, message.payload.clone())
                    {
                        return Ok(Last { place, frame: Some((frame, Check::decode(header))) });
                    }
                    // Of somebody else.
                    at = message.sequence;
                }
                Err(error) => match error.kind() {
                    LastRawMessageErrorKind::NoMessageFound if place == 0 => {
                        return Ok(Last { place, frame: None });
                    }
                    LastRawMessageErrorKind::NoMessageFound => {}
                    _ => return Err(self.refused(Advice::NoAnswer, &with_sources(&error))),
                },
            }
            at -= 1;
            if at < first {
                return Ok(Last { place, frame: None });
            }
            found = stream.raw_message_builder().sequence(at).send().await;
        }
    }

    async fn append(&self, frame: Envelope, behind: u64) -> Result<u64, Refused> {
        let mut headers = headers(&frame);
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, behind.to_string());
        let answer = self.publish(headers, frame.payload).await?;
        let stored = answer.await.map_err(|error| refusal(&self.client, &error))?;
        Ok(stored.sequence)
    }
}

pub(crate) struct NatsSubscription {
    client: Client,
    subject: String,
    /// The name of the durable consumer; nothing for core NATS.
    durable: Option<String>,
    redeliver_after: Duration,
    terminations: Option<Subscriber>,
    /// Of core NATS.
    subscriber: Option<Subscriber>,
    began: Instant,
    /// When the last message came; at the earliest, if it lay there before we looked.
    came: Instant,
    looked: Instant,
    stored: Option<Stored>,
}

/// What JetStream stores for us.
struct Stored {
    stream: Stream,
    consumer: jetstream::consumer::Consumer<pull::Config>,
    messages: Option<pull::Stream>,
    /// Nothing was ever delivered to the consumer.
    is_fresh: bool,
    first: Option<(u64, u64)>,
    floor: u64,
    /// So many may be held. Nothing, if there is no limit.
    room: Option<u64>,
    /// When the server was told last that some are held.
    held_at: Instant,
}

impl fmt::Debug for NatsSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSubscription")
            .field("subject", &self.subject)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

impl NatsSubscription {
    pub(crate) fn durable(client: Client, subject: String, name: String) -> Self {
        Self { durable: Some(name), ..Self::core(client, subject) }
    }

    pub(crate) fn core(client: Client, subject: String) -> Self {
        Self {
            client,
            subject,
            durable: None,
            redeliver_after: Duration::from_secs(30),
            terminations: None,
            subscriber: None,
            began: Instant::now(),
            came: Instant::now(),
            looked: Instant::now(),
            stored: None,
        }
    }

    pub(crate) fn redeliver_after(&mut self, time: Duration) {
        self.redeliver_after = time;
    }

    fn error(&self, advice: Advice, text: impl fmt::Display) -> InletError {
        InletError::Engine { advice, subject: self.subject.clone(), text: text.to_string() }
    }

    async fn subscribe(&self, subject: String) -> Result<Subscriber, InletError> {
        let subscriber = self.client.subscribe(subject).await;
        subscriber.map_err(|error| self.error(Advice::Other, error))
    }

    async fn find_consumer(&self, name: &str) -> Result<Stored, InletError> {
        let stream = stream_of(&self.client, &self.subject).await;
        let stream = stream.map_err(|(advice, text)| self.error(advice, text))?;
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            filter_subject: self.subject.clone(),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.redeliver_after,
            max_ack_pending: MAX_ACK_PENDING,
            ..pull::Config::default()
        };
        let consumer = stream.get_or_create_consumer(name, config).await;
        let consumer = consumer.map_err(|error| self.error(Advice::Other, error))?;
        let info = consumer.cached_info();
        let is_fresh = info.delivered.consumer_sequence == 0;
        let floor = info.ack_floor.stream_sequence;
        // What comes first is not always delivered first: what an inlet before us has not acknowledged is
        // delivered again behind what is new.
        let mut first = None;
        let mut from = floor + 1;
        while let Some((place, stored)) = self.next_stored(&stream, from).await? {
            if let Some(frame) = stored {
                first = Some((frame.epoch, if is_fresh { 0 } else { frame.number }));
                break;
            }
            from = place + 1;
        }
        let oldest = stream.cached_info().state.first_sequence;
        let throws_away = !throwing_limits(&stream.cached_info().config).is_empty();
        if throws_away && !is_fresh && oldest > floor + 1 {
            tracing::warn!(self.subject, floor, oldest, "thrown away while no inlet was there?");
        }
        // Of a consumer that was there, it is what it is.
        let room = consumer.cached_info().config.max_ack_pending;
        let (room, held_at) = (room.try_into().ok().filter(|&room| room > 0), Instant::now());
        Ok(Stored { stream, consumer, messages: None, is_fresh, first, floor, room, held_at })
    }

    /// The first message of the subject in the stream from this place on, and its frame, if it is one.
    async fn next_stored(
        &self,
        stream: &Stream,
        from: u64,
    ) -> Result<Option<(u64, Option<Frame>)>, InletError> {
        let get = stream.raw_message_builder().sequence(from).next_by_subject(&*self.subject);
        match get.send().await {
            Ok(message) => {
                let frame = frame(Some(&message.headers), message.payload);
                Ok(Some((message.sequence, frame)))
            }
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                _ => Err(self.error(Advice::NoAnswer, error)),
            },
        }
    }
}

/// What settles a message: a reply to this subject.
pub(crate) type Token = Option<(Subject, &'static [u8])>;

impl Subscription for NatsSubscription {
    type Token = Token;

    async fn begin(&mut self) -> Result<(), InletError> {
        if self.terminations.is_none() {
            self.terminations = Some(self.subscribe(terminations(&self.subject)).await?);
        }
        match &self.durable {
            Some(name) if self.stored.is_none() => {
                self.stored = Some(self.find_consumer(name).await?);
            }
            None if self.subscriber.is_none() => {
                self.subscriber = Some(self.subscribe(self.subject.clone()).await?);
                // Once it has left, what is published reaches us.
                // Without a connection there is no end to it.
                if !matches!(in_time(self.client.flush()).await, Ok(Ok(()))) {
                    self.subscriber = None;
                    return Err(self.error(Advice::NoServer, STANDSTILL));
                }
                self.began = Instant::now();
                (self.came, self.looked) = (self.began, self.began);
            }
            _ => {}
        }
        Ok(())
    }

    fn is_reliable(&self) -> bool {
        self.durable.is_some()
    }

    fn was_there(&self, age_ms: u64) -> bool {
        match &self.stored {
            Some(stored) => stored.is_fresh,
            None => self.came.duration_since(self.began) >= Duration::from_millis(age_ms),
        }
    }

    fn first(&self) -> (Option<(u64, u64)>, u64) {
        self.stored.as_ref().map_or((None, 0), |stored| (stored.first, stored.floor))
    }

    async fn next(&mut self) -> Result<Delivery<Token>, InletError> {
        let terminations = self.terminations.as_mut().expect("begun");
        if let Some(subscriber) = &mut self.subscriber {
            let mut next = pin!(async {
                tokio::select! {
                    biased;
                    Some(message) = terminations.next() => Some(message),
                    message = subscriber.next() => message,
                }
            });
            // What lies there may have come at any time since we looked last, while nobody called us.
            let (message, came) = match next.as_mut().now_or_never() {
                Some(message) => (message, self.looked),
                None => (next.await, Instant::now()),
            };
            (self.came, self.looked) = (came, Instant::now());
            let Some(message) = message else {
                return Err(self.error(Advice::NoServer, "the client is closed"));
            };
            let token = message.reply.map(|reply| (reply, ANSWERED));
            let frame = frame(message.headers.as_ref(), message.payload);
            return Ok(Delivery { frame, place: 0, token });
        }
        let stored = self.stored.as_mut().expect("begun");
        loop {
            let messages = match &mut stored.messages {
                Some(messages) => messages,
                None => {
                    let request = stored.consumer.stream().max_messages_per_batch(PULL);
                    match request.messages().await {
                        Ok(messages) => stored.messages.insert(messages),
                        Err(error) => {
                            tracing::debug!(%error, "no messages, tried again");
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        }
                    }
                }
            };
            let message = tokio::select! {
                biased;
                Some(message) = terminations.next() => {
                    let token = message.reply.map(|reply| (reply, ANSWERED));
                    let frame = frame(message.headers.as_ref(), message.payload);
                    return Ok(Delivery { frame, place: 0, token });
                }
                message = messages.next() => message,
            };
            match message {
                Some(Ok(message)) => {
                    let place = message.info().map_or(0, |info| info.stream_sequence);
                    let token = message.reply.clone().map(|reply| (reply, ACKNOWLEDGED));
                    let frame = frame(message.headers.as_ref(), message.payload.clone());
                    return Ok(Delivery { frame, place, token });
                }
                Some(Err(error)) if error.kind() == MessagesErrorKind::ConsumerDeleted => {
                    self.stored = None;
                    return Err(self.error(Advice::Other, error));
                }
                // The server is away, or was: the next request is answered again.
                Some(Err(error)) if error.kind() == MessagesErrorKind::MissingHeartbeat => {
                    tracing::debug!(%error, "the consumer is silent");
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the consumer is asked again");
                    stored.messages = None;
                    tokio::time::sleep(PAUSE).await;
                }
                None => stored.messages = None,
            }
        }
    }

    async fn terminated(&mut self) -> u64 {
        let terminations = self.terminations.as_mut().expect("begun");
        loop {
            let Some(message) = terminations.next().await else {
                return std::future::pending().await;
            };
            if let Some(frame) = frame(message.headers.as_ref(), message.payload) {
                if let Some(reply) = message.reply {
                    // If it does not arrive, the outlet asks again.
                    let _sent = self.client.publish(reply, Bytes::from_static(ANSWERED)).await;
                }
                return frame.epoch;
            }
        }
    }

    async fn end(&mut self, epoch: u64) {
        // The last acknowledgement must have left before the client may be dropped.
        if !matches!(in_time(self.client.flush()).await, Ok(Ok(()))) {
            tracing::warn!(self.subject, "the last acknowledgement may be lost");
        }
        let Some(subscriber) = self.subscriber.take() else { return };
        let Some(terminations) = self.terminations.take() else { return };
        let client = self.client.clone();
        tokio::spawn(async move {
            let answer = async {
                let mut asked = futures_util::stream::select(subscriber, terminations);
                while let Some(message) = asked.next().await {
                    // Of other outlets somebody else knows, or nobody.
                    let frame = frame(message.headers.as_ref(), message.payload);
                    if let Some(reply) = message.reply
                        && frame.is_some_and(|frame| frame.epoch == epoch)
                    {
                        let _sent = client.publish(reply, Bytes::from_static(ANSWERED)).await;
                    }
                }
            };
            let _time_is_up = tokio::time::timeout(LINGER, answer).await;
        });
    }

    async fn make_room(&mut self, frames: u64) -> Result<(), InletError> {
        let Some(stored) = &mut self.stored else { return Ok(()) };
        // Others lie between pieces, or are kept for one that is missing.
        let wanted = frames.saturating_add(MAX_ACK_PENDING as u64);
        if frames < MAX_ACK_PENDING as u64 / 2 && stored.room >= Some(MAX_ACK_PENDING as u64)
            || stored.room.is_none_or(|room| room >= wanted)
        {
            return Ok(());
        }
        let config = stored.consumer.cached_info().config.clone();
        let raised = match pull::Config::try_from_consumer_config(config) {
            Ok(config) => {
                let max_ack_pending = i64::try_from(wanted).unwrap_or(i64::MAX);
                let config = pull::Config { max_ack_pending, ..config };
                stored.stream.create_consumer(config).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = raised {
            let text = format!("{frames} pieces must be delivered before one is settled: {error}");
            return Err(self.error(Advice::Other, text));
        }
        stored.room = Some(wanted);
        Ok(())
    }

    async fn hold(&mut self, held: &VecDeque<(u64, Token)>) {
        let Some(stored) = &mut self.stored else { return };
        if stored.held_at.elapsed() < stored.consumer.cached_info().config.ack_wait / 3 {
            return;
        }
        stored.held_at = Instant::now();
        for (reply, _text) in held.iter().filter_map(|(_number, token)| token.as_ref()) {
            let word = self.client.publish(reply.clone(), Bytes::from_static(IN_PROGRESS));
            let _is_delivered_again_if_not = in_time(word).await;
        }
    }

    async fn settle(&mut self, token: Token) {
        let Some((reply, text)) = token else { return };
        // What is not acknowledged comes again, and is known then.
        let settled = in_time(self.client.publish(reply, Bytes::from_static(text))).await;
        if !matches!(settled, Ok(Ok(()))) {
            tracing::debug!(self.subject, ?settled, "not acknowledged");
        }
    }

    async fn whereabouts(&mut self, question: &Question) -> Result<Whereabouts, InletError> {
        let stored = self.stored.as_ref().expect("begun");
        let Question { after, until, seen } = question;
        let mut from = after + 1;
        while from <= *until {
            // What we have seen need not be asked for.
            if seen.contains(&from) {
                from += 1;
                continue;
            }
            match self.next_stored(&stored.stream, from).await {
                Ok(Some((place, _))) if place <= *until && !seen.contains(&place) => {
                    return Ok(Whereabouts::Held);
                }
                Ok(Some((place, _))) => from = place + 1,
                Ok(None) => break,
                // Nobody knows: it is asked again.
                Err(error) => {
                    tracing::debug!(%error, "not known whether a frame is lost");
                    return Ok(Whereabouts::Held);
                }
            }
        }
        // Messages of other subjects leave holes, too. Where nothing is thrown away, they alone do.
        let known = seen.iter().filter(|&place| (after + 1..=*until).contains(place)).count();
        let has_holes = until.saturating_sub(*after) > known as u64;
        let throws_away = !throwing_limits(&stored.stream.cached_info().config).is_empty();
        Ok(match has_holes && throws_away {
            true => Whereabouts::Gone,
            false => Whereabouts::NeverStored,
        })
    }

    fn reconnects(&self) -> u64 {
        reconnects(&self.client)
    }
}
