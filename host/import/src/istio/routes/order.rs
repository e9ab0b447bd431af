//! Priorities: with them the route that comes first in Istio's order wins, although gateway.json prefers the more specific one. Routes
//! that are in the right order already, or never match the same request, need none.

use std::cmp::Reverse;

use super::draft::Draft;
use super::paths::Path;
use crate::istio::hosts::covers;

/// Sets the priorities of routes in Istio's order: the first that matches wins.
pub(super) fn set_priorities(drafts: &mut [Draft]) {
    for index in (0..drafts.len()).rev() {
        let later = &drafts[index + 1..];
        let own = &drafts[index];
        let overlapping = later.iter().zip(index + 1..).filter(|(other, _)| overlap(own, other));
        let needed = overlapping.map(|(other, position)| {
            let is_preferred = rank(other, position) < rank(own, index);
            other.priority + i32::from(is_preferred)
        });
        drafts[index].priority = needed.max().unwrap_or(0);
    }
}

/// The precedence of gateway.json among routes of one priority that match a request. Smaller is better.
fn rank(draft: &Draft, position: usize) -> impl Ord + use<> {
    let path = match &draft.path {
        Path::Exact(_) => (0, Reverse(0)),
        Path::Prefix(prefix) => (1, Reverse(prefix.trim_end_matches('/').len())),
        Path::Regex { .. } => (2, Reverse(0)),
        Path::Any => (3, Reverse(0)),
    };
    (
        draft.class,
        path,
        Reverse(draft.scheme.is_some()),
        Reverse(!draft.methods.is_empty()),
        Reverse(draft.headers.len()),
        Reverse(draft.query.len()),
        position,
    )
}

/// Whether a request can match both. True, where that is not known.
fn overlap(one: &Draft, other: &Draft) -> bool {
    let methods = one.methods.is_empty()
        || other.methods.is_empty()
        || one.methods.iter().any(|method| other.methods.contains(method));
    let schemes = one.scheme.is_none() || other.scheme.is_none() || one.scheme == other.scheme;
    let hosts = one.hosts.is_empty()
        || other.hosts.is_empty()
        || one
            .hosts
            .iter()
            .any(|a| other.hosts.iter().any(|b| covers(a, b) || covers(b, a)));
    methods && schemes && hosts && one.shares_listener(other) && paths_overlap(&one.path, &other.path)
}

fn paths_overlap(one: &Path, other: &Path) -> bool {
    let is_below = |path: &str, prefix: &str| {
        let rest = path.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // What is after the literal part is not known.
    let may_begin = |literal: &str, text: &str| literal.starts_with(text) || text.starts_with(literal);
    match (one, other) {
        (Path::Any, _) | (_, Path::Any) => true,
        (Path::Exact(one), Path::Exact(other)) => one == other,
        (Path::Exact(path), Path::Prefix(prefix)) | (Path::Prefix(prefix), Path::Exact(path)) => is_below(path, prefix),
        (Path::Prefix(one), Path::Prefix(other)) => is_below(one, other) || is_below(other, one),
        (Path::Regex { literal, .. }, Path::Exact(path)) | (Path::Exact(path), Path::Regex { literal, .. }) => {
            path.starts_with(literal.as_str())
        }
        (Path::Regex { literal, .. }, Path::Prefix(prefix)) | (Path::Prefix(prefix), Path::Regex { literal, .. }) => {
            may_begin(literal, prefix.trim_end_matches('/'))
        }
        (Path::Regex { literal: one, .. }, Path::Regex { literal: other, .. }) => may_begin(one, other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::HostClass;
    use super::*;
    use crate::output::Object;

    fn draft(path: Path) -> Draft {
        let mut draft = Draft::new("x".into(), HostClass::Any, Vec::new(), vec![0], Object::new());
        draft.path = path;
        draft
    }

    fn priorities(paths: &[Path]) -> Vec<i32> {
        let mut drafts: Vec<Draft> = paths.iter().cloned().map(draft).collect();
        set_priorities(&mut drafts);
        drafts.iter().map(|draft| draft.priority).collect()
    }

    fn exact(text: &str) -> Path {
        Path::Exact(text.into())
    }

    fn begins(text: &str) -> Path {
        Path::Regex {
            text: format!("{text}.*"),
            literal: text.into(),
        }
    }

    #[test]
    fn routes_in_the_order_of_precedence_need_no_priority() {
        assert_eq!(
            priorities(&[exact("/a"), begins("/a"), begins("/b"), Path::Any]),
            [0, 0, 0, 0]
        );
    }

    #[test]
    fn a_general_route_before_a_specific_one_is_lifted_above_it() {
        assert_eq!(priorities(&[begins("/a"), exact("/a/b"), Path::Any]), [1, 0, 0]);
        assert_eq!(priorities(&[Path::Any, begins("/a"), exact("/a/b")]), [2, 1, 0]);
        assert_eq!(priorities(&[exact("/a/b"), Path::Any, exact("/b")]), [1, 1, 0]);
    }

    #[test]
    fn routes_that_never_meet_need_no_priority() {
        assert_eq!(priorities(&[begins("/a"), exact("/b")]), [0, 0]);
        let mut drafts = vec![draft(Path::Any), draft(exact("/a"))];
        drafts[1].listeners = vec![1];
        set_priorities(&mut drafts);
        assert_eq!(drafts[0].priority, 0);
    }
}
