//! Frames: what travels as one message of the engine, and how it is told in headers.
//!
//! The payload is the payload of our messages, one right after the other, and nothing else: a
//! subscriber of another kind that gets a frame with one message gets what was sent. All that we have
//! to say stands in headers, in numbers with spaces between:
//!
//! ```text
//! Overfall-Channel: NAME
//! Overfall-Epoch: HEX                      which outlet, since when
//! Overfall-Frame: NUMBER FLOOR             its number in the epoch; all frames before FLOOR are stored
//! Overfall-Age: MILLISECONDS               since the epoch began
//! Overfall-Position: POSITION              where the outlet stands in its ring behind this frame
//! Overfall-Sent: MESSAGES BYTES            of all writers, since the epoch began, this frame included
//! and one of
//! Overfall-Messages: RUN;RUN...            RUN is WRITER MESSAGES BYTES POSITION LEN*TIMES LEN*TIMES...
//! Overfall-Piece: WRITER MESSAGES BYTES POSITION OFFSET TOTAL
//! Overfall-Writers: WRITER MESSAGES BYTES;...    a heartbeat, or a part of it
//! Overfall-End: drained|failed|terminated  with Overfall-Writers; the payload is the text of the error
//! and, with the first messages of writers that have names, and with heartbeats,
//! Overfall-Names: WRITER NAME;...          what is no plain character is told as in a URL: `roof%20sensor`
//! and, if there are too many writers for one frame,
//! Overfall-Part: INDEX OF                  of the frames with Overfall-Writers, which follow each other
//! and, from a spool,
//! Overfall-Check: LENGTH HEX               a checksum of so many bytes before POSITION
//! ```
//!
//! `MESSAGES BYTES` behind a writer is what it had sent before, counted from where the outlet began: what
//! was received of it and what the outlet itself missed.

use crate::count::Count;
use bytes::Bytes;
use std::fmt::Write;
use std::sync::Arc;

/// What the engine carries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Envelope {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Bytes,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) channel: Arc<str>,
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) floor: u64,
    pub(crate) age_ms: u64,
    pub(crate) position: u64,
    pub(crate) sent: Count,
    pub(crate) body: Body,
    /// Of writers that `body` tells something of.
    pub(crate) names: Vec<(u32, Arc<str>)>,
    pub(crate) payload: Bytes,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    Messages(Vec<Run>),
    Piece(Piece),
    Heartbeat(Totals),
    End(End, Totals),
}

/// What each writer had sent, or some of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Totals {
    pub(crate) each: Vec<(u32, Count)>,
    /// Which of so many frames it is.
    pub(crate) part: u32,
    pub(crate) of: u32,
}

/// Messages of one writer that follow each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) writer: u32,
    /// What the writer had sent before the first.
    pub(crate) before: Count,
    /// Of the first.
    pub(crate) position: u64,
    /// Lengths, and how many of each there are one after the other.
    pub(crate) lens: Vec<(u32, u32)>,
}

/// A part of a message that is too long for one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) writer: u32,
    pub(crate) before: Count,
    pub(crate) position: u64,
    pub(crate) offset: u64,
    pub(crate) total: u64,
}

/// A checksum of the last bytes before a position of a spool: whether what a stream has is of that spool. It
/// finds mistakes, not forgeries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Check {
    pub(crate) len: u32,
    digest: u64,
}

impl Check {
    /// Of so many bytes at most.
    const MOST: usize = 4 << 10;

    /// Of the last of these bytes.
    pub(crate) fn of_end(bytes: &[u8]) -> Self {
        let bytes = &bytes[bytes.len().saturating_sub(Self::MOST)..];
        Self { len: bytes.len() as u32, digest: Self::digest(bytes) }
    }

    /// FNV-1a: the same in each version of this crate, as those of std are not.
    pub(crate) fn digest(bytes: &[u8]) -> u64 {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
    }

    /// What `header` tells, if it is what we tell.
    pub(crate) fn decode<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        let (len, digest) = header(CHECK)?.split_once(' ')?;
        let len = len.parse().ok().filter(|&len| len as usize <= Self::MOST)?;
        Some(Self { len, digest: u64::from_str_radix(digest, 16).ok()? })
    }
}

/// How a channel ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Drained,
    Failed,
    Terminated,
}

const CHANNEL: &str = "Overfall-Channel";
const EPOCH: &str = "Overfall-Epoch";
const FRAME: &str = "Overfall-Frame";
const AGE: &str = "Overfall-Age";
const POSITION: &str = "Overfall-Position";
const SENT: &str = "Overfall-Sent";
const MESSAGES: &str = "Overfall-Messages";
const PIECE: &str = "Overfall-Piece";
const WRITERS: &str = "Overfall-Writers";
const PART: &str = "Overfall-Part";
const NAMES: &str = "Overfall-Names";
const END: &str = "Overfall-End";
const CHECK: &str = "Overfall-Check";

/// More than the headers of a frame without messages and writers take.
pub(crate) const HEADROOM: usize = 768;
/// So many bytes of a channel's name are told.
pub(crate) const NAME: usize = 128;
/// So many bytes of a writer's name are told.
pub(crate) const WRITER_NAME: usize = 64;
/// The most that `Overfall-Names` takes for one: each byte may become three.
pub(crate) const NAMED: usize = 10 + 2 + 3 * WRITER_NAME;
/// The most that `Overfall-Writers` takes for one.
pub(crate) const TOTAL: usize = 10 + 20 + 20 + 3;
/// No frame has more messages. A header of a few bytes names any number of empty ones, and an inlet keeps the
/// length of each.
pub(crate) const MOST_MESSAGES: u64 = 1 << 16;
/// A ring counts up to here. Whoever tells more is none of us.
const MOST: u64 = 1 << 61;
/// The most that `Overfall-Messages` takes for one more message: a run of its own, of a writer with a name.
pub(crate) const RUN: usize = 10 + 20 + 20 + 20 + 10 + 8 + NAMED;

impl Run {
    pub(crate) fn push(&mut self, len: u32) {
        match self.lens.last_mut() {
            Some((last, times)) if *last == len => *times += 1,
            _ => self.lens.push((len, 1)),
        }
    }

    /// How long each message is.
    pub(crate) fn each(&self) -> impl Iterator<Item = u32> {
        self.lens.iter().flat_map(|&(len, times)| (0..times).map(move |_| len))
    }

    pub(crate) fn count(&self) -> Count {
        self.lens.iter().fold(Count::default(), |sum, &(len, times)| {
            sum + Count::new(times.into(), u64::from(len).saturating_mul(times.into()))
        })
    }
}

impl Frame {
    pub(crate) fn encode(&self) -> Envelope {
        let Count { messages, bytes } = self.sent;
        let mut headers = vec![
            (CHANNEL, self.channel.to_string()),
            (EPOCH, format!("{:016x}", self.epoch)),
            (FRAME, format!("{} {}", self.number, self.floor)),
            (AGE, self.age_ms.to_string()),
            (POSITION, self.position.to_string()),
            (SENT, format!("{messages} {bytes}")),
        ];
        match &self.body {
            Body::Messages(runs) => headers.push((MESSAGES, text_of_runs(runs))),
            Body::Piece(piece) => {
                let Piece { writer, before: Count { messages, bytes }, position, offset, total } =
                    piece;
                let text = format!("{writer} {messages} {bytes} {position} {offset} {total}");
                headers.push((PIECE, text));
            }
            Body::Heartbeat(totals) => totals.encode(&mut headers),
            Body::End(end, totals) => {
                let text = match end {
                    End::Drained => "drained",
                    End::Failed => "failed",
                    End::Terminated => "terminated",
                };
                headers.push((END, text.to_owned()));
                totals.encode(&mut headers);
            }
        }
        if !self.names.is_empty() {
            headers.push((NAMES, text_of_names(&self.names)));
        }
        Envelope { headers, payload: self.payload.clone() }
    }

    /// The same from a spool.
    pub(crate) fn encode_with(&self, check: Option<Check>) -> Envelope {
        let mut envelope = self.encode();
        let text = check.map(|Check { len, digest }| (CHECK, format!("{len} {digest:016x}")));
        envelope.headers.extend(text);
        envelope
    }

    /// What `header` tells of a message of the engine with this payload; nothing if it is none of ours.
    pub(crate) fn decode<'a>(
        header: impl Fn(&'static str) -> Option<&'a str>,
        payload: Bytes,
    ) -> Option<Self> {
        let [number, floor] = numbers(header(FRAME)?)?;
        let [messages, bytes] = numbers(header(SENT)?)?;
        let sent = count(messages, bytes)?;
        let body = if let Some(text) = header(END) {
            let end = match text {
                "drained" => End::Drained,
                "failed" => End::Failed,
                "terminated" => End::Terminated,
                _ => return None,
            };
            let totals = Totals::decode(header(WRITERS)?, header(PART))?;
            if !totals.is_last() {
                return None;
            }
            Body::End(end, totals)
        } else if let Some(text) = header(MESSAGES) {
            let runs = text.split(';').map(run).collect::<Option<Vec<_>>>()?;
            let sum = runs.iter().fold(Count::default(), |sum, run| sum + run.count());
            // A header that does not fit its payload would cut messages at wrong places.
            if sum.bytes != payload.len() as u64 || sum.messages > MOST_MESSAGES {
                return None;
            }
            Body::Messages(runs)
        } else if let Some(text) = header(PIECE) {
            let [writer, messages, bytes, position, offset, total] = numbers(text)?;
            let end = offset.checked_add(payload.len() as u64)?;
            if end > total || payload.is_empty() || u32::try_from(total).is_err() {
                return None;
            }
            let (writer, before) = (writer.try_into().ok()?, count(messages, bytes)?);
            Body::Piece(Piece { writer, before, position, offset, total })
        } else {
            Body::Heartbeat(Totals::decode(header(WRITERS)?, header(PART))?)
        };
        Some(Self {
            channel: header(CHANNEL)?.into(),
            epoch: u64::from_str_radix(header(EPOCH)?, 16).ok()?,
            number,
            floor,
            age_ms: header(AGE)?.parse().ok()?,
            position: header(POSITION)?.parse().ok()?,
            sent,
            body,
            names: header(NAMES).map(names).unwrap_or_default(),
            payload,
        })
    }
}

/// So many, if a ring can count them.
fn count(messages: u64, bytes: u64) -> Option<Count> {
    let is_possible = messages < MOST && bytes < MOST && (messages > 0 || bytes == 0);
    is_possible.then(|| Count::new(messages, bytes))
}

fn text_of_runs(runs: &[Run]) -> String {
    let mut text = String::with_capacity(runs.len() * 48);
    for (index, run) in runs.iter().enumerate() {
        if index > 0 {
            text.push(';');
        }
        let Count { messages, bytes } = run.before;
        write!(text, "{} {messages} {bytes} {}", run.writer, run.position).expect("a String grows");
        for (len, times) in &run.lens {
            match times {
                1 => write!(text, " {len}"),
                _ => write!(text, " {len}*{times}"),
            }
            .expect("a String grows");
        }
    }
    text
}

fn text_of_names(names: &[(u32, Arc<str>)]) -> String {
    let mut text = String::new();
    for (index, (writer, name)) in names.iter().enumerate() {
        let separator = if index > 0 { ";" } else { "" };
        write!(text, "{separator}{writer} ").expect("a String grows");
        for char in name.chars() {
            if char.is_control() || char.is_whitespace() || matches!(char, ';' | '%') {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    write!(text, "%{byte:02X}").expect("a String grows");
                }
            } else {
                text.push(char);
            }
        }
    }
    text
}

/// Those that can be understood: nothing else depends on a name.
fn names(text: &str) -> Vec<(u32, Arc<str>)> {
    let name = |part: &str| {
        let (writer, name) = part.split_once(' ')?;
        let mut parts = name.split('%');
        let mut bytes = parts.next()?.as_bytes().to_vec();
        for part in parts {
            let (code, rest) = part.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            bytes.extend_from_slice(rest.as_bytes());
        }
        Some((writer.parse().ok()?, String::from_utf8(bytes).ok()?.into()))
    };
    text.split(';').filter_map(name).collect()
}

fn run(text: &str) -> Option<Run> {
    let mut words = text.split(' ');
    let mut next = || words.next()?.parse::<u64>().ok();
    let (writer, messages, bytes, position) = (next()?, next()?, next()?, next()?);
    let lens = words
        .map(|word| match word.split_once('*') {
            Some((len, times)) => Some((len.parse().ok()?, times.parse().ok()?)),
            None => Some((word.parse().ok()?, 1)),
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Run { writer: writer.try_into().ok()?, before: count(messages, bytes)?, position, lens })
}

impl Totals {
    /// Whether no other part follows.
    pub(crate) fn is_last(&self) -> bool {
        self.part + 1 == self.of
    }

    fn encode(&self, headers: &mut Vec<(&'static str, String)>) {
        let mut text = String::new();
        for (index, (writer, Count { messages, bytes })) in self.each.iter().enumerate() {
            let separator = if index > 0 { ";" } else { "" };
            write!(text, "{separator}{writer} {messages} {bytes}").expect("a String grows");
        }
        headers.push((WRITERS, text));
        if self.of > 1 {
            headers.push((PART, format!("{} {}", self.part, self.of)));
        }
    }

    fn decode(text: &str, part: Option<&str>) -> Option<Self> {
        let [part, of] = part.map_or(Some([0, 1]), numbers)?;
        if part >= of {
            return None;
        }
        let each = text.split(';').filter(|part| !part.is_empty()).map(|part| {
            let [writer, messages, bytes] = numbers(part)?;
            Some((writer.try_into().ok()?, count(messages, bytes)?))
        });
        let each = each.collect::<Option<Vec<_>>>()?;
        Some(Self { each, part: part.try_into().ok()?, of: of.try_into().ok()? })
    }
}

/// So many numbers, and no more.
fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let mut words = text.split(' ');
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    words.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(envelope: Envelope) -> Option<Frame> {
        let Envelope { headers, payload } = envelope;
        let find = |name| headers.iter().find(|(each, _)| *each == name).map(|(_, text)| &**text);
        Frame::decode(find, payload)
    }

    fn count() -> impl Strategy<Value = Count> {
        (1..MOST, 0..MOST).prop_map(|(messages, bytes)| Count::new(messages, bytes))
    }

    fn body() -> impl Strategy<Value = (Body, usize)> {
        let run = (any::<u32>(), count(), any::<u64>(), prop::collection::vec(0..40u32, 1..9));
        let runs = prop::collection::vec(run, 1..5).prop_map(|runs| {
            let runs: Vec<Run> = runs
                .into_iter()
                .map(|(writer, before, position, lens)| {
                    let mut run = Run { writer, before, position, lens: Vec::new() };
                    lens.into_iter().for_each(|len| run.push(len));
                    run
                })
                .collect();
            let bytes = runs.iter().map(|run| run.count().bytes as usize).sum();
            (Body::Messages(runs), bytes)
        });
        let totals = || {
            let each = prop::collection::vec((any::<u32>(), count()), 0..5);
            (each, 0..9u32, 1..9u32).prop_map(|(each, part, more)| Totals {
                each,
                part,
                of: part + more,
            })
        };
        prop_oneof![
            runs,
            (any::<u32>(), count(), any::<u64>(), 0..1u64 << 31, 1..99usize).prop_map(
                |(writer, before, position, offset, len)| {
                    let total = offset + len as u64 + 7;
                    (Body::Piece(Piece { writer, before, position, offset, total }), len)
                }
            ),
            totals().prop_map(|totals| (Body::Heartbeat(totals), 0)),
            (0..3usize, totals(), 0..20usize).prop_map(|(which, totals, len)| {
                let totals = Totals { of: totals.part + 1, ..totals };
                (Body::End([End::Drained, End::Failed, End::Terminated][which], totals), len)
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_out_again(
            (body, len) in body(),
            (epoch, number, floor, age_ms, position) in any::<(u64, u64, u64, u64, u64)>(),
            sent in count(),
            names in prop::collection::vec((any::<u32>(), ".{0,20}"), 0..4),
        ) {
            let (channel, payload) = ("gps".into(), Bytes::from(vec![7; len]));
            let names = names.into_iter().map(|(writer, name)| (writer, name.into())).collect();
            let frame = Frame {
                channel, epoch, number, floor, age_ms, position, sent, body, names, payload,
            };
            prop_assert_eq!(decode(frame.encode()), Some(frame));
        }

        #[test]
        fn headers_of_somebody_else_are_refused_and_never_panic(
            texts in prop::collection::vec("[0-9 ;*%a-f]{0,24}", 12),
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let names =
                [CHANNEL, EPOCH, FRAME, AGE, POSITION, SENT, MESSAGES, PIECE, WRITERS, PART, END, NAMES];
            let headers = names.into_iter().zip(texts).collect();
            if let Some(Frame { body: Body::Messages(runs), payload, .. }) =
                decode(Envelope { headers, payload: payload.into() })
            {
                let sum: u64 = runs.iter().map(|run| run.count().bytes).sum();
                prop_assert_eq!(sum, payload.len() as u64);
            }
        }
    }

    #[test]
    fn a_header_that_does_not_fit_the_payload_is_refused() {
        let run = Run { writer: 1, before: Count::default(), position: 0, lens: vec![(3, 2)] };
        let mut envelope = Frame {
            channel: "a".into(),
            epoch: 1,
            number: 0,
            floor: 0,
            age_ms: 0,
            position: 0,
            sent: Count::new(2, 6),
            body: Body::Messages(vec![run]),
            names: Vec::new(),
            payload: Bytes::from_static(b"abcdef"),
        }
        .encode();
        assert!(decode(envelope.clone()).is_some());
        envelope.payload = Bytes::from_static(b"abcde");
        assert!(decode(envelope).is_none());
    }

    /// A frame of these headers, behind those that each has.
    fn foreign(sent: &str, body: (&'static str, &str), payload: &'static str) -> Option<Frame> {
        let headers = [(CHANNEL, "a"), (EPOCH, "1"), (FRAME, "0 0"), (AGE, "0"), (POSITION, "0")];
        let headers = headers.into_iter().chain([(SENT, sent), body]);
        let headers = headers.map(|(name, text)| (name, text.to_owned())).collect();
        decode(Envelope { headers, payload: payload.into() })
    }

    #[test]
    fn a_frame_that_names_more_messages_than_it_could_hold_is_refused() {
        assert!(foreign("3 2", (MESSAGES, "1 0 0 0 2 0*2"), "ab").is_some());
        assert!(foreign("3 2", (MESSAGES, "1 0 0 0 2 0*4294967295"), "ab").is_none());
        let many = ["1 0 0 0 0*65536"; 2].join(";");
        assert!(foreign("3 2", (MESSAGES, &many), "").is_none());
    }

    #[test]
    fn sums_that_no_ring_could_count_are_refused() {
        for sent in ["2305843009213693952 0", "1 2305843009213693952", "0 7"] {
            assert!(foreign(sent, (WRITERS, ""), "").is_none(), "{sent}");
            assert!(foreign("1 1", (WRITERS, &format!("1 {sent}")), "").is_none(), "{sent}");
            assert!(foreign("1 1", (MESSAGES, &format!("1 {sent} 0 1")), "a").is_none(), "{sent}");
            assert!(foreign("1 1", (PIECE, &format!("1 {sent} 0 0 2")), "a").is_none(), "{sent}");
        }
        assert!(foreign("2305843009213693951 0", (WRITERS, ""), "").is_some());
        // The length of a message has 32 bits.
        assert!(foreign("1 1", (PIECE, "1 0 0 0 0 4294967296"), "a").is_none());
    }
}
