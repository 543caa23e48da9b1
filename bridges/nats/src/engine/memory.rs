//! An engine in memory, for tests: it loses, repeats and reorders on purpose.

use super::{Chain, Delivery, Last, Publisher, Refused, Subscription};
use crate::error::{Advice, InletError, OutletError};
use crate::frame::{Check, Envelope, Frame};
use crate::order::{Question, Whereabouts};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::{Notify, oneshot};

/// An answer that does not come in this time is none.
const ANSWER: std::time::Duration = std::time::Duration::from_millis(20);

/// A frame in a queue, and who waits for its answer.
type Queued = (Envelope, Option<oneshot::Sender<()>>);

pub(crate) struct Memory {
    state: Mutex<State>,
    came: Notify,
    is_reliable: bool,
}

struct State {
    random: u64,
    /// What is stored, by place, the first of which is 1.
    stored: Vec<Envelope>,
    /// The next place to be delivered for the first time, and those that are delivered again.
    next: u64,
    again: VecDeque<u64>,
    /// What was to be stored behind a place, and is still on the way, also when its outlet is no more.
    late: Option<(Envelope, u64)>,
    takes_nothing: bool,
    /// What was sent and not delivered.
    queue: VecDeque<Queued>,
    /// The inlet has come to its end, and answers whatever comes.
    is_over: bool,
}

impl State {
    /// Whether something goes wrong that does so many times in a hundred.
    fn goes_wrong(&mut self, percent: u64) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < percent
    }

    /// Stores a frame behind this place, and tells its own; nothing if that is not the last.
    fn append(&mut self, frame: Envelope, behind: u64) -> Option<u64> {
        if behind != self.stored.len() as u64 {
            return None;
        }
        self.stored.push(frame);
        Some(behind + 1)
    }

    fn late_arrives(&mut self) {
        if let Some((frame, behind)) = self.late.take() {
            self.append(frame, behind);
        }
    }
}

impl Memory {
    pub(crate) fn new(seed: u64, is_reliable: bool) -> Arc<Self> {
        let state = State {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            stored: Vec::new(),
            next: 1,
            again: VecDeque::new(),
            late: None,
            takes_nothing: false,
            queue: VecDeque::new(),
            is_over: false,
        };
        Arc::new(Self { state: Mutex::new(state), came: Notify::new(), is_reliable })
    }

    /// What is stored.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.state().stored.iter().filter_map(|envelope| decode(envelope.clone())).collect()
    }

    /// From now on nothing is stored, until `take_all`.
    pub(crate) fn take_nothing(&self) {
        self.state().takes_nothing = true;
    }

    pub(crate) fn take_all(&self) {
        self.state().takes_nothing = false;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    fn enqueue(&self, frame: Envelope, answer: Option<oneshot::Sender<()>>) {
        let mut state = self.state();
        if state.goes_wrong(20) {
            return;
        }
        if state.is_over {
            if let Some(answer) = answer {
                let _sent = answer.send(());
            }
            return;
        }
        if state.goes_wrong(10) {
            state.queue.push_back((frame.clone(), None));
        }
        state.queue.push_back((frame, answer));
        let len = state.queue.len();
        if len > 1 && state.goes_wrong(20) {
            state.queue.swap(len - 1, len - 2);
        }
        self.came.notify_one();
    }
}

fn refused() -> Refused {
    Refused { advice: Advice::NoAnswer, text: "on purpose".to_owned() }
}

#[derive(Debug)]
pub(crate) enum Answer {
    Now(bool),
    Later(oneshot::Receiver<()>, Pin<Box<tokio::time::Sleep>>),
}

impl Future for Answer {
    type Output = Result<(), Refused>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(true) => Poll::Ready(Ok(())),
            Self::Now(false) => Poll::Ready(Err(refused())),
            Self::Later(answer, time) => match Pin::new(answer).poll(context) {
                Poll::Ready(answer) => Poll::Ready(answer.map_err(|_| refused())),
                Poll::Pending => time.as_mut().poll(context).map(|()| Err(refused())),
            },
        }
    }
}

impl Publisher for Arc<Memory> {
    type Answer = Answer;

    async fn check(&self) -> Result<(), OutletError> {
        Ok(())
    }

    fn max_frame(&self) -> usize {
        4096
    }

    fn reconnects(&self) -> u64 {
        0
    }

    async fn store(&self, frame: Envelope) -> Result<Answer, Refused> {
        let mut state = self.state();
        if state.goes_wrong(5) {
            return Err(refused());
        }
        if state.goes_wrong(10) {
            return Ok(Answer::Now(false));
        }
        state.stored.push(frame);
        self.came.notify_one();
        // It may be stored, and the answer lost.
        Ok(Answer::Now(!state.goes_wrong(10)))
    }

    async fn send(&self, frame: Envelope) -> Result<(), Refused> {
        self.enqueue(frame, None);
        Ok(())
    }

    async fn ask(&self, frame: Envelope, _ahead: bool) -> Result<Answer, Refused> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(frame, Some(answer));
        Ok(Answer::Later(answered, Box::pin(tokio::time::sleep(ANSWER))))
    }
}

impl Chain for Arc<Memory> {
    async fn check_chain(&self) -> Result<(), OutletError> {
        Ok(())
    }

    async fn last(&self) -> Result<Last, Refused> {
        tokio::task::yield_now().await;
        let mut state = self.state();
        if state.goes_wrong(50) {
            state.late_arrives();
            self.came.notify_one();
        }
        if state.goes_wrong(10) {
            return Err(refused());
        }
        let frame = state.stored.last().and_then(|envelope| {
            let check = Check::decode(|name| header(envelope, name));
            decode(envelope.clone()).map(|frame| (frame, check))
        });
        Ok(Last { place: state.stored.len() as u64, frame })
    }

    async fn append(&self, frame: Envelope, behind: u64) -> Result<u64, Refused> {
        tokio::task::yield_now().await;
        let place = {
            let mut state = self.state();
            state.late_arrives();
            self.came.notify_one();
            if state.takes_nothing || state.goes_wrong(5) {
                return Err(refused());
            }
            if state.goes_wrong(10) {
                state.late = Some((frame, behind));
                return Err(refused());
            }
            let place = state.append(frame, behind).ok_or_else(refused)?;
            self.came.notify_one();
            if state.goes_wrong(10) {
                return Err(refused());
            }
            place
        };
        tokio::task::yield_now().await;
        Ok(place)
    }
}

#[derive(Debug)]
pub(crate) struct Consumer(pub(crate) Arc<Memory>);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Subscription for Consumer {
    type Token = Option<oneshot::Sender<()>>;

    async fn begin(&mut self) -> Result<(), InletError> {
        Ok(())
    }

    fn is_reliable(&self) -> bool {
        self.0.is_reliable
    }

    fn was_there(&self, _age_ms: u64) -> bool {
        true
    }

    fn first(&self) -> (Option<(u64, u64)>, u64) {
        (None, 0)
    }

    async fn next(&mut self) -> Result<Delivery<Self::Token>, InletError> {
        loop {
            {
                let mut state = self.0.state();
                if let Some((frame, token)) = state.queue.pop_front() {
                    return Ok(Delivery { frame: decode(frame), place: 0, token });
                }
                let is_new = state.next <= state.stored.len() as u64;
                let takes_again = !is_new || state.goes_wrong(30);
                let again = if takes_again { state.again.pop_front() } else { None };
                let place = match again {
                    Some(place) => Some(place),
                    None if is_new => {
                        state.next += 1;
                        Some(state.next - 1)
                    }
                    None => None,
                };
                if let Some(place) = place {
                    // Delivered and lost on the way, or twice: it is delivered again.
                    let (is_lost, is_doubled) = (state.goes_wrong(15), state.goes_wrong(10));
                    if is_lost || is_doubled {
                        state.again.push_back(place);
                    }
                    if is_lost {
                        continue;
                    }
                    let frame = decode(state.stored[place as usize - 1].clone());
                    return Ok(Delivery { frame, place, token: None });
                }
            }
            self.0.came.notified().await;
        }
    }

    async fn terminated(&mut self) -> u64 {
        std::future::pending().await
    }

    async fn end(&mut self, _epoch: u64) {
        self.0.state().is_over = true;
    }

    async fn make_room(&mut self, _frames: u64) -> Result<(), InletError> {
        Ok(())
    }

    async fn hold(&mut self, _held: &VecDeque<(u64, Self::Token)>) {}

    async fn settle(&mut self, token: Self::Token) {
        if let Some(answer) = token {
            // Nobody may wait for it any more.
            let _sent = answer.send(());
        }
    }

    async fn whereabouts(&mut self, question: &Question) -> Result<Whereabouts, InletError> {
        let Question { after, until, seen } = question;
        let is_held = (after + 1..=*until).any(|place| !seen.contains(&place));
        Ok(if is_held { Whereabouts::Held } else { Whereabouts::NeverStored })
    }

    fn reconnects(&self) -> u64 {
        0
    }
}

fn header<'a>(envelope: &'a Envelope, name: &'static str) -> Option<&'a str> {
    envelope.headers.iter().find(|(each, _)| *each == name).map(|(_, text)| &**text)
}

fn decode(envelope: Envelope) -> Option<Frame> {
    Frame::decode(|name| header(&envelope, name), envelope.payload.clone())
}

/// What three writers sent, and what came out behind the engine: received and missed of each.
async fn carry(seed: u64, is_reliable: bool) {
    use overfall::Channel;
    use std::collections::BTreeMap;
    use std::time::Duration;

    let engine = Memory::new(seed, is_reliable);
    let (near, far) = (Channel::new(1 << 14), Channel::new(1 << 20));
    let reader: overfall::Reader =
        if is_reliable { near.new_strong_reader().into() } else { near.new_weak_reader().into() };
    let mut outlet = crate::outlet::Core::new(Arc::clone(&engine), "memory".to_owned(), reader);
    outlet.state.set_batch(600, Duration::ZERO);
    outlet.state.settings.heartbeat = Duration::from_millis(3);
    outlet.state.settings.window = 16;
    let mut reader = far.new_strong_reader();
    let mut inlet = crate::inlet::Core::new(
        Consumer(Arc::clone(&engine)),
        "memory".to_owned(),
        far.new_writer(),
    );
    let outlet = tokio::spawn(async move { outlet.run().await });
    let inlet = tokio::spawn(async move { inlet.run().await });

    let mut writers = [near.new_writer(), near.new_writer(), near.new_writer()];
    let sizes = [0, 70, 5000];
    for number in 0..600u64 {
        let index = [0, 1, 1, 0, 2][(number * seed % 5) as usize];
        let mut message = vec![index as u8; 9 + sizes[index]];
        message[1..9].copy_from_slice(&number.to_le_bytes());
        writers[index].send(&message).await.expect("the channel is open");
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    inlet.await.expect("no panic").expect("the end");

    let (mut sums, mut locals, mut last) = ([(0, 0); 3], BTreeMap::new(), [None; 3]);
    while let Some(message) = reader.recv().await.expect("a clean end") {
        let index = usize::from(message[0]);
        let number = u64::from_le_bytes(message[1..9].try_into().expect("eight bytes"));
        assert!(last[index] < Some(number), "seed {seed}: in order, and once");
        assert_eq!(message.len(), 9 + sizes[index]);
        last[index] = Some(number);
        locals.insert(message.header().writer, index);
        sums[index].0 += 1;
        sums[index].1 += message.len() as u64;
    }
    for (writer, missed) in reader.missed_by_writer() {
        assert!(!is_reliable, "seed {seed}: {missed:?} missed");
        let index = locals.get(&writer).copied().unwrap_or_else(|| {
            let size = missed.bytes / missed.messages - 9;
            sizes.iter().position(|each| *each as u64 == size).expect("one of the sizes")
        });
        sums[index].0 += missed.messages;
        sums[index].1 += missed.bytes;
    }
    let sent = writers.map(|writer| (writer.stats().slices, writer.stats().payload_bytes));
    assert_eq!(sums, sent, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn received_and_missed_are_what_was_sent_whatever_is_lost_repeated_and_reordered() {
    for seed in 1..12 {
        carry(seed, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_whatever_is_refused_lost_repeated_and_reordered() {
    for seed in 1..12 {
        carry(seed, true).await;
    }
}

#[tokio::test]
async fn an_outlet_makes_no_readers_to_look_for_a_termination() {
    let engine = Memory::new(1, false);
    engine.state().is_over = true;
    let near = overfall::Channel::new(1 << 14);
    let reader = near.new_weak_reader();
    let last = reader.stats().id;
    let mut outlet =
        crate::outlet::Core::new(Arc::clone(&engine), "memory".to_owned(), reader.into());
    near.drain().expect("it is open");
    outlet.run().await.expect("answered");
    assert_eq!(near.new_weak_reader().stats().id, last + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_come_and_go_while_there_is_always_something_to_send_are_forgotten() {
    use std::time::Duration;

    let engine = Memory::new(1, true);
    let (near, far) = (overfall::Channel::new(1 << 14), overfall::Channel::new(1 << 16));
    let mut outlet =
        crate::outlet::Core::new(Arc::clone(&engine), "a".into(), near.new_strong_reader().into());
    outlet.state.set_batch(100, Duration::ZERO);
    // It never comes when nothing else does.
    outlet.state.settings.heartbeat = Duration::from_secs(3600);
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut reader = far.new_strong_reader();
    let consumer = Consumer(Arc::clone(&engine));
    let mut inlet = crate::inlet::Core::new(consumer, "a".to_owned(), far.new_writer());
    let inlet = tokio::spawn(async move { inlet.run().await });
    let steady = near.new_strong_writer();
    let sent = tokio::spawn(async move {
        for number in 0..2000u32 {
            let mut writer = steady.clone();
            for _ in 0..3 {
                writer.send(number.to_le_bytes()).await.expect("room");
            }
        }
        steady
    });
    let mut most = 0;
    for received in 0..6000u32 {
        let message = reader.recv().await.expect("no error").expect("no end");
        assert_eq!(message, (received / 3).to_le_bytes());
        assert!(message.header().missed.is_none());
        most = most.max(far.stats().writers.len());
    }
    assert!(most < 1000, "{most} writers of 2000 at a time");
    sent.await.expect("no panic").channel().drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    inlet.await.expect("no panic").expect("the end");
    assert!(reader.recv().await.expect("a clean end").is_none());
    assert!(reader.missed().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_told_though_no_heartbeat_is_due() {
    use std::time::{Duration, Instant};

    let engine = Memory::new(1, true);
    let near = overfall::Channel::with_parameters(1 << 10, overfall::Backpressure::Drop);
    let mut outlet =
        crate::outlet::Core::new(Arc::clone(&engine), "a".into(), near.new_strong_reader().into());
    outlet.state.settings.heartbeat = Duration::from_secs(3600);
    let figures = Arc::clone(&outlet.state.figures);
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut writer = near.new_writer();
    let began = Instant::now();
    while figures.read().missed == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", figures.read());
        for _ in 0..100 {
            writer.send([7; 100]).await.expect("it drops");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    let figures = figures.read();
    let stats = writer.stats();
    assert_eq!(figures.missed, stats.dropped_slices);
    assert_eq!(figures.published, stats.slices);
}

#[test]
fn a_frame_that_is_none_of_ours_is_told_from_ours() {
    assert!(decode(Envelope::default()).is_none());
    let headers = vec![("Overfall-Frame", "1 0".to_owned())];
    assert!(decode(Envelope { headers, payload: "x".into() }).is_none());
}
