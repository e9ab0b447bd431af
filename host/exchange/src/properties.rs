//! [`Properties`]: values that plugins have set, under dotted names, bounded in number and bytes.

use bytes::Bytes;
use lockgate_abi::PropertyPath;
use smallvec::SmallVec;

/// A limit is reached, so nothing was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an exchange holds at most {} properties of {} bytes together",
    Properties::MAX_COUNT,
    Properties::MAX_BYTES
)]
pub struct PropertiesFull;

/// The properties that plugins have set. Plugins after them can read them.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    entries: SmallVec<[(Box<str>, Bytes); 2]>,
    /// Names of entries that stay as they are. Nearly always there is none.
    fixed: Vec<Box<str>>,
    bytes: usize,
}

impl Properties {
    /// Maximum number of properties.
    pub const MAX_COUNT: usize = 128;
    /// Maximum bytes of names and values together.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// The value of a dotted name.
    #[must_use]
    pub fn get(&self, dotted: &str) -> Option<&Bytes> {
        self.entries
            .iter()
            .find(|(name, _)| **name == *dotted)
            .map(|(_, value)| value)
    }

    /// The value of a path, whichever separator the guest used.
    #[must_use]
    pub fn find(&self, path: PropertyPath<'_>) -> Option<&Bytes> {
        self.entries
            .iter()
            .find(|(name, _)| path.is(name))
            .map(|(_, value)| value)
    }

    /// Sets or replaces a value.
    ///
    /// # Errors
    /// [`PropertiesFull`] if a limit would be exceeded. Nothing has changed then.
    pub fn set(&mut self, dotted: &str, value: Bytes) -> Result<(), PropertiesFull> {
        let old = self.entries.iter().position(|(name, _)| **name == *dotted);
        let freed = old.map_or(0, |at| dotted.len() + self.entries[at].1.len());
        let bytes = self.bytes - freed + dotted.len() + value.len();
        if bytes > Self::MAX_BYTES || (old.is_none() && self.entries.len() >= Self::MAX_COUNT) {
            return Err(PropertiesFull);
        }
        self.bytes = bytes;
        match old {
            Some(at) => self.entries[at].1 = value,
            None => self.entries.push((dotted.into(), value)),
        }
        Ok(())
    }

    /// A value stays as it is from now on, whoever wants to change it.
    pub fn fix(&mut self, dotted: &str) {
        if !self.is_fixed(dotted) {
            self.fixed.push(dotted.into());
        }
    }

    /// Whether a value stays as it is.
    #[must_use]
    pub fn is_fixed(&self, dotted: &str) -> bool {
        self.fixed.iter().any(|name| **name == *dotted)
    }

    /// Removes a value, if there is one.
    pub fn remove(&mut self, dotted: &str) {
        if let Some(at) = self.entries.iter().position(|(name, _)| **name == *dotted) {
            let (name, value) = self.entries.remove(at);
            self.bytes -= name.len() + value.len();
        }
    }

    /// All properties, in the order in which they were first set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_path_find_one_value() {
        let mut properties = Properties::default();
        properties.set("a.b", Bytes::from_static(b"1")).unwrap();
        properties.set("a.b", Bytes::from_static(b"22")).unwrap();
        for path in [&b"a\0b"[..], b"a.b"] {
            assert_eq!(properties.find(PropertyPath::parse(path).unwrap()).unwrap(), "22");
        }
        properties.remove("a.b");
        assert_eq!((properties.get("a.b"), properties.bytes), (None, 0));
    }

    #[test]
    fn neither_number_nor_bytes_grow_without_end() {
        let mut properties = Properties::default();
        assert_eq!(
            properties.set("big", Bytes::from(vec![0; Properties::MAX_BYTES])),
            Err(PropertiesFull)
        );
        for index in 0..Properties::MAX_COUNT {
            properties.set(&index.to_string(), Bytes::new()).unwrap();
        }
        assert_eq!(properties.set("more", Bytes::new()), Err(PropertiesFull));
        assert_eq!(properties.set("0", Bytes::from_static(b"again")), Ok(()));
    }
}
