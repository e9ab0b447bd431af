//! A route before it has its place in the order.

use std::cmp::Reverse;

use super::class_of;
use super::paths::{self, Path};
use crate::istio::Prefixes;
use crate::istio::listeners::Listener;
use crate::istio::virtual_service::{HttpMatch, TextMatch};
use crate::losses::Spot;
use crate::output::{Json, Object};
use crate::patterns::escaped;

/// How specific a route's hosts are, the most specific first. All hosts of a draft are of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostClass {
    Exact,
    /// With the length of the suffix.
    Wildcard(Reverse<usize>),
    Any,
}

/// A route.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) class: HostClass,
    /// Empty: all hosts.
    pub(super) hosts: Vec<String>,
    pub(super) listeners: Vec<usize>,
    pub(super) path: Path,
    pub(super) scheme: Option<String>,
    pub(super) methods: Vec<String>,
    pub(super) headers: Vec<(String, TextMatch)>,
    pub(super) query: Vec<(String, TextMatch)>,
    /// A port that the listener must have.
    pub(super) port: Option<u16>,
    pub(super) priority: i32,
    /// What the route does.
    pub(super) members: Object,
    pub(super) spot: Option<Spot>,
}

/// Hosts by their class.
pub(super) fn by_class(hosts: &[String]) -> Vec<(HostClass, Vec<String>)> {
    let mut classes: Vec<(HostClass, Vec<String>)> = Vec::new();
    for host in hosts {
        let class = class_of(host);
        let own = if class == HostClass::Any {
            Vec::new()
        } else {
            vec![host.clone()]
        };
        match classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, known)) => known.extend(own),
            None => classes.push((class, own)),
        }
    }
    classes
}

impl Draft {
    /// A route for every request to these hosts.
    pub(super) fn new(
        name: String,
        class: HostClass,
        hosts: Vec<String>,
        listeners: Vec<usize>,
        members: Object,
    ) -> Self {
        Self {
            name,
            class,
            hosts,
            listeners,
            path: Path::Any,
            scheme: None,
            methods: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
            port: None,
            priority: 0,
            members,
            spot: None,
        }
    }

    pub(super) fn set_conditions(&mut self, matches: &HttpMatch, prefixes: Prefixes) {
        self.path = paths::condition(matches.uri.as_ref(), prefixes);
        self.scheme.clone_from(&matches.scheme);
        self.methods.clone_from(&matches.methods);
        self.headers.clone_from(&matches.headers);
        self.query.clone_from(&matches.query);
    }

    /// Whether it takes every request to its hosts.
    pub(super) fn takes_all(&self) -> bool {
        let is_any_path =
            matches!(&self.path, Path::Any) || matches!(&self.path, Path::Prefix(prefix) if prefix == "/");
        let others = self.methods.is_empty() && self.headers.is_empty() && self.query.is_empty();
        is_any_path && others && self.scheme.is_none()
    }

    pub(super) fn shares_listener(&self, other: &Draft) -> bool {
        self.listeners.iter().any(|listener| other.listeners.contains(listener))
    }

    /// The route as gateway.json has it. `http` are all listeners that routes are for.
    pub(super) fn written(self, http: &[usize], listeners: &[Listener<'_>]) -> Object {
        let mut matches = Object::new();
        if self.listeners.len() < http.len() {
            let names: Vec<&str> = self
                .listeners
                .iter()
                .map(|index| listeners[*index].name.as_str())
                .collect();
            matches.set("listeners", names);
        }
        matches.set_some("scheme", self.scheme);
        matches.set_filled("hosts", self.hosts);
        if let Some((key, text)) = self.path.setting() {
            matches.set(key, text);
        }
        matches.set_filled("methods", self.methods);
        matches.set_filled("headers", conditions(&self.headers));
        matches.set_filled("query", conditions(&self.query));
        let mut out = Object::new().with("name", self.name);
        if self.priority != 0 {
            out.set("priority", self.priority);
        }
        out.set_filled("match", matches);
        out.extend(&self.members);
        out
    }
}

fn conditions(list: &[(String, TextMatch)]) -> Object {
    let mut out = Object::new();
    for (name, condition) in list {
        let value: Json = match condition {
            TextMatch::Exact(text) => text.as_str().into(),
            TextMatch::Prefix(text) => Object::new().with("regex", format!("{}.*", escaped(text))).into(),
            TextMatch::Regex(text) => Object::new().with("regex", text.as_str()).into(),
            TextMatch::Present => Object::new().with("present", true).into(),
        };
        out.set(name.clone(), value);
    }
    out
}
