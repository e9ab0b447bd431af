//! The order in which endpoints are picked: one cycle of smooth weighted round robin, computed once.
//!
//! A pick is then one atomic step and an array access, whatever the number of endpoints. Picking at random from the same cycle uses
//! the same weights.

/// The longest cycle. Weights whose sum is larger, after division by their greatest common divisor, are scaled down to fit; every
/// weight above zero keeps at least one position.
const MAX_CYCLE: u64 = 1 << 16;

/// The indexes of endpoints in the order of one cycle: each as often as its weight says, relative to the others, and as evenly spread
/// as possible (nginx's algorithm). Empty when no endpoint has any weight.
pub(crate) fn cycle(weights: &[u16]) -> Box<[u32]> {
    let weights = reduced(weights);
    let total: u64 = weights.iter().sum();
    if weights.iter().all(|&weight| weight <= 1) {
        return (0u32..)
            .zip(&weights)
            .filter(|(_, weight)| **weight == 1)
            .map(|(index, _)| index)
            .collect();
    }
    let mut current = vec![0i64; weights.len()];
    (0..total)
        .map(|_| {
            let mut best = 0;
            for (index, weight) in weights.iter().enumerate() {
                current[index] += *weight as i64;
                if current[index] > current[best] {
                    best = index;
                }
            }
            current[best] -= total as i64;
            best as u32
        })
        .collect()
}

/// The same proportions in the smallest numbers, scaled down if the cycle would be too long.
fn reduced(weights: &[u16]) -> Vec<u64> {
    let divisor = weights
        .iter()
        .fold(0, |divisor, &weight| {
            greatest_common_divisor(divisor, u64::from(weight))
        })
        .max(1);
    let weights: Vec<u64> = weights.iter().map(|&weight| u64::from(weight) / divisor).collect();
    let total: u64 = weights.iter().sum();
    if total <= MAX_CYCLE {
        return weights;
    }
    weights
        .into_iter()
        .map(|weight| {
            if weight == 0 {
                0
            } else {
                (weight * MAX_CYCLE / total).max(1)
            }
        })
        .collect()
}

fn greatest_common_divisor(left: u64, right: u64) -> u64 {
    if right == 0 {
        left
    } else {
        greatest_common_divisor(right, left % right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_endpoints_are_spread_over_the_cycle() {
        assert_eq!(*cycle(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(*cycle(&[1, 2]), [1, 0, 1]);
    }

    #[test]
    fn equal_weights_take_turns_and_zero_is_left_out() {
        assert_eq!(*cycle(&[7, 7, 0, 7]), [0, 1, 3]);
        assert!(cycle(&[0, 0]).is_empty());
        assert!(cycle(&[]).is_empty());
    }

    #[test]
    fn weights_are_exact_over_a_cycle() {
        let weights = [1000, 1, 333, 0, 10];
        let cycle = cycle(&weights);
        for (index, &weight) in weights.iter().enumerate() {
            assert_eq!(
                cycle.iter().filter(|&&chosen| chosen == index as u32).count(),
                usize::from(weight)
            );
        }
    }

    #[test]
    fn a_cycle_that_would_be_too_long_is_scaled_and_leaves_nobody_out() {
        let mut weights = vec![1000; 200];
        weights.push(1);
        let cycle = cycle(&weights);
        assert!(cycle.len() as u64 <= MAX_CYCLE + 200, "{}", cycle.len());
        assert_eq!(cycle.iter().filter(|&&chosen| chosen == 200).count(), 1);
    }
}
