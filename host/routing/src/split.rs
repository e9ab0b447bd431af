//! [`Split`]: requests of one route spread over several upstreams by weight.

use crate::sampler::Sampler;

/// Branches with weights. Which one a request takes follows an even sequence that all workers share.
#[derive(Debug, Clone)]
pub struct Split<T> {
    branches: Vec<Branch<T>>,
    total: u64,
    sampler: Sampler,
}

#[derive(Debug, Clone)]
struct Branch<T> {
    target: T,
    weight: u32,
    /// The sum of the weights up to this one.
    end: u64,
}

impl<T> Split<T> {
    /// A split over these targets. None: no weight is above 0.
    pub fn new(targets: impl IntoIterator<Item = (T, u32)>) -> Option<Self> {
        let mut total = 0;
        let branches = targets.into_iter().map(|(target, weight)| {
            total += u64::from(weight);
            Branch {
                target,
                weight,
                end: total,
            }
        });
        let branches: Vec<_> = branches.collect();
        (total > 0).then(|| Self {
            branches,
            total,
            sampler: Sampler::new(Sampler::SPLIT),
        })
    }

    /// The target of the next request.
    pub fn choose(&self) -> &T {
        // Below the total, which is the end of the last branch.
        let at = ((u128::from(self.sampler.point()) * u128::from(self.total)) >> 64) as u64;
        let chosen = self.branches.iter().find(|branch| at < branch.end);
        &chosen.expect("a point is below the sum of the weights").target
    }

    /// The targets with their weights, in the order of the file.
    pub fn branches(&self) -> impl Iterator<Item = (&T, u32)> {
        self.branches.iter().map(|branch| (&branch.target, branch.weight))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn counts(weights: &[u32], picks: usize) -> Vec<usize> {
        let split = Split::new(weights.iter().copied().enumerate()).unwrap();
        let mut counts = vec![0; weights.len()];
        (0..picks).for_each(|_| counts[*split.choose()] += 1);
        counts
    }

    #[test]
    fn shares_are_within_two_percent_of_theory_on_100_000_picks() {
        for weights in [
            &[9, 1][..],
            &[1, 1],
            &[70, 20, 10],
            &[99, 1],
            &[1, 2, 3, 4, 5],
            &[1, 0, 1],
            &[1_000_000, 10_000],
        ] {
            let total: u32 = weights.iter().sum();
            for (weight, count) in weights.iter().zip(counts(weights, 100_000)) {
                let theory = f64::from(*weight) / f64::from(total) * 100_000.0;
                assert!(
                    (count as f64 - theory).abs() <= theory * 0.02,
                    "{weights:?}: {count} for {theory}"
                );
            }
        }
    }

    #[test]
    fn few_requests_are_split_evenly_too() {
        // Whatever the random start is: of ten, one goes to the tenth part, give or take one.
        for _ in 0..100 {
            let counts = counts(&[9, 1], 10);
            assert!((0..=2).contains(&counts[1]), "{counts:?}");
        }
    }

    #[test]
    fn no_weight_is_no_split() {
        assert!(Split::new([((), 0), ((), 0)]).is_none());
        assert!(Split::<()>::new([]).is_none());
    }

    proptest! {
        #[test]
        fn a_branch_of_weight_0_is_never_chosen(weights in vec(prop_oneof![Just(0u32), 1..1_000_000u32], 1..8)) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let counts = counts(&weights, 200);
            prop_assert!(weights.iter().zip(counts).all(|(weight, count)| *weight > 0 || count == 0));
        }
    }
}
