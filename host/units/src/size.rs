//! [`Size`]: a number of bytes with its unit, as in `"64KiB"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::amount::{self, AmountError, Unit};

/// A number of bytes, written `"512B"`, `"64KiB"`, `"1MiB"`, `"10MB"`. Units: `B`, `KB`, `MB`, `GB` (powers of 1000)
/// and `KiB`, `MiB`, `GiB` (powers of 1024). At most nine digits before and after the point; a bare number is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

/// Why a text is not a [`Size`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: expected {}", Size::EXPECTED)]
pub struct SizeError {
    reason: &'static str,
}

/// What is read.
const UNITS: [Unit; 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// What is printed, from large to small.
const PRINTED: [Unit; 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Pattern for the JSON Schema. [`FromStr`] accepts nothing that it does not match.
const PATTERN: &str = r"^[0-9]{1,9}(\.[0-9]{1,9})?(B|KB|MB|GB|KiB|MiB|GiB)$";

impl Size {
    /// The shape in words, for error messages.
    pub const EXPECTED: &'static str = r#"a size with its unit, like "64KiB", "1MiB" or "10MB""#;

    /// A size of whole KiB.
    pub const fn kib(kib: u32) -> Size {
        Size((kib as u64) << 10)
    }

    /// A size of whole MiB.
    pub const fn mib(mib: u32) -> Size {
        Size((mib as u64) << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; what does not fit becomes the longest.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Size, SizeError> {
        let bytes = amount::parse(text, &UNITS).map_err(|error| SizeError {
            reason: match error {
                AmountError::Shape => "not a size",
                AmountError::NoUnit => "a size without a unit",
                AmountError::UnknownUnit => "a size with an unknown unit",
                AmountError::TooLong => "a size of too many digits",
                AmountError::Fraction => "a size that is no whole number of bytes",
            },
        })?;
        // 999,999,999 GiB are less than 2^60 bytes.
        Ok(Size(bytes as u64))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = amount::largest_whole(u128::from(self.0), &PRINTED);
        write!(out, "{number}{unit}")
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(Size::EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": PATTERN,
            "title": Size::EXPECTED,
            "description": "A number of bytes with its unit: B, KB, MB, GB (powers of 1000), KiB, MiB or GiB (powers of 1024).",
            "examples": ["64KiB", "1MiB", "10MB"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_read() {
        for (text, bytes) in [
            ("512B", 512u64),
            ("64KiB", 65_536),
            ("64KB", 64_000),
            ("1MiB", 1_048_576),
            ("1.5MiB", 1_572_864),
            ("10MB", 10_000_000),
            ("2GiB", 2_147_483_648),
            ("2GB", 2_000_000_000),
            ("999999999GiB", 999_999_999 << 30),
        ] {
            assert_eq!(text.parse::<Size>().unwrap(), Size(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_its_reason() {
        for (text, reason) in [
            ("MiB", "not a size"),
            ("-1MiB", "not a size"),
            ("1024", "without a unit"),
            ("1mib", "unknown unit"),
            ("1 MiB", "unknown unit"),
            ("1234567890B", "too many digits"),
            ("0.3B", "no whole number of bytes"),
        ] {
            let error = text.parse::<Size>().unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains(Size::EXPECTED),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_bare_number_in_json_is_refused() {
        let error = serde_json::from_str::<Size>("1024").unwrap_err().to_string();
        assert!(error.contains(Size::EXPECTED), "{error}");
        assert_eq!(serde_json::from_str::<Size>("\"1KiB\"").unwrap(), Size::kib(1));
        assert_eq!(serde_json::to_string(&Size::mib(3)).unwrap(), "\"3MiB\"");
        assert_eq!(Size::default().to_string(), "0B");
    }

    proptest! {
        #[test]
        fn a_printed_size_reads_back_as_itself(number in 0u64..1_000_000_000, shift in 0u32..30) {
            let size = Size(number << shift);
            let printed = size.to_string();
            // Odd sizes above 1 GB print as more than nine digits of bytes; nobody writes those.
            if printed.len() <= 9 {
                prop_assert_eq!(printed.parse::<Size>().unwrap(), size);
            }
        }
    }
}
