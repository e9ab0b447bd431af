//! Weights as registries have them (fractions, large numbers) to weights of endpoints: whole numbers from 0 to 1000.

use lockgate_upstream::Weight;

/// The weights in the same proportions. What has a weight above zero keeps one.
pub(crate) fn scaled(weights: &[f64]) -> Vec<Weight> {
    let finite = |weight: &f64| if weight.is_finite() { weight.max(0.0) } else { 0.0 };
    let weights: Vec<f64> = weights.iter().map(finite).collect();
    let highest = weights.iter().copied().fold(0.0, f64::max);
    let has_fractions = weights.iter().any(|weight| weight.fract() != 0.0);
    let limit = f64::from(Weight::MAX);
    let factor = match (has_fractions, highest > limit) {
        (false, false) => 1.0,
        (true, _) if highest * 100.0 <= limit => 100.0,
        _ => limit / highest,
    };
    let scale = |weight: &f64| match *weight {
        0.0 => 0,
        // It is between 1 and 1000.
        weight => (weight * factor).round().clamp(1.0, limit) as u16,
    };
    weights
        .iter()
        .map(|weight| Weight::new(scale(weight)).unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_within_the_range() {
        for (given, expected) in [
            (&[1.0, 3.0, 0.0][..], &[1, 3, 0][..]),
            (&[1.0, 0.5], &[100, 50]),
            (&[20.5, 41.0], &[500, 1000]),
            (&[1.0, 65535.0], &[1, 1000]),
            (&[10000.0, 5000.0], &[1000, 500]),
            (&[f64::NAN, -3.0, f64::INFINITY, 2.0], &[0, 0, 0, 2]),
        ] {
            let scaled: Vec<u16> = scaled(given).iter().map(|weight| weight.value()).collect();
            assert_eq!(scaled, expected, "{given:?}");
        }
    }
}
