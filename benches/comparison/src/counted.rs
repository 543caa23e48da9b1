//! One job of one contestant, so many times, to count the instructions of: `ci/instructions --rivals` runs
//! this under callgrind. Nobody ever waits: a message is received before the next is sent.

use crate::endpoints::*;
use crate::message::{Round, Source};
use crate::ours;
use crate::rivals::*;
use std::env;
use std::pin::pin;
use std::task::{Context, Waker};

/// The length of a message.
const SIZE: usize = 64;

/// A job, who does it, and how.
type Contestant = (&'static str, &'static str, fn(u64));

#[rustfmt::skip]
const ALL: &[Contestant] = &[
    ("bytes", "ours", |number| threads(number, ours::polled)),
    ("bytes", "rtrb", |number| threads(number, rtrb::new)),
    ("bytes", "nexus-logbuf-spsc", |number| threads(number, nexus::polled_spsc)),
    ("bytes", "nexus-logbuf-mpsc", |number| threads(number, nexus::polled_mpsc)),
    ("bytes", "bbqueue", |number| threads(number, bbqueue::new)),
    ("bytes", "two-memcpys", memcpys),
    ("messages", "ours", |number| threads(number, |s| ours::pipe(s, ours::send, ours::recv))),
    ("messages", "thingbuf", |number| threads(number, thingbuf::in_slots::<SIZE>)),
    ("messages", "kanal", |number| threads(number, |s| kanal::new(s, array::<SIZE>))),
    ("messages", "crossbeam-channel", |number| threads(number, |s| crossbeam::new(s, array::<SIZE>))),
    ("messages", "std-mpsc", |number| threads(number, |s| std_mpsc::new(s, array::<SIZE>))),
    ("weak-messages", "ours", |number| threads(number, ours::weak_messages)),
    ("weak-messages", "tokio-broadcast", |number| threads(number, |s| tokio_broadcast::new(s, array::<SIZE>))),
    ("tasks", "ours", |number| tasks(number, ours::tasks)),
    ("tasks", "tokio-duplex", |number| tasks(number, io::duplex)),
    ("tasks", "tokio-simplex", |number| tasks(number, io::simplex)),
    ("tasks", "piper", |number| tasks(number, io::piper)),
];

/// With the arguments `count JOB CONTESTANT NUMBER` does that, and with `count` alone names all.
pub(crate) fn count_if_asked() -> bool {
    let arguments = Vec::from_iter(env::args().skip(1));
    match &Vec::from_iter(arguments.iter().map(String::as_str))[..] {
        ["count"] => ALL.iter().for_each(|(job, name, _)| println!("{job} {name}")),
        ["count", job, name, number] => {
            let contestant = ALL.iter().find(|(of, who, _)| (of, who) == (job, name));
            let (_, _, work) = contestant.expect("nobody of this name does this job");
            work(number.parse().expect("a number of messages"));
        }
        _ => return false,
    }
    true
}

/// Where messages come from, and where they go.
fn both(number: u64) -> (Round, Source, Sink) {
    let (setup, round) = (Setup::of(SIZE), Round { messages: number, check: false });
    let (mut source, mut sink) = (Source::new(setup, 0), Sink::new(setup, false));
    sink.begin(round);
    source.begin(round);
    (round, source, sink)
}

fn threads<S: Sender, R: Receiver>(number: u64, make: impl Fn(Setup) -> Ends<S, R>) {
    let (round, mut source, mut sink) = both(number);
    let (mut send, mut receive) = make(Setup::of(SIZE)).into_one();
    for number in 0..number {
        assert!(send(source.message(round, number)), "there is room");
        receive(&mut sink);
    }
    sink.finish();
}

fn tasks<S: AsyncSender, R: AsyncReceiver>(number: u64, make: impl Fn(Setup) -> Ends<S, R>) {
    let (round, mut source, mut sink) = both(number);
    let (mut sender, mut receiver) = make(Setup::of(SIZE)).into_one();
    for number in 0..number {
        at_once(sender.send(source.message(round, number)));
        at_once(receiver.receive(&mut sink));
    }
    sink.finish();
}

/// There is room, or a message: nobody is waited for. piper yields by chance all the same, and is polled again.
fn at_once(future: impl Future<Output = ()>) {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    let is_ready = (0..10).any(|_| future.as_mut().poll(&mut context).is_ready());
    assert!(is_ready, "there is room, and a message");
}

fn memcpys(number: u64) {
    let (round, mut source, mut sink) = both(number);
    let (_, mut pass) = crate::rivals::memcpys::new(Setup::of(SIZE));
    for number in 0..number {
        pass(source.message(round, number), &mut sink);
    }
    sink.finish();
}
