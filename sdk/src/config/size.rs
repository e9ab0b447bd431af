//! [`Size`]: a size in bytes with its unit, as in the gateway's own configuration.

use crate::config::duration::digits;

/// A size in bytes, written `"512B"`, `"64KiB"`, `"1MiB"` or `"10MB"`: `KB`, `MB`, `GB` are powers of 1000, `KiB`,
/// `MiB`, `GiB` of 1024. A number without a unit is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// The units and their numbers of bytes.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl Size {
    /// The description for error messages.
    pub const EXPECTED: &'static str = r#"a size with its unit, like "64KiB", "1MiB" or "10MB""#;

    /// Parses a size. `None` if the text is invalid, is not a whole number of bytes, or has more than nine digits on
    /// either side of the point.
    pub fn parse(text: &str) -> Option<Size> {
        let end = text.find(|character: char| character.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at(end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let Some((whole, fraction)) = number.split_once('.') else {
            return Some(Size(u64::from(digits(number)?) * scale));
        };
        let parts = u64::from(digits(fraction)?) * scale;
        let power = 10u64.pow(u32::try_from(fraction.len()).ok()?);
        let exact = (parts % power == 0).then_some(parts / power)?;
        Some(Size(u64::from(digits(whole)?) * scale + exact))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a `usize`, saturating.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        let bytes = |text| Size::parse(text).map(Size::bytes);
        assert_eq!(bytes("512B"), Some(512));
        assert_eq!(bytes("64KiB"), Some(65_536));
        assert_eq!(bytes("10MB"), Some(10_000_000));
        assert_eq!(bytes("1.5MiB"), Some(1_572_864));
        assert_eq!(bytes("999999999GiB"), Some(999_999_999 << 30));
    }

    #[test]
    fn an_invalid_size_is_refused() {
        for text in [
            "",
            "5",
            "B",
            "5 B",
            "-5B",
            "5kB",
            "1.B",
            ".5B",
            "1.5B",
            "0.3KiB",
            "1e3B",
            "1234567890B",
            "1.2.3MiB",
        ] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }
}
