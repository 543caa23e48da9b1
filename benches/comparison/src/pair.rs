//! Two contestants in turn.
//!
//! The speed of a machine drifts, a virtual one's more than others, so two figures that were taken
//! minutes apart say little about each other. Here ours and a rival take samples by turns in one
//! process, and the result is the median of the ratios of each pair. Where two threads take part, a
//! pair counts only if the cores were as far apart before, between and after its samples.

use crate::cores;
use crate::drivers::Team;
use crate::message::Round;

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

/// The most by which distances may differ within a pair.
const SAME_DISTANCE: f64 = 1.25;
/// How many pairs are taken for each that is wanted, until it is given up.
const ATTEMPTS: usize = 4;

/// The least of some figures, the lower quartile, the median, the upper quartile, and the most.
pub(crate) type Spread = [f64; 5];

/// Of no figures there is none.
fn spread(mut figures: Vec<f64>) -> Option<Spread> {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().checked_sub(1)?;
    Some([0.0, 0.25, 0.5, 0.75, 1.0].map(|part| {
        let place = part * last as f64;
        let (low, high) = (figures[place.floor() as usize], figures[place.ceil() as usize]);
        low + (high - low) * place.fract()
    }))
}

/// What a comparison came to.
pub(crate) struct Comparison {
    /// How many times as much ours gets done in the same time. Nothing if no pair was kept.
    pub(crate) ratio: Option<Spread>,
    /// Nanoseconds a message, of ours and of the rival.
    pub(crate) times: [f64; 2],
    /// How far apart the cores were in the pairs that were kept, in nanoseconds; nothing if one thread does all.
    pub(crate) apart: Option<Spread>,
    /// How many pairs were kept, and how many were taken.
    pub(crate) kept: usize,
    pub(crate) taken: usize,
}

/// Checks both, every byte of several laps of the ring, and then compares them.
pub(crate) fn compare(plan: Plan, size: usize, ours: &Team, theirs: &Team) -> Comparison {
    let teams = [ours, theirs];
    for team in teams {
        team.round(Round::check(size));
    }
    let messages = teams.map(|team| calibrate(plan, team));
    let sample = |which: usize| time(teams[which], messages[which]) / messages[which] as f64;
    let distance = || if ours.is_one_thread() { 0.0 } else { cores::distance() };
    let (mut kept, mut apart, mut taken) = (Vec::new(), Vec::new(), 0);
    while kept.len() < plan.pairs && taken < ATTEMPTS * plan.pairs {
        let before = distance();
        let our_time = sample(0);
        let between = distance();
        let their_time = sample(1);
        taken += 1;
        if are_same([before, between, distance()]) {
            kept.push([our_time, their_time]);
            apart.push(between);
        }
    }
    let median = |figures| spread(figures).map_or(f64::NAN, |spread| spread[2]);
    Comparison {
        ratio: spread(kept.iter().map(|[ours, theirs]| theirs / ours).collect()),
        times: [0, 1].map(|which| median(kept.iter().map(|pair| pair[which]).collect())),
        apart: spread(apart).filter(|[.., most]| *most > 0.0),
        kept: kept.len(),
        taken,
    }
}

/// How many messages take as long as a sample is to take. Warms up, too.
///
/// By the shortest of three rounds: a thread that is late once must not make all samples short.
fn calibrate(plan: Plan, team: &Team) -> u64 {
    let wanted = plan.seconds * 1e9;
    let mut messages = 64;
    loop {
        let shortest = [(); 3].map(|()| time(team, messages)).into_iter().fold(f64::MAX, f64::min);
        if shortest * 4.0 > wanted {
            return ((messages as f64 * wanted / shortest) as u64).max(1);
        }
        messages *= 4;
    }
}

/// The nanoseconds that so many messages take.
fn time(team: &Team, messages: u64) -> f64 {
    team.round(Round { messages, check: false }).as_nanos() as f64
}

fn are_same(distances: [f64; 3]) -> bool {
    let most = distances.into_iter().fold(0.0, f64::max);
    distances.into_iter().all(|distance| most <= distance * SAME_DISTANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_the_sorted_figures() {
        assert_eq!(spread(vec![5.0, 1.0, 3.0, 2.0, 4.0]), Some([1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(spread(Vec::new()), None);
    }

    #[test]
    fn distances_that_differ_are_told() {
        assert!(are_same([100.0, 120.0, 125.0]));
        assert!(!are_same([100.0, 126.0, 110.0]));
        assert!(are_same([0.0; 3]), "one core is as far from itself as ever");
    }
}
