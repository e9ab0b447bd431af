//! The split of users between two versions: a hash assigns each user to one of 10,000 buckets, and the first ones
//! belong to the canary. No host call is made here.
//!
//! The hash must not change between releases: users would change their version.

use lockgate_sdk::ConfigError;

/// One of the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Stable,
    Canary,
}

/// The number of buckets, a hundredth of a percent each.
const BUCKETS: u64 = 10_000;

/// The canary's share of the users, in buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight(u64);

impl Weight {
    /// The weight of a percentage with up to two decimals.
    pub(crate) fn percent(percent: f64) -> Result<Weight, ConfigError> {
        let buckets = percent * 100.0;
        // 12.34 is not exact in binary, so it is rounded to the nearest hundredth.
        if !(0.0..=10_000.0).contains(&buckets) || (buckets - buckets.round()).abs() > 1e-6 {
            let message = "a weight must be a percentage from 0 to 100 with at most two decimals";
            return Err(ConfigError::at("/weight", message));
        }
        Ok(Weight(buckets.round() as u64))
    }

    /// The version of a bucket. The canary's buckets stay the canary's when the weight rises.
    fn version(self, bucket: u64) -> Version {
        if bucket < self.0 {
            Version::Canary
        } else {
            Version::Stable
        }
    }
}

/// The split of users between two versions.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) salt: String,
    pub(crate) weight: Weight,
}

impl Split {
    /// The version of a user. It depends on the salt, the weight and the user only.
    pub(crate) fn version(&self, user: &str) -> Version {
        self.weight.version(bucket(&self.salt, user))
    }
}

/// The bucket of a user.
fn bucket(salt: &str, user: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    // The byte 0xff never occurs in UTF-8, so that ("a", "bc") and ("ab", "c") differ.
    for byte in salt.bytes().chain([0xff]).chain(user.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    finalize(hash) % BUCKETS
}

/// The finalizer of SplitMix64: FNV-1a alone leaves similar users in near buckets.
fn finalize(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(salt: &str, percent: f64) -> Split {
        Split {
            salt: salt.to_owned(),
            weight: Weight::percent(percent).expect("a weight"),
        }
    }

    fn users() -> impl Iterator<Item = String> {
        (0..20_000).map(|number| format!("user-{number}"))
    }

    #[test]
    fn raising_the_weight_moves_no_user_back_to_stable() {
        let weights = [0.0, 0.01, 1.0, 10.0, 20.0, 50.0, 99.99, 100.0];
        for user in users() {
            let versions: Vec<_> = weights
                .iter()
                .map(|weight| split("s", *weight).version(&user))
                .collect();
            let first = versions
                .iter()
                .position(|version| *version == Version::Canary)
                .expect("all at 100 %");
            assert!(
                versions[first..].iter().all(|version| *version == Version::Canary),
                "{user}: {versions:?}"
            );
            assert_eq!(versions[0], Version::Stable, "nobody at 0 %");
        }
    }

    #[test]
    fn the_share_is_near_the_weight() {
        for percent in [1.0, 10.0, 50.0, 90.0] {
            let split = split("2026-11", percent);
            let share = users().filter(|user| split.version(user) == Version::Canary).count() as f64 / 200.0;
            // Four standard deviations of 20,000 draws at 50 % are 1.4 percent points.
            assert!((share - percent).abs() < 1.4, "{percent} % wanted, {share} % got");
        }
    }

    #[test]
    fn another_salt_chooses_other_users() {
        let (one, two) = (split("one", 50.0), split("two", 50.0));
        let same = users().filter(|user| one.version(user) == two.version(user)).count();
        assert!((9_000..11_000).contains(&same), "{same} of 20,000 are on the same side");
        assert_ne!(bucket("a", "bc"), bucket("ab", "c"));
    }

    #[test]
    fn the_hash_stays_what_it_was() {
        // Computed by another implementation.
        assert_eq!(bucket("", ""), 4141);
        assert_eq!(bucket("salt", "alice"), 1402);
        assert_eq!(bucket("salt", "bob"), 5450);
    }

    #[test]
    fn weights_are_percentages_with_two_decimals() {
        assert_eq!(Weight::percent(12.34), Ok(Weight(1_234)));
        assert_eq!(Weight::percent(0.07), Ok(Weight(7)));
        for percent in [-0.01, 100.01, 12.345, f64::NAN, f64::INFINITY] {
            assert!(Weight::percent(percent).is_err(), "{percent}");
        }
    }
}
