//! Which headers a plugin may see and change, if its operator has restricted that.

/// An allow-list of names and of beginnings of names.
pub(crate) struct HeaderFilter {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl HeaderFilter {
    /// Entries as configured; `"x-*"` stands for all names that start with `x-`.
    pub(crate) fn new(entries: &[String]) -> Self {
        let lower = entries.iter().map(|entry| entry.to_ascii_lowercase());
        let (prefixes, names): (Vec<_>, Vec<_>) = lower.partition(|entry| entry.ends_with('*'));
        let prefixes = prefixes
            .into_iter()
            .map(|entry| entry.trim_end_matches('*').to_owned())
            .collect();
        Self { names, prefixes }
    }

    /// Whether a name, in whatever case, is on the list.
    pub(crate) fn allows(&self, name: &[u8]) -> bool {
        let starts = |prefix: &String| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        self.names
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
            || self.prefixes.iter().any(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whole_and_prefixes_match_beginnings_in_any_case() {
        let filter = HeaderFilter::new(&["Accept".to_owned(), "x-app-*".to_owned(), ":path".to_owned()]);
        for allowed in ["accept", "ACCEPT", "x-app-", "X-App-User", ":path"] {
            assert!(filter.allows(allowed.as_bytes()), "{allowed}");
        }
        for refused in ["accept-encoding", "x-ap", "x-other", ":method", ""] {
            assert!(!filter.allows(refused.as_bytes()), "{refused}");
        }
    }
}
