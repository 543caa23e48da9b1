//! What taps, readers that may be overrun, cost the writer.

use super::*;
use crate::rivals::{outcry, tokio_broadcast};

pub(super) const RUNS: Runs = &[(64, of::<64>), (1024, of::<1024>)];

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

fn of<const N: usize>(options: &Options, size: usize) {
    for (words, kind) in KINDS {
        let name = format!("{words}, {}", length(size));
        let setup = Setup { readers: 4, wait: Wait::Spin, ..Setup::of(size) };
        // Ours with itself, with and without taps: by turns there is a strong reader besides.
        if !matches!(kind, Some((_, Timed::All))) {
            let ours = move |s| ours::weak(s, kind.is_some());
            options
                .group(name.clone(), setup, move |s, e| start(kind, s, e), ours)
                .goal(kind.map(|_| 1.0 / 1.1))
                .against(
                    "ours without taps",
                    |s, e| start(kind, s, e),
                    |s| ours(Setup { readers: 0, ..s }),
                );
        }
        let ours = |s| ours::weak(s, false);
        let mut group = options.group(name, setup, move |s, e| start(kind, s, e), ours);
        group.against(
            "tokio broadcast",
            |s, e| start(kind, s, e),
            |s| tokio_broadcast::new(s, array::<N>),
        );
        if N > 64 {
            let shared = |s| tokio_broadcast::new(s, shared);
            group.against("tokio broadcast, Arc", |s, e| start(kind, s, e), shared);
        }
        group.best(1.5).against("outcry", |s, e| start(kind, s, e), outcry::new);
    }
}
