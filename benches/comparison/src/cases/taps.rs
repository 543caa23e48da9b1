//! What taps, readers that may be overrun, cost the writer.

use super::*;
use crate::rivals::{outcry, tokio_broadcast};

pub(super) const CASE: Case = Case {
    name: "taps",
    title: "Taps: four readers that may be overrun",
    about: "*By turns*, on one thread, so that only what is timed is timed: it writes half a \
ring of messages at a time; taps that *keep up* then read all of these; those that are *overrun* are \
looked at after every third lap of the ring, find a gap, always, and read one message. *Writes*: only \
the writes are timed. *All*: those and the reads of the taps. Against our own ring without taps, a \
strong reader reads everything in both, untimed; otherwise there is none. *Another thread reads*: one \
thread writes as fast as it can, and another, on another core, lets the four taps read by turns, for \
as long as that takes; what they miss is not counted, and only the writes are timed. The row \
against ours without taps has no target there: without taps, the ring never leaves the writer's \
cache. Records of tokio's broadcast are passed by value, for 1 KiB also in an `Arc`. After a gap, \
outcry's readers go on at the newest message and have nothing to read.",
    run,
};

const TAPS: usize = 4;

/// How the taps are read.
#[derive(Clone, Copy)]
enum Kind {
    ByTurns(Pace, Timed),
    AnotherThread,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::ByTurns(Pace::KeepingUp, Timed::Writes) => "keeping up, writes",
            Self::ByTurns(Pace::KeepingUp, Timed::All) => "keeping up, all",
            Self::ByTurns(Pace::Overrun, Timed::Writes) => "overrun, writes",
            Self::ByTurns(Pace::Overrun, Timed::All) => "overrun, all",
            Self::AnotherThread => "another thread reads",
        }
    }

    fn cores(self) -> Cores {
        match self {
            Self::ByTurns(..) => Cores::One,
            Self::AnotherThread => Cores::Several,
        }
    }

    fn start(self, setup: Setup, ends: Ends<impl Sender, impl Receiver>) -> Box<dyn Contestant> {
        match self {
            Self::ByTurns(pace, timed) => by_turns(setup, (pace, timed), ends),
            Self::AnotherThread => overrun(setup, ends),
        }
    }
}

fn run(sheet: &mut Sheet<'_>) {
    of::<64>(sheet);
    of::<1024>(sheet);
}

fn of<const N: usize>(sheet: &mut Sheet<'_>) {
    if !sheet.wants(N) {
        return;
    }
    for pace in [Pace::KeepingUp, Pace::Overrun] {
        let kind = Kind::ByTurns(pace, Timed::Writes);
        let ours = move |s| kind.start(s, ours::weak_beside_strong(s));
        sheet
            .group(name(kind, N), Cores::One, setup(N), ours)
            .goal(Target::Cost(1.1))
            .against(ALONE, |s| without_taps(s, |s| kind.start(s, ours::weak_beside_strong(s))));
        others::<N>(sheet, kind);
        others::<N>(sheet, Kind::ByTurns(pace, Timed::All));
    }
    let kind = Kind::AnotherThread;
    sheet
        .group(name(kind, N), Cores::Several, setup(N), move |s| kind.start(s, ours::weak(s)))
        .against(ALONE, |s| without_taps(s, |s| kind.start(s, ours::weak(s))));
    others::<N>(sheet, kind);
}

fn name(kind: Kind, size: usize) -> String {
    format!("{}, {}", kind.words(), bytes(size))
}

fn setup(size: usize) -> Setup {
    Setup { readers: TAPS, ..Setup::of(size) }
}

const ALONE: &str = "ours without taps";

fn without_taps<T>(setup: Setup, make: impl Fn(Setup) -> T) -> T {
    make(Setup { readers: 0, ..setup })
}

fn others<const N: usize>(sheet: &mut Sheet<'_>, kind: Kind) {
    let ours = move |s| kind.start(s, ours::weak(s));
    let mut group = sheet.group(name(kind, N), kind.cores(), setup(N), ours);
    group.against("tokio broadcast", |s| kind.start(s, tokio_broadcast::new::<_, [u8; N]>(s)));
    if N > 64 {
        group.against("tokio broadcast, Arc", |s| {
            kind.start(s, tokio_broadcast::new::<_, Arc<[u8]>>(s))
        });
    }
    group.best(Target::Ratio(3.0)).against("outcry", |s| kind.start(s, outcry::new(s)));
}
