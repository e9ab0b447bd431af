//! Routes that no request can reach, and paths that look like patterns.

use lockgate_config::model::{ListenerProtocol, Model, Route};
use lockgate_json::{Diagnostic, Document};
use lockgate_routing::{Match, PathMatch, Unreachable, unreachable};

pub(super) fn warnings(model: &Model, document: &Document) -> Vec<Diagnostic> {
    let matches: Vec<&Match> = model.routes.iter().map(|route| &route.matches).collect();
    let unreachable = unreachable(&matches);
    let mut warnings: Vec<_> = unreachable
        .into_iter()
        .map(|(index, why)| out_of_reach(model, document, index, why))
        .collect();
    for (index, route) in model.routes.iter().enumerate() {
        warnings.extend(pattern(document, index, &route.matches.path));
        warnings.extend(scheme(model, document, index, route));
    }
    warnings
}

fn out_of_reach(model: &Model, document: &Document, index: usize, why: Unreachable) -> Diagnostic {
    let pointer = format!("/routes/{index}/match");
    match why {
        Unreachable::Behind(other) => {
            let text = format!(
                "no request reaches this route: all that it matches go to the route \"{}\"",
                model.routes[other].name
            );
            let hint = "a higher \"priority\" puts a route before others; by themselves, an exact path comes before a prefix, and \
                        any prefix before every regular expression";
            document.diagnostic(&pointer, text, None, Some(hint.to_owned()))
        }
        Unreachable::NoPath => document.diagnostic(
            &format!("{pointer}/path_regex"),
            "no request reaches this route: its expression must match the whole path, and every path begins with \"/\"",
            None,
            Some("begin the expression with \"/\" or \".*\"".to_owned()),
        ),
    }
}

/// A path with a wildcard or a parameter of other gateways, which is plain text here.
fn pattern(document: &Document, index: usize, path: &PathMatch) -> Option<Diagnostic> {
    let (key, text) = match path {
        PathMatch::Exact(text) => ("path", text),
        PathMatch::Prefix(text) => ("path_prefix", text),
        PathMatch::Any | PathMatch::Regex(_) => return None,
    };
    let is_pattern = |segment: &&str| {
        segment.ends_with('*')
            || (segment.len() > 1 && segment.starts_with(':'))
            || (segment.starts_with('{') && segment.ends_with('}'))
    };
    let segment = text.split('/').find(is_pattern)?;
    let before: Vec<&str> = text.split('/').take_while(|segment| !is_pattern(segment)).collect();
    let before = before.join("/");
    let prefix = if before.is_empty() { "/" } else { &*before };
    Some(document.diagnostic(
        &format!("/routes/{index}/match/{key}"),
        format!("\"{segment}\" is plain text here, not a pattern: the route matches only paths with these characters"),
        None,
        Some(format!(
            "write \"path_prefix\": \"{prefix}\" for all paths below it, or \"path_regex\": \"{before}/[^/]+\" for one segment"
        )),
    ))
}

/// A route for a scheme that none of its listeners has.
fn scheme(model: &Model, document: &Document, index: usize, route: &Route) -> Option<Diagnostic> {
    let scheme = route.matches.scheme?.as_str();
    let names = &route.matches.listeners;
    let mut listeners = model.listeners.iter().filter(|listener| {
        listener.protocol == ListenerProtocol::Http
            && (names.is_empty() || names.iter().any(|name| *name == *listener.name))
    });
    let has_scheme = listeners.any(|listener| listener.tls.is_some() == (scheme == "https"));
    (!has_scheme).then(|| {
        document.diagnostic(
            &format!("/routes/{index}/match/scheme"),
            format!("no request reaches this route: none of its listeners speaks {scheme}"),
            None,
            Some("a listener with \"tls\" speaks https, others speak http".to_owned()),
        )
    })
}
