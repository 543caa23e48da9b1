//! Two contestants in turn.
//!
//! The speed of a machine drifts, a virtual one's more than others, so two figures that were taken
//! minutes apart say little about each other. Here ours and a rival take samples by turns in one
//! process, and the result is the median of the ratios of each pair. Where two threads take part, a
//! pair counts only if the cores were as far apart before, between and after its samples.

use crate::cores;
use crate::drivers::Contestant;
use crate::message::Round;
use std::time::Duration;

/// How much is measured.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many pairs of samples each comparison takes.
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    /// How long a sample takes.
    #[arg(long, default_value_t = 0.1)]
    seconds: f64,
}

/// How many cores the contestants use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// One, so that it does not matter how far apart they are.
    One,
    Several,
}

impl Cores {
    /// With one worker it does not matter how far it is to the other core.
    pub(crate) fn of_workers(workers: usize) -> Self {
        if workers == 1 { Self::One } else { Self::Several }
    }
}

/// The most by which distances may differ within a pair.
const SAME_DISTANCE: f64 = 1.25;
/// How many pairs are taken for each that is wanted, until it is given up.
const ATTEMPTS: usize = 4;

/// The median of some figures, and how they are spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of none there is none.
    pub(crate) fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let last = figures.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let (low, high) = (figures[place.floor() as usize], figures[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Some(Self { min: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75), max: at(1.0) })
    }
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// How many times as much ours gets done in the same time. Nothing if no pair was kept.
    pub(crate) ratio: Option<Spread>,
    /// Nanoseconds a message.
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// How many pairs were kept, and how many were taken.
    pub(crate) kept: usize,
    pub(crate) taken: usize,
}

/// Checks both, every byte of several laps of the ring, and then compares them.
pub(crate) fn compare(
    plan: Plan,
    cores: Cores,
    size: usize,
    ours: &mut dyn Contestant,
    theirs: &mut dyn Contestant,
) -> Comparison {
    ours.round(Round::check(size));
    theirs.round(Round::check(size));
    let our_messages = calibrate(plan, ours);
    let their_messages = calibrate(plan, theirs);
    let distance = || match cores {
        Cores::One => None,
        Cores::Several => cores::distance(),
    };
    let (mut kept, mut taken) = (Vec::new(), 0);
    while kept.len() < plan.pairs && taken < ATTEMPTS * plan.pairs {
        let before = distance();
        let our_time = sample(ours, our_messages);
        let between = distance();
        let their_time = sample(theirs, their_messages);
        let after = distance();
        taken += 1;
        if are_same(&[before, between, after]) {
            kept.push((our_time, their_time));
        }
    }
    let median = |figures| Spread::of(figures).map_or(f64::NAN, |spread| spread.median);
    Comparison {
        ratio: Spread::of(kept.iter().map(|(ours, theirs)| theirs / ours).collect()),
        ours: median(kept.iter().map(|&(ours, _)| ours).collect()),
        theirs: median(kept.iter().map(|&(_, theirs)| theirs).collect()),
        kept: kept.len(),
        taken,
    }
}

/// How many messages take as long as a sample is to take. Warms up, too.
///
/// By the shortest of three rounds: a thread that is late once must not make all samples short.
fn calibrate(plan: Plan, contestant: &mut dyn Contestant) -> u64 {
    let mut messages = 64;
    loop {
        let rounds = [(); 3].map(|()| time(contestant, messages).as_secs_f64());
        let shortest = rounds.into_iter().fold(f64::INFINITY, f64::min);
        if shortest * 4.0 > plan.seconds {
            return ((messages as f64 * plan.seconds / shortest) as u64).max(1);
        }
        messages *= 4;
    }
}

fn time(contestant: &mut dyn Contestant, messages: u64) -> Duration {
    contestant.round(Round { messages, check: false })
}

/// Nanoseconds a message.
fn sample(contestant: &mut dyn Contestant, messages: u64) -> f64 {
    time(contestant, messages).as_nanos() as f64 / messages as f64
}

fn are_same(distances: &[Option<f64>]) -> bool {
    let known = || distances.iter().flatten().copied();
    let (min, max) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
    max <= min * SAME_DISTANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_the_sorted_figures() {
        let spread = Spread::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!([spread.min, spread.lower, spread.median], [1.0, 2.0, 3.0]);
        assert_eq!([spread.upper, spread.max], [4.0, 5.0]);
        assert!(Spread::of(Vec::new()).is_none());
    }

    #[test]
    fn distances_that_differ_are_told() {
        assert!(are_same(&[Some(100.0), Some(120.0), Some(125.0)]));
        assert!(!are_same(&[Some(100.0), Some(126.0), Some(110.0)]));
        assert!(are_same(&[None, None, None]), "one core is as far from itself as ever");
    }
}
