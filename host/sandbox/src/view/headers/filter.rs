//! [`HeaderFilter`]: the capabilities `headers` and `write_headers`.

use std::rc::Rc;

/// The headers that a plugin may read, and those that it may change. Every view of a header map has one. Without allow-lists it
/// allows all names.
#[derive(Clone, Default)]
pub(crate) struct HeaderFilter(Option<Rc<Lists>>);

struct Lists {
    seen: Option<List>,
    written: Option<List>,
}

/// An allow-list of names and prefixes.
struct List {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl HeaderFilter {
    /// A filter of allow-lists; `"x-*"` allows all names that start with `x-`.
    pub(crate) fn new(seen: Option<&[String]>, written: Option<&[String]>) -> Self {
        let lists = (seen.is_some() || written.is_some()).then(|| Lists {
            seen: seen.map(List::new),
            written: written.map(List::new),
        });
        Self(lists.map(Rc::new))
    }

    /// Whether it has no allow-list.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a name, in any case, may be read.
    pub(crate) fn allows(&self, name: &[u8]) -> bool {
        let seen = self.0.as_ref().and_then(|lists| lists.seen.as_ref());
        seen.is_none_or(|list| list.has(name))
    }

    /// Whether a name, in any case, may be changed.
    pub(crate) fn allows_writing(&self, name: &[u8]) -> bool {
        let written = self.0.as_ref().and_then(|lists| lists.written.as_ref());
        self.allows(name) && written.is_none_or(|list| list.has(name))
    }
}

impl List {
    fn new(entries: &[String]) -> Self {
        let lower = entries.iter().map(|entry| entry.to_ascii_lowercase());
        let (prefixes, names): (Vec<_>, Vec<_>) = lower.partition(|entry| entry.ends_with('*'));
        let prefixes = prefixes
            .into_iter()
            .map(|entry| entry.trim_end_matches('*').to_owned())
            .collect();
        Self { names, prefixes }
    }

    fn has(&self, name: &[u8]) -> bool {
        let starts = |prefix: &String| name.get(..prefix.len()).is_some_and(|start| is(prefix, start));
        self.names.iter().any(|known| is(known, name)) || self.prefixes.iter().any(starts)
    }
}

/// Whether a name equals one in lower case. Nearly all names are in lower case, and comparing those takes a tenth of the time.
fn is(known: &str, name: &[u8]) -> bool {
    known.len() == name.len() && (known.as_bytes() == name || known.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whole_and_prefixes_match_beginnings_in_any_case() {
        let seen = ["Accept".to_owned(), "x-app-*".to_owned(), ":path".to_owned()];
        let filter = HeaderFilter::new(Some(&seen), Some(&["x-*".to_owned()]));
        for allowed in ["accept", "ACCEPT", "x-app-", "X-App-User", ":path"] {
            assert!(filter.allows(allowed.as_bytes()), "{allowed}");
        }
        for refused in ["accept-encoding", "x-ap", "x-other", ":method", ""] {
            assert!(!filter.allows(refused.as_bytes()), "{refused}");
        }
        let written = |name: &str| filter.allows_writing(name.as_bytes());
        assert!(written("x-app-user") && !written("accept") && !written("x-other"));
        let open = HeaderFilter::new(None, None);
        assert!(!filter.is_open() && open.is_open() && open.allows(b"anything") && open.allows_writing(b"anything"));
    }
}
