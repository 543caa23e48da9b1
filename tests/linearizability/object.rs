//! The channel as an object that does one thing at a time, and the search for an order in which it
//! could have done what the threads saw.

use std::collections::HashSet;

/// What a thread did, and what came of it. A value stands for a slice of so many bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Done {
    /// `try_write`.
    Write {
        value: u8,
        length: u64,
        result: Written,
    },
    /// `try_reserve`; if it is given room, a `Commit` or an `Abort` of the same thread follows.
    Reserve {
        value: u8,
        length: u64,
        result: Written,
    },
    Commit,
    Abort,
    /// `try_read`, of the reader with this number, into a buffer that everything fits in.
    Read {
        reader: usize,
        result: Read,
    },
    Drain,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Written {
    Ok,
    Full,
    Closed,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Read {
    Values(Vec<u8>),
    Empty,
    /// So many ring bytes were missed.
    Lagged(u64),
    End,
}

/// An operation of a thread, and the moments before it began and after it had returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Operation {
    pub(crate) began: u64,
    pub(crate) returned: u64,
    pub(crate) done: Done,
}

/// What was done on one channel.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) capacity: u64,
    /// Where in its lap the channel began.
    pub(crate) start: u64,
    /// Whether each reader is a strong one. All of them are there from the start.
    pub(crate) readers: Vec<bool>,
    pub(crate) threads: Vec<Vec<Operation>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    InFlight,
    Committed,
    /// Padding that the gate has not passed.
    Padding,
    Skipped,
}

impl State {
    fn is_skipped(self) -> bool {
        matches!(self, Self::Padding | Self::Skipped)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Slice {
    at: u64,
    size: u64,
    value: u8,
    state: State,
}

/// The channel between two steps.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Object {
    slices: Vec<Slice>,
    /// Where each reader stands.
    stands: Vec<u64>,
    /// What each strong reader has given back; nothing for a weak one.
    holds: Vec<Option<u64>>,
    /// Writers are refused.
    closed: bool,
    /// Readers come to the end.
    ended: bool,
}

/// How far a thread's operation has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Start,
    /// The padding at the first position is to be skipped; the slice is at the second one.
    Pad(u64, u64),
    /// The gate is to pass it.
    Pass(u64, u64),
    /// The slice at this position is to be committed.
    Commit(u64),
    /// What was read is to be given back.
    Release,
    /// A weak reader has read so many slices.
    Taken(usize),
    /// The channel is closed for writers.
    Drained,
}

/// A point of the search.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Point {
    object: Object,
    /// Of each thread: how many operations are done, how far the next one is, and its slice in
    /// flight.
    threads: Vec<(usize, Phase, Option<u64>)>,
}

impl Object {
    fn reserved(&self, start: u64) -> u64 {
        self.slices.last().map_or(start, |slice| slice.at + slice.size)
    }

    fn slice(&self, at: u64) -> Option<&Slice> {
        self.slices.iter().find(|slice| slice.at == at)
    }

    fn set(&mut self, at: u64, state: State) {
        let slice = self.slices.iter_mut().find(|slice| slice.at == at);
        slice.expect("a slice").state = state;
    }
}

impl History {
    /// Whether the channel could have done all this one step at a time.
    pub(crate) fn is_linearizable(&self) -> bool {
        let object = Object {
            slices: Vec::new(),
            stands: vec![self.start; self.readers.len()],
            holds: self.readers.iter().map(|&strong| strong.then_some(self.start)).collect(),
            closed: false,
            ended: false,
        };
        let threads = vec![(0, Phase::Start, None); self.threads.len()];
        let mut points = vec![Point { object, threads }];
        let mut seen = HashSet::new();
        while let Some(point) = points.pop() {
            let is_done =
                |(thread, &(done, ..)): (&Vec<Operation>, &(usize, _, _))| done == thread.len();
            if self.threads.iter().zip(&point.threads).all(is_done) {
                return true;
            }
            if seen.contains(&point) {
                continue;
            }
            // What has not returned before the first of those that are not done returns may be
            // next.
            let pending = |number: usize| self.threads[number].get(point.threads[number].0);
            let first = (0..self.threads.len()).filter_map(pending).map(|next| next.returned).min();
            for number in 0..self.threads.len() {
                match pending(number) {
                    Some(next) if Some(next.began) < first => {
                        self.step(&point, number, &next.done, &mut points);
                    }
                    _ => {}
                }
            }
            seen.insert(point);
        }
        false
    }

    fn reserved(&self, object: &Object) -> u64 {
        object.reserved(self.start)
    }

    /// Nobody has begun to write over the slice at `at`. A slice may be reserved over its own padding,
    /// but it is not written before the gate has passed that.
    fn is_intact(&self, object: &Object, at: u64) -> bool {
        let state = object.slice(at).map(|slice| slice.state);
        self.is_kept(object, at) || matches!(state, Some(State::InFlight | State::Padding))
    }

    fn is_kept(&self, object: &Object, at: u64) -> bool {
        self.reserved(object) <= at + self.capacity
    }

    fn oldest_intact(&self, object: &Object) -> u64 {
        let intact = object.slices.iter().find(|slice| self.is_kept(object, slice.at));
        intact.map_or(self.reserved(object), |slice| slice.at)
    }

    /// What writers may not reserve over.
    fn furthest_gate(&self, object: &Object) -> u64 {
        let find = |from: u64, state: fn(State) -> bool| {
            let mut slices = object.slices.iter().filter(|slice| slice.at >= from);
            let found = slices.find(|slice| state(slice.state));
            found.map_or(self.reserved(object), |slice| slice.at)
        };
        let in_flight = find(0, |state| state == State::InFlight);
        match object.holds.iter().flatten().min() {
            Some(&held) => find(held, |state| !state.is_skipped()).min(in_flight),
            None => in_flight,
        }
    }

    /// Puts down every point that one step of the thread's operation leads to.
    fn step(&self, point: &Point, number: usize, next: &Done, points: &mut Vec<Point>) {
        let (_, phase, in_flight) = point.threads[number];
        // One that the step leads to, and whether the operation is done then.
        let mut put = |phase: Option<Phase>, change: &dyn Fn(&mut Object), slice: Option<u64>| {
            let mut point = point.clone();
            change(&mut point.object);
            let thread = &mut point.threads[number];
            (thread.1, thread.2) = (phase.unwrap_or(Phase::Start), slice);
            thread.0 += usize::from(phase.is_none());
            points.push(point);
        };
        let object = &point.object;
        match (next, phase) {
            (Done::Write { .. } | Done::Reserve { .. }, Phase::Pad(padding, at)) => {
                let skip = |object: &mut Object| object.set(padding, State::Padding);
                put(Some(Phase::Pass(padding, at)), &skip, None);
            }
            (Done::Write { .. } | Done::Reserve { .. }, Phase::Pass(padding, at)) => {
                let pass = |object: &mut Object| object.set(padding, State::Skipped);
                match next {
                    Done::Write { .. } => put(Some(Phase::Commit(at)), &pass, None),
                    _ => put(None, &pass, Some(at)),
                }
            }
            (Done::Write { .. }, Phase::Commit(at)) => {
                put(None, &|object| object.set(at, State::Committed), None);
            }
            (Done::Write { result, .. } | Done::Reserve { result, .. }, _) if object.closed => {
                if *result == Written::Closed {
                    put(None, &|_| {}, None);
                }
            }
            (
                Done::Write { value, length, result } | Done::Reserve { value, length, result },
                _,
            ) => {
                let at = self.reserved(object);
                let size = (*length).max(1).next_multiple_of(64);
                let rest = self.capacity - at % self.capacity;
                let padding = if size <= rest { 0 } else { rest };
                // Into an empty ring everything goes.
                let wanted = (padding + size).min(self.capacity);
                if at + wanted > self.furthest_gate(object) + self.capacity {
                    if *result == Written::Full {
                        put(None, &|_| {}, None);
                    }
                    return;
                }
                if *result != Written::Ok {
                    return;
                }
                let (value, state) = (*value, State::InFlight);
                let parts = [(at, padding), (at + padding, size)].map(|(at, size)| Slice {
                    at,
                    size,
                    value,
                    state,
                });
                let push = |object: &mut Object| {
                    // The gate is not further behind.
                    let gate = (at + padding + size).saturating_sub(self.capacity);
                    let passed = object.slices.iter_mut().take_while(|slice| slice.at < gate);
                    for slice in passed.filter(|slice| slice.state == State::Padding) {
                        slice.state = State::Skipped;
                    }
                    object.slices.extend(parts.iter().filter(|slice| slice.size > 0));
                };
                let slice = at + padding;
                if padding > 0 {
                    put(Some(Phase::Pad(at, slice)), &push, None);
                } else if matches!(next, Done::Write { .. }) {
                    put(Some(Phase::Commit(slice)), &push, None);
                } else {
                    put(None, &push, Some(slice));
                }
            }
            (Done::Commit | Done::Abort, _) => {
                let committed = *next == Done::Commit;
                let state = if committed { State::Committed } else { State::Skipped };
                let at = in_flight.expect("a slice in flight");
                put(None, &|object| object.set(at, state), None);
            }
            (Done::Drain, Phase::Drained) => put(None, &|object| object.ended = true, in_flight),
            (Done::Drain, _) => {
                put(Some(Phase::Drained), &|object| object.closed = true, in_flight);
            }
            (Done::Read { reader, .. }, Phase::Release) => {
                let release = |object: &mut Object| {
                    object.holds[*reader] = Some(object.stands[*reader]);
                };
                put(None, &release, in_flight);
            }
            (Done::Read { reader, result }, _) if self.readers[*reader] => {
                if let Some(stands) = self.read_strong(object, *reader, result) {
                    let go = |object: &mut Object| object.stands[*reader] = stands;
                    put(Some(Phase::Release), &go, in_flight);
                }
            }
            (Done::Read { reader, result }, phase) => {
                let taken = if let Phase::Taken(taken) = phase { taken } else { 0 };
                if let Some((stands, phase)) = self.read_weak(object, *reader, result, taken) {
                    let go = |object: &mut Object| object.stands[*reader] = stands;
                    put(phase, &go, in_flight);
                }
            }
        }
    }

    /// A strong reader takes all that is committed, up to the first slice that is not. Tells where
    /// it stands then, if `result` is what comes of it now.
    fn read_strong(&self, object: &Object, reader: usize, result: &Read) -> Option<u64> {
        let mut stands = object.stands[reader];
        let mut values = Vec::new();
        while let Some(slice) = object.slice(stands) {
            match slice.state {
                State::InFlight => break,
                State::Padding | State::Skipped => {}
                State::Committed => values.push(slice.value),
            }
            stands += slice.size;
        }
        let is_end = object.ended && stands == self.reserved(object);
        let now = match values {
            values if !values.is_empty() => Read::Values(values),
            _ if is_end => Read::End,
            _ => Read::Empty,
        };
        (now == *result).then_some(stands)
    }

    /// A weak reader takes one slice at a time. Tells where it stands after that, and how far it is
    /// then, if that is on the way to `result`.
    fn read_weak(
        &self,
        object: &Object,
        reader: usize,
        result: &Read,
        taken: usize,
    ) -> Option<(u64, Option<Phase>)> {
        let stands = object.stands[reader];
        let is_intact = self.is_intact(object, stands);
        let slice = object.slice(stands);
        let state = slice.map(|slice| slice.state);
        if let Read::Values(values) = result {
            let is_there = is_intact && state == Some(State::Committed);
            if taken == values.len() {
                return (!is_there).then_some((stands, None));
            }
            if let Some(slice) = slice.filter(|slice| is_there && slice.value == values[taken]) {
                return Some((stands + slice.size, Some(Phase::Taken(taken + 1))));
            }
        }
        match (slice, result) {
            (Some(slice), _) if is_intact && slice.state.is_skipped() && taken == 0 => {
                Some((stands + slice.size, Some(Phase::Taken(0))))
            }
            (_, Read::Lagged(skipped)) if !is_intact => {
                let next = stands + skipped;
                let is_start = object.slice(next).is_some() || next == self.reserved(object);
                let is_legal = next > stands && next <= self.oldest_intact(object) && is_start;
                is_legal.then_some((next, None))
            }
            (_, Read::Empty | Read::End)
                if is_intact && matches!(state, None | Some(State::InFlight)) =>
            {
                let is_end = object.ended && stands == self.reserved(object);
                (is_end == (*result == Read::End)).then_some((stands, None))
            }
            _ => None,
        }
    }
}
