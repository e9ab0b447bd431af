//! Routes that no request can reach: another one is always found before them, or their expression matches no path. For warnings; the table
//! does not need it.

use crate::matches::{HostPattern, Match, PathMatch, ValueMatch};

/// Why no request reaches a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// Every request that it matches goes to the route with this index.
    Behind(usize),
    /// Its expression matches only texts that do not begin with a slash, and every path does.
    NoPath,
}

/// The routes that no request can reach, by their index. Not all of them: what two expressions have in common is not examined.
pub fn unreachable(routes: &[&Match]) -> Vec<(usize, Unreachable)> {
    let of = |(index, route): (usize, &&Match)| {
        if let PathMatch::Regex(regex) = &route.path
            && literal_prefix(regex.as_str()).is_some_and(|text| !text.is_empty() && !text.starts_with('/'))
        {
            return Some((index, Unreachable::NoPath));
        }
        let mut others = routes.iter().enumerate().filter(|(other, _)| *other != index);
        let first = others.find(|(other, earlier)| {
            covers_path(&earlier.path, &route.path)
                && covers(earlier, route)
                && comes_before((*other, earlier), (index, route))
        });
        first.map(|(other, _)| (index, Unreachable::Behind(other)))
    };
    routes.iter().enumerate().filter_map(of).collect()
}

/// Whether every request that `inner` matches by its conditions other than the path is matched by `outer`.
fn covers(outer: &Match, inner: &Match) -> bool {
    fn holds<T: PartialEq>(outer: &[T], inner: &[T]) -> bool {
        outer.is_empty() || (!inner.is_empty() && inner.iter().all(|one| outer.contains(one)))
    }
    let covers_host = |inner: &HostPattern| outer.hosts.iter().any(|outer| covers_host(outer, inner));
    let has_hosts = outer.hosts.is_empty() || (!inner.hosts.is_empty() && inner.hosts.iter().all(covers_host));
    has_hosts
        && holds(&outer.listeners, &inner.listeners)
        && holds(&outer.methods, &inner.methods)
        && (outer.scheme.is_none() || outer.scheme == inner.scheme)
        && implies(&inner.headers, &outer.headers)
        && implies(&inner.query, &outer.query)
}

/// Whether the conditions `given` imply all those in `wanted`.
fn implies<N: PartialEq>(given: &[(N, ValueMatch)], wanted: &[(N, ValueMatch)]) -> bool {
    wanted.iter().all(|(name, wanted)| {
        let mut same = given.iter().filter(|(known, _)| known == name);
        same.any(|(_, given)| match (given, wanted) {
            (_, ValueMatch::Present) => true,
            (ValueMatch::Exact(given), ValueMatch::Exact(wanted)) => given == wanted,
            (ValueMatch::Regex(given), ValueMatch::Regex(wanted)) => given.as_str() == wanted.as_str(),
            _ => false,
        })
    })
}

fn covers_host(outer: &HostPattern, inner: &HostPattern) -> bool {
    match (outer, inner) {
        (HostPattern::Exact(outer), HostPattern::Exact(inner)) => outer == inner,
        (HostPattern::Wildcard(suffix), HostPattern::Exact(name)) => {
            name.len() > suffix.len() && name.ends_with(suffix)
        }
        (HostPattern::Wildcard(outer), HostPattern::Wildcard(inner)) => inner.ends_with(outer),
        (HostPattern::Exact(_), HostPattern::Wildcard(_)) => false,
    }
}

fn covers_path(outer: &PathMatch, inner: &PathMatch) -> bool {
    let is_below = |path: &str, prefix: &str| {
        let rest = path.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match (outer, inner) {
        (PathMatch::Any, _) => true,
        // A route for any path also takes `*`, the target of OPTIONS.
        (_, PathMatch::Any) => false,
        (PathMatch::Exact(outer), PathMatch::Exact(inner)) => outer == inner,
        (PathMatch::Exact(_), _) => false,
        (PathMatch::Prefix(prefix), PathMatch::Exact(path) | PathMatch::Prefix(path)) => is_below(path, prefix),
        (PathMatch::Prefix(prefix), PathMatch::Regex(regex)) => {
            prefix == "/" || literal_prefix(regex.as_str()).is_some_and(|text| text.starts_with(&format!("{prefix}/")))
        }
        (PathMatch::Regex(outer), PathMatch::Regex(inner)) => outer.as_str() == inner.as_str(),
        (PathMatch::Regex(regex), PathMatch::Exact(path)) => regex.is_match(path),
        (PathMatch::Regex(_), PathMatch::Prefix(_)) => false,
    }
}

/// Whether `outer`, which covers `inner`, is found first for every request of `inner`.
fn comes_before((outer_index, outer): (usize, &Match), (inner_index, inner): (usize, &Match)) -> bool {
    if outer.priority != inner.priority {
        return outer.priority > inner.priority;
    }
    // A more specific host comes first, so only the same ones count.
    if outer.hosts.is_empty() != inner.hosts.is_empty() || !inner.hosts.iter().all(|host| outer.hosts.contains(host)) {
        return false;
    }
    let class = |path: &PathMatch| match path {
        PathMatch::Exact(_) => 0,
        PathMatch::Prefix(_) => 1,
        PathMatch::Regex(_) => 2,
        PathMatch::Any => 3,
    };
    if class(&outer.path) != class(&inner.path) {
        return class(&outer.path) < class(&inner.path);
    }
    if let (PathMatch::Prefix(outer), PathMatch::Prefix(inner)) = (&outer.path, &inner.path)
        && outer != inner
    {
        return false;
    }
    let rank = |index: usize, route: &Match| {
        std::cmp::Reverse((
            !route.listeners.is_empty(),
            route.scheme.is_some(),
            !route.methods.is_empty(),
            route.headers.len(),
            route.query.len(),
            std::cmp::Reverse(index),
        ))
    };
    rank(outer_index, outer) < rank(inner_index, inner)
}

/// The text with which everything that an expression matches begins, as far as that is plain. None: it cannot be told.
fn literal_prefix(expression: &str) -> Option<String> {
    let expression = expression
        .strip_prefix("^(?:")
        .and_then(|rest| rest.strip_suffix(")$"))?;
    let expression = expression.strip_prefix('^').unwrap_or(expression);
    if expression.contains('|') {
        return None;
    }
    let mut prefix = String::new();
    let mut rest = expression.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            '\\' => {
                let mut ahead = rest.clone();
                ahead.next();
                match ahead.next() {
                    Some(escaped) if escaped.is_ascii_punctuation() => prefix.push(escaped),
                    _ => break,
                }
                rest = ahead;
            }
            '.' | '[' | '(' | ')' | '$' | '^' => break,
            '?' | '*' | '{' => {
                prefix.pop();
                break;
            }
            '+' => break,
            plain => {
                prefix.push(plain);
                rest.next();
            }
        }
    }
    Some(prefix)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use lockgate_exchange::Scheme;
    use regex::Regex;

    use super::*;

    fn regex(text: &str) -> Match {
        path(PathMatch::Regex(Regex::new(&format!("^(?:{text})$")).unwrap()))
    }

    fn path(path: PathMatch) -> Match {
        Match {
            path,
            ..Match::default()
        }
    }

    fn prefix(text: &str) -> Match {
        path(PathMatch::Prefix(text.into()))
    }

    fn exact(text: &str) -> Match {
        path(PathMatch::Exact(text.into()))
    }

    fn found(routes: &[Match]) -> Vec<(usize, Unreachable)> {
        unreachable(&routes.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_route_behind_one_that_takes_all_its_requests_is_found() {
        let get = |route: Match| Match {
            methods: vec![Method::GET],
            ..route
        };
        let host = |name: &str, route: Match| Match {
            hosts: vec![HostPattern::Exact(name.into())],
            ..route
        };
        let first = |route: Match| Match { priority: 1, ..route };
        for (routes, expected) in [
            (vec![prefix("/a"), prefix("/a")], Some((1, 0))),
            (vec![exact("/a"), exact("/a")], Some((1, 0))),
            (vec![prefix("/"), regex("/users/[0-9]+")], Some((1, 0))),
            (vec![regex("/users/[0-9]+"), prefix("/users")], Some((0, 1))),
            (vec![regex("/users/[0-9]+"), prefix("/")], Some((0, 1))),
            (vec![get(prefix("/a")), get(prefix("/a"))], Some((1, 0))),
            (vec![host("a", prefix("/x")), host("a", prefix("/x"))], Some((1, 0))),
            (vec![exact("/a"), first(prefix("/"))], Some((0, 1))),
            (vec![host("a", exact("/a")), first(prefix("/"))], Some((0, 1))),
            // Reached.
            (vec![prefix("/"), prefix("/a")], None),
            (vec![prefix("/"), exact("/a")], None),
            (vec![prefix("/a"), get(prefix("/a"))], None),
            (vec![prefix("/"), host("a", prefix("/"))], None),
            (vec![prefix("/users"), regex("/users?/[0-9]+")], None),
            (vec![prefix("/users"), regex("/users.*")], None),
            (vec![prefix("/users"), regex("/users/x|/y")], None),
            (vec![host("a", prefix("/")), regex("/x")], None),
            (vec![prefix("/"), first(regex("/users/[0-9]+"))], None),
            (vec![prefix("/"), Match::default()], None),
            (vec![get(prefix("/")), regex("/x")], None),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(index, other)| (index, Unreachable::Behind(other)))
                .collect();
            assert_eq!(found(&routes), expected, "{routes:?}");
        }
    }

    #[test]
    fn a_listener_or_scheme_of_its_own_keeps_a_route_reachable() {
        let internal = Match {
            listeners: vec!["internal".into()],
            ..prefix("/")
        };
        let https = Match {
            scheme: Some(Scheme::Https),
            ..prefix("/")
        };
        assert_eq!(found(&[prefix("/"), internal.clone(), https]), []);
        assert_eq!(found(&[internal.clone(), internal]), [(1, Unreachable::Behind(0))]);
    }

    #[test]
    fn an_expression_without_a_slash_at_its_beginning_matches_no_path() {
        for (expression, expected) in [
            ("users/.*", true),
            ("^users", true),
            ("\\.well-known/x", true),
            ("/users", false),
            (".*users", false),
            ("(?i)users", false),
            ("u?/users", false),
            ("[/a]x", false),
        ] {
            let found = found(&[regex(expression)]);
            assert_eq!(found == [(0, Unreachable::NoPath)], expected, "{expression}");
        }
    }
}
