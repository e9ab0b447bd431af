//! Names of entries in the store: a key within a scope. A lookup does not join the two.

use std::hash::{BuildHasher, RandomState};

/// A name as a caller gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) scope: &'a str,
    pub(crate) key: &'a str,
    /// Distinguishes entries with the same scope and key. 0 where there is only one.
    pub(crate) tag: u64,
}

impl<'a> Name<'a> {
    pub(crate) fn new(scope: &'a str, key: &'a str) -> Self {
        Self { scope, key, tag: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.scope.len() + self.key.len()
    }

    /// Seeded per process, as keys come from clients.
    pub(crate) fn hash(&self, state: &RandomState) -> u64 {
        state.hash_one((self.scope, self.key, self.tag))
    }
}

/// A name as the store keeps it.
#[derive(Clone, Debug)]
pub(crate) struct OwnedName {
    text: Box<str>,
    scope: usize,
    tag: u64,
}

impl OwnedName {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn is(&self, name: &Name<'_>) -> bool {
        self.tag == name.tag
            && self.scope == name.scope.len()
            && self.text.len() == name.len()
            && self.text.as_bytes().starts_with(name.scope.as_bytes())
            && self.text.as_bytes().ends_with(name.key.as_bytes())
    }
}

impl From<Name<'_>> for OwnedName {
    fn from(name: Name<'_>) -> Self {
        let mut text = String::with_capacity(name.len());
        text.push_str(name.scope);
        text.push_str(name.key);
        Self {
            text: text.into(),
            scope: name.scope.len(),
            tag: name.tag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_and_key_do_not_run_into_each_other() {
        let kept = OwnedName::from(Name::new("ab", "c"));
        assert!(kept.is(&Name::new("ab", "c")));
        for other in [
            Name::new("a", "bc"),
            Name::new("abc", ""),
            Name {
                tag: 1,
                ..Name::new("ab", "c")
            },
        ] {
            assert!(!kept.is(&other), "{other:?}");
        }
    }
}
