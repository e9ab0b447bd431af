//! Conditions on a request, as a route states them.

mod label;

use http::{HeaderName, Method};
use lockgate_exchange::Scheme;
use regex::Regex;

/// Position in the list that the table was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteIndex(pub usize);

/// Conditions on a request. An empty list holds for every request.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// Routes of a higher priority come first, whatever their conditions are.
    pub priority: i32,
    /// Names of listeners, one of which has accepted the connection.
    pub listeners: Vec<String>,
    /// The scheme of the client's connection.
    pub scheme: Option<Scheme>,
    /// One of these.
    pub hosts: Vec<HostPattern>,
    /// The normalised path, without its query.
    pub path: PathMatch,
    /// One of these.
    pub methods: Vec<Method>,
    /// Every one of these.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// Every one of these; names are percent-decoded.
    pub query: Vec<(String, ValueMatch)>,
}

/// A host name without a port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// The host itself.
    Exact(String),
    /// The part after the `*` of `*.name`, its dot included: `.name`. Matches any depth below `name`, not `name` itself.
    Wildcard(String),
}

/// A condition on the normalised path.
#[derive(Debug, Clone, Default)]
pub enum PathMatch {
    /// No condition.
    #[default]
    Any,
    /// This path and no other.
    Exact(String),
    /// Whole segments: `/a` holds for `/a` and `/a/b`, not for `/ab`. Ends in a slash only when it is `/`.
    Prefix(String),
    /// The whole path must match: the expression is anchored at both ends.
    Regex(Regex),
}

/// A condition on a header's or query parameter's value.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// Exact value.
    Exact(String),
    /// The whole value must match: the expression is anchored at both ends.
    Regex(Regex),
    /// Any value, including the empty one.
    Present,
}
