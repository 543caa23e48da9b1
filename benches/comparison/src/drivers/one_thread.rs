//! Write and read by turns on one thread: nobody ever waits.

use super::Contestant;
use crate::endpoints::*;
use crate::message::{Round, Source};
use std::time::{Duration, Instant};

pub(crate) fn one_thread(
    setup: Setup,
    ends: Ends<impl Sender, impl Receiver>,
) -> Box<dyn Contestant> {
    let (mut send, mut receive) = ends.into_one();
    pass_on(setup, move |message, sink| {
        if send(message) {
            receive(sink);
        }
    })
}

/// For what is no channel, but takes a message and gives it back at once.
pub(crate) fn pass_on(
    setup: Setup,
    pass: impl FnMut(&[u8], &mut Sink) + 'static,
) -> Box<dyn Contestant> {
    Box::new(OneThread { source: Source::new(setup, 0), sink: Sink::new(setup), pass })
}

struct OneThread<F> {
    source: Source<[u8]>,
    sink: Sink,
    pass: F,
}

impl<F: FnMut(&[u8], &mut Sink)> Contestant for OneThread<F> {
    fn round(&mut self, round: Round) -> Duration {
        let Self { source, sink, pass } = self;
        sink.begin(round);
        let messages = source.begin(round);
        let begun = Instant::now();
        for number in 0..messages {
            pass(source.message(round, number), sink);
        }
        let time = begun.elapsed();
        sink.finish();
        time
    }
}
