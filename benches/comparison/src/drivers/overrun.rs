//! A thread that writes as fast as it can, and one that lets each reader read by turns until the
//! other is done: what a round takes is the time of the writes.

use super::team::Team;
use crate::endpoints::*;
use crate::message::Source;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn overrun(setup: Setup, ends: Ends<impl Sender, impl Receiver>) -> Team {
    let mut team = Team::new(setup);
    let is_written = Arc::new(AtomicBool::new(false));
    let written = is_written.clone();
    let [mut send] = ends.senders.try_into().ok().expect("one writer");
    let mut source = Source::new(setup, 0);
    team.thread(move |round| {
        for number in 0..source.begin(round) {
            let message = source.message(round, number);
            setup.wait.until(|| send(message));
        }
        written.store(true, Ordering::Release);
    });
    let readers = ends.receivers.into_iter().map(|receive| (receive, Sink::new(setup, true)));
    let mut readers = Vec::from_iter(readers);
    team.thread(move |round| {
        readers.iter_mut().for_each(|(_, sink)| sink.begin(round));
        while !is_written.load(Ordering::Acquire) {
            readers.iter_mut().for_each(|(receive, sink)| receive(sink));
        }
        // The other one does not go on before this round is over.
        is_written.store(false, Ordering::Relaxed);
    });
    team
}
