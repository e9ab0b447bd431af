//! [`Period`]: a length of time with its unit, as in `"250ms"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::amount::{self, AmountError, Unit};

/// A length of time, written `"250ms"`, `"5s"`, `"1.5s"`, `"3m"`, `"1h"`. Units: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`.
/// At most nine digits before and after the point; a bare number is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Period(pub Duration);

/// Why a text is not a [`Period`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: expected {}", Period::EXPECTED)]
pub struct PeriodError {
    reason: &'static str,
}

/// From large to small.
const UNITS: [Unit; 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Pattern for the JSON Schema. [`FromStr`] accepts nothing that it does not match.
const PATTERN: &str = r"^[0-9]{1,9}(\.[0-9]{1,9})?(ns|us|ms|s|m|h|d)$";

impl Period {
    /// The shape in words, for error messages.
    pub const EXPECTED: &'static str = r#"a duration with its unit, like "250ms", "5s" or "3m""#;

    /// A period of whole milliseconds.
    pub const fn millis(millis: u64) -> Period {
        Period(Duration::from_millis(millis))
    }

    /// A period of whole seconds.
    pub const fn seconds(seconds: u64) -> Period {
        Period(Duration::from_secs(seconds))
    }

    /// The same as a [`Duration`].
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Period, PeriodError> {
        let nanos = amount::parse(text, &UNITS).map_err(|error| PeriodError {
            reason: match error {
                AmountError::Shape => "not a duration",
                AmountError::NoUnit => "a duration without a unit",
                AmountError::UnknownUnit => "a duration with an unknown unit",
                AmountError::TooLong => "a duration of too many digits",
                AmountError::Fraction => "a duration finer than a nanosecond",
            },
        })?;
        // Nine digits of days are 8.64e22 ns, more than u64 holds; seconds always fit.
        Ok(Period(Duration::new(
            (nanos / 1_000_000_000) as u64,
            (nanos % 1_000_000_000) as u32,
        )))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return out.write_str("0s");
        }
        let (number, unit) = amount::largest_whole(self.0.as_nanos(), &UNITS);
        write!(out, "{number}{unit}")
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Duration {
        period.0
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Period;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(Period::EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "title": Period::EXPECTED,
            "description": "A length of time with its unit: ns, us, ms, s, m, h or d.",
            "examples": ["250ms", "5s", "3m"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_read() {
        for (text, nanos) in [
            ("7ns", 7u128),
            ("7us", 7_000),
            ("250ms", 250_000_000),
            ("5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            ("3m", 180_000_000_000),
            ("1h", 3_600_000_000_000),
            ("2d", 172_800_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse::<Period>().unwrap().0.as_nanos(), nanos, "{text}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "not a duration"),
            ("s", "not a duration"),
            ("-5s", "not a duration"),
            (" 5s", "not a duration"),
            ("1.s", "not a duration"),
            ("1.2.3s", "not a duration"),
            ("5", "without a unit"),
            ("5 s", "unknown unit"),
            ("5sec", "unknown unit"),
            ("5S", "unknown unit"),
            ("1234567890s", "too many digits"),
            ("0.5ns", "finer than a nanosecond"),
        ] {
            let error = text.parse::<Period>().unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains(Period::EXPECTED),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_bare_number_in_json_is_refused() {
        let error = serde_json::from_str::<Period>("5").unwrap_err().to_string();
        assert!(error.contains(Period::EXPECTED), "{error}");
        assert_eq!(serde_json::from_str::<Period>("\"90s\"").unwrap(), Period::seconds(90));
        assert_eq!(serde_json::to_string(&Period::seconds(90)).unwrap(), "\"90s\"");
        assert_eq!(Period::seconds(120).to_string(), "2m");
        assert_eq!(Period::default().to_string(), "0s");
    }

    proptest! {
        #[test]
        fn a_printed_period_reads_back_as_itself(nanos in 0u64..1_000_000_000) {
            for scale in [1u64, 1_000, 1_000_000, 1_000_000_000] {
                let period = Period(Duration::from_nanos(nanos.saturating_mul(scale)));
                prop_assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
            }
        }
    }
}
