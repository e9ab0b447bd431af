//! [`ChangeError`]: why an upstream was not changed.

/// Why an upstream was not changed. The text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No upstream has this name.
    #[error("found no upstream \"{name}\", expected {}", one_of(.known))]
    UnknownUpstream {
        /// The name.
        name: String,
        /// Names that there are.
        known: Vec<String>,
    },
    /// The upstream has no endpoint of this address.
    #[error("found no endpoint \"{address}\" in upstream \"{upstream}\", expected {}", one_of(.known))]
    UnknownEndpoint {
        /// The name of the upstream.
        upstream: String,
        /// The address.
        address: String,
        /// Addresses that there are.
        known: Vec<String>,
    },
    /// What was asked for is no valid change: where, and what was found and expected.
    #[error("{place}: {reason}")]
    Invalid {
        /// The value's place: `address`, or a key of the body.
        place: &'static str,
        /// What was found and expected.
        reason: String,
    },
    /// What is there now does not permit the change.
    #[error("{0}")]
    Conflict(String),
}

/// The most names that a message lists.
const MAX_SHOWN: usize = 12;

fn one_of(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(MAX_SHOWN).map(|name| format!("\"{name}\"")).collect();
    match (&shown[..], names.len()) {
        ([], _) => "one of none: there is none".to_owned(),
        ([only], 1) => only.clone(),
        (shown, all) if all > shown.len() => format!("one of {all}: {}, …", shown.join(", ")),
        (shown, _) => format!("one of {}", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(known: &[String]) -> String {
        let (name, known) = ("ordres".to_owned(), known.to_vec());
        ChangeError::UnknownUpstream { name, known }.to_string()
    }

    #[test]
    fn a_message_lists_what_there_is() {
        let found = "found no upstream \"ordres\", expected";
        assert_eq!(unknown(&[]), format!("{found} one of none: there is none"));
        assert_eq!(unknown(&["a".to_owned()]), format!("{found} \"a\""));
        assert_eq!(
            unknown(&["a".to_owned(), "b".to_owned()]),
            format!("{found} one of \"a\", \"b\"")
        );
        let many: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        assert!(unknown(&many).ends_with(
            "one of 40: \"0\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\", \"10\", \"11\", …"
        ));
    }
}
