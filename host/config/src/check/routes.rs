//! Routes: unique names, conditions, chains, destinations, rewrites.

use std::collections::{HashMap, HashSet};

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::{Node, Value};
use lockgate_routing::Match;

use super::destinations::{self, Sources};
use super::listeners::References;
use super::upstreams::Upstreams;
use super::{entry, listeners, matches, path_changes, policies};
use crate::model::{Destination, Route, UpstreamIndex};
use crate::raw;
use crate::substitute::LoadContext;

/// Reads the routes in the order of the file. Without the key `routes`, a single upstream gets every request.
pub(super) fn read(
    root: &Node,
    context: &LoadContext<'_>,
    references: &mut References<'_, '_>,
    mistakes: &mut Mistakes,
) -> Vec<Route> {
    let upstreams = references.upstreams;
    // A faulty list is read, too: its items are read one by one.
    let section = root
        .members()
        .iter()
        .find(|member| member.name == "routes")
        .map(|member| &member.node);
    let Some(section) = section.filter(|node| node.value != Value::Null) else {
        if !listeners::serve_http(root) {
            return Vec::new();
        }
        return default_route(upstreams, mistakes).into_iter().collect();
    };
    let given: HashSet<&str> = section.items().iter().filter_map(given_name).collect();
    let mut names = HashMap::new();
    let mut unnamed = HashMap::new();
    let mut routes = Vec::new();
    for (order, node) in section.items().iter().enumerate() {
        let here = Pointer::root().key("routes").index(order);
        let Some(mut raw) = entry::read::<raw::Route>(node, &here, mistakes) else {
            continue;
        };
        let mut matches = matches::read(std::mem::take(&mut raw.matches), root, &here.key("match"), mistakes);
        matches.priority = raw.priority;
        let (name, is_unique) = match raw.name.take() {
            Some(name) => {
                let is_unique = check_name(&name, &here, &mut names, mistakes);
                (name, is_unique)
            }
            None => (unused_name(matches.label(), &given, &mut unnamed), true),
        };
        // Inline plugins are named after their route. A name that is not unique is one mistake, not one more for each plugin.
        let owner = if is_unique {
            name.clone()
        } else {
            format!("routes/{order}")
        };
        let chain = node.member("chain").filter(|chain| chain.value != Value::Null);
        let chain = chain.map(|chain| {
            references
                .chains
                .resolve(chain, &here.key("chain"), &owner, references.plugins, mistakes)
        });
        let sources = Sources {
            node,
            here: &here,
            upstreams,
            context,
        };
        let policy = policies::read(&mut raw, &sources, mistakes);
        let rewrite = raw.rewrite.take().and_then(|rewrite| {
            let here = here.key("rewrite");
            path_changes::rewrite(rewrite, &matches, &here, mistakes)
        });
        let destination = destinations::read(raw.destinations(), &matches, &sources, mistakes);
        routes.extend(destination.map(|destination| Route {
            name: name.into(),
            matches,
            chain: chain.unwrap_or_default(),
            destination,
            timeout: raw.timeout.filter(|period| !period.is_zero()),
            rewrite,
            policy,
            upgrade: raw.upgrade,
        }));
    }
    routes
}

/// The route of a file without routes.
fn default_route(upstreams: &Upstreams, mistakes: &mut Mistakes) -> Option<Route> {
    match upstreams.names.len() {
        0 => None,
        1 => Some(Route {
            name: "default".into(),
            matches: Match::default(),
            chain: Vec::new(),
            destination: Destination::Upstream(UpstreamIndex(0)),
            timeout: None,
            rewrite: None,
            policy: None,
            upgrade: true,
        }),
        count => {
            mistakes.push(
                Mistake::new(
                    Pointer::root(),
                    format!("the key \"routes\" is missing, and there are {count} upstreams"),
                )
                .expected("routes that assign requests to upstreams")
                .hint("\"routes\" may be omitted only with a single upstream"),
            );
            None
        }
    }
}

/// The name that the route `node` gives itself.
fn given_name(node: &Node) -> Option<&str> {
    node.member("name")?.text()
}

/// `label`, or with a number after it what no route `given` its name and no other `unnamed` route is called.
fn unused_name(label: String, given: &HashSet<&str>, unnamed: &mut HashMap<String, usize>) -> String {
    let count = unnamed.entry(label.clone()).or_default();
    loop {
        *count += 1;
        let name = match *count {
            1 => label.clone(),
            number => format!("{label} #{number}"),
        };
        if !given.contains(&*name) {
            return name;
        }
    }
}

/// Whether no earlier route is called `name`.
fn check_name(name: &str, here: &Pointer, names: &mut HashMap<String, Pointer>, mistakes: &mut Mistakes) -> bool {
    if name.chars().any(char::is_control) {
        mistakes.push(Mistake::invalid(here.key("name"), "a name without control characters"));
    }
    if let Some(other) = names.get(name) {
        let mistake = Mistake::invalid(here.key("name"), "a unique name");
        mistakes.push(mistake.hint(format!("{other} has the same name")));
        return false;
    }
    names.insert(name.to_owned(), here.clone());
    true
}
