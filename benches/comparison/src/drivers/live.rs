//! Streams that are read while they are written: the writer and each reader on a thread of its own.

use super::stream::HISTORY;
use super::team::Team;
use crate::endpoints::*;
use crate::message::Source;
use std::mem;
use std::sync::{Arc, Barrier, Mutex};

/// A stream is kept, and so there is a new one after every 16 MiB. The readers of all are there before its
/// first byte.
pub(crate) fn live<S: Sender, R: Receiver>(
    setup: Setup,
    fresh: impl Fn(Setup) -> Ends<S, R> + Send + 'static,
) -> Team {
    let mut team = Team::new(setup);
    let lot = (HISTORY / setup.size) as u64;
    let begins = Arc::new(Barrier::new(setup.readers + 1));
    let receivers = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..setup.readers {
        let (begins, receivers) = (begins.clone(), receivers.clone());
        let mut sink = Sink::new(setup, false);
        team.thread(move |round| {
            sink.begin(round);
            while sink.left > 0 {
                begins.wait();
                let receive: Option<R> = receivers.lock().expect("no panic").pop();
                begins.wait();
                let mut receive = receive.expect("as many as there are readers");
                // What is received in one go may be no more than this lot.
                let later = sink.left.saturating_sub(lot);
                sink.left -= later;
                while sink.left > 0 {
                    receive(&mut sink);
                }
                sink.left = later;
            }
            sink.finish();
        });
    }
    let mut source = Source::new(setup, 0);
    team.thread(move |round| {
        let messages = source.begin(round);
        for first in (0..messages).step_by(lot as usize) {
            let mut ends = fresh(setup);
            *receivers.lock().expect("no panic") = mem::take(&mut ends.receivers);
            begins.wait();
            begins.wait();
            let [mut send] = ends.senders.try_into().ok().expect("one writer");
            for number in first..messages.min(first + lot) {
                assert!(send(source.message(round, number)), "it is kept");
            }
        }
    });
    team
}
