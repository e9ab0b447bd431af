//! JSON pointers (RFC 6901), built while a document is walked.

use std::fmt;

/// The path from the document's root to a value. The root's own is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    pub fn root() -> Pointer {
        Pointer::default()
    }

    /// The pointer of a text that [`Pointer::as_str`] gave.
    pub fn parsed(text: &str) -> Pointer {
        Pointer(text.to_owned())
    }

    /// The member `name` of the object here.
    pub fn key(&self, name: &str) -> Pointer {
        Pointer(format!("{}/{}", self.0, name.replace('~', "~0").replace('/', "~1")))
    }

    /// The item at `index` of the array here.
    pub fn index(&self, index: usize) -> Pointer {
        Pointer(format!("{}/{index}", self.0))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this value or inside it.
    pub fn holds(&self, other: &Pointer) -> bool {
        other
            .0
            .strip_prefix(&self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The reference tokens of a pointer's text, unescaped; none if it is not a pointer.
pub fn tokens(pointer: &str) -> Option<impl Iterator<Item = String> + '_> {
    let rest = match pointer.strip_prefix('/') {
        Some(rest) => Some(rest),
        None if pointer.is_empty() => None,
        None => return None,
    };
    Some(
        rest.into_iter()
            .flat_map(|rest| rest.split('/'))
            .map(|token| token.replace("~1", "/").replace("~0", "~")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_undo_what_key_and_index_did() {
        let pointer = Pointer::root().key("a/b").key("~1").index(3).key("");
        assert_eq!(pointer.as_str(), "/a~1b/~01/3/");
        assert_eq!(
            tokens(pointer.as_str()).unwrap().collect::<Vec<_>>(),
            ["a/b", "~1", "3", ""]
        );
        assert_eq!(tokens("").unwrap().count(), 0);
        assert!(tokens("a").is_none());
    }

    #[test]
    fn a_pointer_holds_itself_and_its_inside_but_not_its_namesakes() {
        let a = Pointer::root().key("a");
        assert!(a.holds(&a) && a.holds(&a.key("b")) && Pointer::root().holds(&a));
        assert!(!a.holds(&Pointer::root().key("ab")) && !a.key("b").holds(&a));
    }
}
