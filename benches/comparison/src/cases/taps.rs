//! What taps, readers that may be overrun, cost the writer.

use super::*;
use crate::rivals::{outcry, tokio_broadcast};

pub(super) const CASE: Case = Case {
    name: "taps",
    about: include_str!("taps.md"),
    runs: &[(64, of::<64>), (1024, of::<1024>)],
};

/// How the taps are read: by turns, or else by another thread.
type Kind = Option<(Pace, Timed)>;

const KINDS: [(&str, Kind); 5] = [
    ("keeping up, writes", Some((Pace::KeepingUp, Timed::Writes))),
    ("keeping up, all", Some((Pace::KeepingUp, Timed::All))),
    ("overrun, writes", Some((Pace::Overrun, Timed::Writes))),
    ("overrun, all", Some((Pace::Overrun, Timed::All))),
    ("another thread reads", None),
];

fn start(kind: Kind, setup: Setup, ends: Ends<impl Sender, impl Receiver>) -> Team {
    match kind {
        Some(turns) => by_turns(setup, turns, ends),
        None => overrun(setup, ends),
    }
}

/// What is compared with itself, with and without taps.
fn ours_alone(kind: Kind, setup: Setup) -> Team {
    match kind {
        Some(_) => start(kind, setup, ours::weak_beside_strong(setup)),
        None => start(kind, setup, ours::weak(setup)),
    }
}

fn of<const N: usize>(options: &Options, size: usize) {
    for (words, kind) in KINDS {
        let name = format!("{words}, {}", bytes(size));
        let setup = Setup { readers: 4, wait: Wait::Spin, ..Setup::of(size) };
        if !matches!(kind, Some((_, Timed::All))) {
            options
                .group(name.clone(), setup, move |s| ours_alone(kind, s))
                .goal(kind.map(|_| 1.0 / 1.1))
                .against("ours without taps", |s| ours_alone(kind, Setup { readers: 0, ..s }));
        }
        let mut group = options.group(name, setup, move |s| start(kind, s, ours::weak(s)));
        group.against("tokio broadcast", |s| start(kind, s, tokio_broadcast::new(s, array::<N>)));
        if N > 64 {
            group.against("tokio broadcast, Arc", |s| {
                start(kind, s, tokio_broadcast::new(s, shared))
            });
        }
        group.best(3.0).against("outcry", |s| start(kind, s, outcry::new(s)));
    }
}
