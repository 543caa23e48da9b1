//! Writers and readers by turns on one thread, so that only what is timed is timed.

use super::team::Team;
use crate::endpoints::*;
use crate::message::{Round, Source};
use std::mem;
use std::time::{Duration, Instant};

/// How many messages go by between two times that something is prepared.
const PREPARED: u64 = 10_000;
/// A reader that is overrun reads one message every so many batches of half a ring.
const BATCHES: u64 = 6;

/// One thread, whose rounds are whole lots of so many messages. Of each lot it says what it took;
/// the time of a round is that of as many messages as were asked for.
pub(super) fn in_lots(
    setup: Setup,
    of: Option<u64>,
    mut lot: impl FnMut(Round) -> Duration + Send + 'static,
) -> Team {
    let mut team = Team::new(setup);
    team.timed_thread(move |round| {
        let whole = Round { messages: of.unwrap_or(round.messages), ..round };
        let number = round.messages.div_ceil(whole.messages);
        let time: Duration = (0..number).map(|_| lot(whole)).sum();
        time.mul_f64(round.messages as f64 / (number * whole.messages) as f64)
    });
    team
}

/// Each message is written and read before the next: nobody ever waits.
pub(crate) fn one_thread(setup: Setup, mut ends: Ends<impl Sender, impl Receiver>) -> Team {
    let prepare = ends.prepare.take();
    let (mut send, mut receive) = ends.into_one();
    let pass = move |message: &[u8], sink: &mut Sink| {
        if send(message) {
            receive(sink);
        }
    };
    pass_on(setup, (prepare, pass))
}

/// For what is no channel, but takes a message and gives it back at once.
pub(crate) fn pass_on(
    setup: Setup,
    (mut prepare, mut pass): (Option<Prepare>, impl FnMut(&[u8], &mut Sink) + Send + 'static),
) -> Team {
    let (mut source, mut sink) = (Source::new(setup, 0), Sink::new(setup, false));
    in_lots(setup, prepare.is_some().then_some(PREPARED), move |round| {
        prepare.iter_mut().for_each(|prepare| prepare());
        sink.begin(round);
        let messages = source.begin(round);
        let begun = Instant::now();
        for number in 0..messages {
            pass(source.message(round, number), &mut sink);
        }
        let time = begun.elapsed();
        sink.finish();
        time
    })
}

/// How often the readers read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    KeepingUp,
    Overrun,
}

/// What counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timed {
    Writes,
    All,
}

/// Half a ring of messages is written, and then each reader has its turn. In lots of several such
/// batches, so that readers that are overrun have as many turns in every sample.
pub(crate) fn by_turns(
    setup: Setup,
    (pace, timed): (Pace, Timed),
    ends: Ends<impl Sender, impl Receiver>,
) -> Team {
    let [mut send] = ends.senders.try_into().ok().expect("one writer");
    let mut prepare = ends.prepare;
    let sink = || Sink::new(setup, pace == Pace::Overrun);
    let readers = ends.receivers.into_iter().map(|receive| (receive, sink()));
    let (mut source, mut readers) = (Source::new(setup, 0), Vec::from_iter(readers));
    let batch = (RING / 2 / setup.size.next_multiple_of(64)) as u64;
    in_lots(setup, Some(batch * BATCHES), move |round| {
        source.begin(round);
        readers.iter_mut().for_each(|(_, sink)| sink.begin(round));
        let mut time = Duration::ZERO;
        for first in (0..round.messages).step_by(batch as usize) {
            prepare.iter_mut().for_each(|prepare| prepare());
            let begun = Instant::now();
            for number in first..first + batch {
                assert!(send(source.message(round, number)), "nobody is waited for");
            }
            let written = begun.elapsed();
            if pace == Pace::KeepingUp || first + batch == round.messages {
                readers.iter_mut().for_each(|(receive, sink)| read(pace, receive, sink));
            }
            time += if timed == Timed::Writes { written } else { begun.elapsed() };
        }
        readers.iter_mut().for_each(|(_, sink)| sink.finish());
        time
    })
}

/// All of it is timed, and the readers keep up.
pub(crate) fn keeping_up(setup: Setup, ends: Ends<impl Sender, impl Receiver>) -> Team {
    by_turns(setup, (Pace::KeepingUp, Timed::All), ends)
}

#[inline]
fn read(pace: Pace, receive: &mut impl Receiver, sink: &mut Sink) {
    match pace {
        Pace::KeepingUp => loop {
            let left = sink.left;
            receive(sink);
            if sink.left == left {
                break;
            }
        },
        Pace::Overrun => {
            receive(sink);
            assert!(mem::take(&mut sink.lagged), "{}: a reader is overrun", sink.setup.name);
            receive(sink);
        }
    }
}
