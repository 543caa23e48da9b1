//! A thread that writes as fast as it can, and others whose readers read by turns until it is done: what
//! a round takes is the time of the writes.

use super::team::Team;
use crate::endpoints::*;
use crate::message::Source;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// All readers are on one thread.
pub(crate) fn overrun(setup: Setup, ends: Ends<impl Sender, impl Receiver>) -> Team {
    let all = ends.receivers.len();
    overrun_by(setup, ends, all)
}

/// Each reader has a thread of its own.
pub(crate) fn overrun_each(setup: Setup, ends: Ends<impl Sender, impl Receiver>) -> Team {
    overrun_by(setup, ends, 1)
}

/// So many readers are on a thread.
fn overrun_by(setup: Setup, ends: Ends<impl Sender, impl Receiver>, readers: usize) -> Team {
    let mut team = Team::new(setup);
    // How many rounds were written.
    let written = Arc::new(AtomicU64::new(0));
    let writes = written.clone();
    let [mut send] = ends.senders.try_into().ok().expect("one writer");
    let mut source = Source::new(setup, 0);
    team.thread(move |round| {
        for number in 0..source.begin(round) {
            let message = source.message(round, number);
            setup.wait.until(|| send(message));
        }
        writes.fetch_add(1, Ordering::Release);
    });
    let mut receivers = ends.receivers.into_iter();
    // With no readers at all there is a thread as well.
    for _ in 0..setup.readers.div_ceil(readers.max(1)).max(1) {
        let on_it = receivers.by_ref().take(readers);
        let mut readers = Vec::from_iter(on_it.map(|receive| (receive, Sink::new(setup, true))));
        let (written, mut rounds) = (written.clone(), 0);
        team.thread(move |round| {
            readers.iter_mut().for_each(|(_, sink)| sink.begin(round));
            rounds += 1;
            while written.load(Ordering::Acquire) < rounds {
                readers.iter_mut().for_each(|(receive, sink)| receive(sink));
            }
        });
    }
    team
}
