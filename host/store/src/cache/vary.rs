//! [`Vary`]: which requests a stored response answers, as far as headers decide it (RFC 9111, section 4.1).

use http::HeaderMap;
use http::header::HeaderName;

/// The request headers that a response depends on, with the values of the request that it answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Vary(Box<[(HeaderName, Vec<u8>)]>);

impl Vary {
    pub(super) fn of(names: Vec<HeaderName>, request: &HeaderMap) -> Self {
        let mut names = names;
        names.sort_unstable_by(|left, right| left.as_str().cmp(right.as_str()));
        names.dedup();
        Self(
            names
                .into_iter()
                .map(|name| (name.clone(), normalised(&name, request)))
                .collect(),
        )
    }

    /// Whether this request has the same values.
    pub(super) fn fits(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| {
            let mut values = request.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => value.is_empty(),
                // Mostly one line, as it stood.
                (Some(only), None) if only.as_bytes() == value.as_slice() => true,
                _ => normalised(name, request) == *value,
            }
        })
    }

    pub(super) fn cost(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum()
    }
}

/// All lines of a header as one, without spaces around commas. A header that is absent equals an empty one.
fn normalised(name: &HeaderName, request: &HeaderMap) -> Vec<u8> {
    let mut joined = Vec::new();
    for line in request.get_all(name) {
        for part in line.as_bytes().split(|&byte| byte == b',') {
            if !joined.is_empty() {
                joined.push(b',');
            }
            joined.extend_from_slice(part.trim_ascii());
        }
    }
    joined
}
