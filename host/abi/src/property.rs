//! Property paths (names separated by NULs) and the encoding of property values.
//!
//! Which properties exist is defined in the sandbox. Values have no type tag: an integer is 8 bytes, little endian, and the guest
//! knows what it has asked for.

/// A path such as `request\0headers\0x-user`, untrusted.
///
/// Plugins may also write `.` for NUL. So each path has one dotted spelling, which is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyPath<'a>(&'a str);

impl<'a> PropertyPath<'a> {
    /// Maximum length. Longer paths are refused.
    pub const MAX_LEN: usize = 1024;

    /// Parses a path. `None` if it is empty, too long or not UTF-8. A NUL at the end is ignored, because C++ guests send one.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > Self::MAX_LEN {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let text = text.strip_suffix('\0').unwrap_or(text);
        (!text.is_empty()).then_some(Self(text))
    }

    /// The parts between NULs. A path without NULs is one part, with its dots.
    pub fn parts(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.split('\0')
    }

    /// The dotted spelling, whichever separator the guest used.
    #[must_use]
    pub fn dotted(self) -> String {
        self.0.replace('\0', ".")
    }

    /// Whether `dotted` is the dotted spelling. Nothing is allocated.
    #[must_use]
    pub fn is(self, dotted: &str) -> bool {
        let same = |(ours, theirs): (u8, u8)| ours == theirs || (ours == 0 && theirs == b'.');
        self.0.len() == dotted.len() && self.0.bytes().zip(dotted.bytes()).all(same)
    }
}

/// The value of a property before encoding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PropertyValue {
    /// 8 bytes, little endian.
    Int(i64),
    /// 8 bytes, little endian.
    Uint(u64),
    /// One byte, 0 or 1.
    Bool(bool),
    /// A duration, or a time since 1970: 8 bytes, little endian.
    Nanoseconds(i64),
}

impl PropertyValue {
    /// The encoded value. At most 8 bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Int(value) | Self::Nanoseconds(value) => value.to_le_bytes().to_vec(),
            Self::Uint(value) => value.to_le_bytes().to_vec(),
            Self::Bool(value) => vec![u8::from(value)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_and_dot_name_the_same_property() {
        let nul = PropertyPath::parse(b"lockgate\0consumer\0name").unwrap();
        let dot = PropertyPath::parse(b"lockgate.consumer.name").unwrap();
        assert_eq!(nul.dotted(), dot.dotted());
        assert!(nul.is("lockgate.consumer.name") && dot.is("lockgate.consumer.name"));
        assert!(!nul.is("lockgate.consumer.nam") && !dot.is("lockgate\0consumer\0name"));
    }

    #[test]
    fn a_trailing_nul_is_tolerated_and_nothing_is_no_path() {
        assert_eq!(
            PropertyPath::parse(b"node\0").map(PropertyPath::dotted),
            Some("node".to_owned())
        );
        for bad in [&b""[..], b"\0", b"\xff\xfe", &[b'a'; PropertyPath::MAX_LEN + 1]] {
            assert_eq!(PropertyPath::parse(bad), None);
        }
    }

    #[test]
    fn values_have_the_width_the_guest_expects() {
        assert_eq!(PropertyValue::Int(-2).to_bytes(), (-2_i64).to_le_bytes());
        assert_eq!(PropertyValue::Uint(7).to_bytes().len(), 8);
        assert_eq!(PropertyValue::Bool(true).to_bytes(), [1]);
    }
}
