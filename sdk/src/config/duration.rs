//! [`Duration`]: a duration with its unit, as in the gateway's own configuration.

use std::fmt;
use std::time;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A duration, written `"250ms"`, `"5s"`, `"1.5s"`, `"3m"`, `"1h"` or `"1d"`. A number without a unit is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub time::Duration);

/// The units and their lengths in nanoseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl Duration {
    /// The description for error messages.
    pub const EXPECTED: &'static str = r#"a duration with its unit, like "250ms", "5s" or "3m""#;

    /// Parses a duration. `None` if the text is invalid, or has more than nine digits on either side of the point.
    pub fn parse(text: &str) -> Option<Duration> {
        let end = text.find(|character: char| character.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at(end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (number, ""),
        };
        let power = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let nanoseconds = u128::from(digits(whole)?) * u128::from(*scale)
            + if fraction.is_empty() {
                0
            } else {
                u128::from(digits(fraction)?) * u128::from(*scale) / power
            };
        let seconds = u64::try_from(nanoseconds / 1_000_000_000).ok()?;
        let rest = u32::try_from(nanoseconds % 1_000_000_000).ok()?;
        Some(Duration(time::Duration::new(seconds, rest)))
    }

    /// The duration in whole milliseconds.
    pub fn milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A number of one to nine digits.
pub(crate) fn digits(text: &str) -> Option<u32> {
    let all_digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(Duration::EXPECTED)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                Duration::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        let milliseconds = |text| Duration::parse(text).map(Duration::milliseconds);
        assert_eq!(milliseconds("250ms"), Some(250));
        assert_eq!(milliseconds("1.5s"), Some(1_500));
        assert_eq!(milliseconds("3m"), Some(180_000));
        assert_eq!(milliseconds("1h"), Some(3_600_000));
        assert_eq!(milliseconds("999999999d"), Some(86_399_999_913_600_000));
    }

    #[test]
    fn an_invalid_duration_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "5x",
            "1.s",
            ".5s",
            "1.2.3s",
            "1e3s",
            "1234567890s",
            "5S",
        ] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
        assert!(serde_json::from_str::<Duration>("5").is_err());
        assert!(serde_json::from_str::<Duration>("\"5s\"").is_ok());
    }
}
