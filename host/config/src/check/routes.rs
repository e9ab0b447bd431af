//! Routes: names of their own, conditions in their types, chains and upstreams that exist.

use std::collections::HashMap;

use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::{Node, Value};
use lockgate_routing::matches::{Match, PathMatch};
use lockgate_units::Period;

use super::chains::Chains;
use super::plugins::Plugins;
use super::upstreams::Upstreams;
use super::{entry, listeners, matches, paths};
use crate::model::{Rewrite, Route, UpstreamIndex};
use crate::raw;
use crate::settings::DEFAULT_ROUTE_TIMEOUT;

/// The routes in the order of the file. Without the key `routes`, one upstream gets everything.
pub(super) fn read(
    root: &Node,
    upstreams: &Upstreams,
    chains: &Chains,
    plugins: &mut Plugins<'_>,
    problems: &mut Problems,
) -> Vec<Route> {
    // A list with a mistake in it is read all the same, as its items are read one by one.
    let section = root
        .members()
        .iter()
        .find(|member| member.name == "routes")
        .map(|member| &member.node);
    let Some(section) = section.filter(|node| node.value != Value::Null) else {
        if !listeners::serve_http(root) {
            return Vec::new();
        }
        return whole(upstreams, problems).into_iter().collect();
    };
    let mut names = HashMap::new();
    let mut routes = Vec::new();
    for (order, node) in section.items().iter().enumerate() {
        let here = Pointer::root().key("routes").index(order);
        let Some(raw) = entry::read::<raw::Route>(node, &here, problems) else {
            continue;
        };
        let name = raw.name.clone().unwrap_or_else(|| format!("routes/{order}"));
        let is_unique = check_name(&name, &here, &mut names, problems);
        // Inline plugins are named after their route; those of a route without a name of its own are no second mistake.
        let owner = if is_unique {
            name.clone()
        } else {
            format!("routes/{order}")
        };
        let chain = node.member("chain").filter(|chain| chain.value != Value::Null);
        let chain = chain.map(|chain| chains.resolve(chain, &here.key("chain"), &owner, plugins, problems));
        let upstream = raw
            .upstream
            .and_then(|name| problems.keep(upstreams.find(&name, &here.key("upstream"))));
        let matches = matches::read(raw.matches, &here.key("match"), problems);
        let rewrite = raw
            .rewrite
            .and_then(|raw| rewrite(raw, &matches, &here.key("rewrite"), problems));
        routes.extend(upstream.map(|upstream| Route {
            name: name.into(),
            matches,
            chain: chain.unwrap_or_default(),
            upstream,
            timeout: some_time(raw.timeout),
            rewrite,
        }));
    }
    routes
}

/// What a file without routes means.
fn whole(upstreams: &Upstreams, problems: &mut Problems) -> Option<Route> {
    match upstreams.names.len() {
        0 => None,
        1 => Some(Route {
            name: "default".into(),
            matches: Match::default(),
            chain: Vec::new(),
            upstream: UpstreamIndex(0),
            timeout: some_time(DEFAULT_ROUTE_TIMEOUT),
            rewrite: None,
        }),
        count => {
            problems.push(
                Problem::told(
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

fn some_time(period: Period) -> Option<Period> {
    Some(period).filter(|period| !period.is_zero())
}

/// Whether `name` is the first of its kind.
fn check_name(name: &str, here: &Pointer, names: &mut HashMap<String, Pointer>, problems: &mut Problems) -> bool {
    if name.chars().any(char::is_control) {
        problems.push(Problem::unfit(here.key("name"), "a name without control characters"));
    }
    if let Some(other) = names.get(name) {
        let told = Problem::unfit(here.key("name"), "a unique name");
        problems.push(told.hint(format!("{other} has the same name")));
        return false;
    }
    names.insert(name.to_owned(), here.clone());
    true
}

fn rewrite(raw: raw::Rewrite, matches: &Match, here: &Pointer, problems: &mut Problems) -> Option<Rewrite> {
    let here = here.key("prefix");
    if matches!(matches.path, PathMatch::Exact(_) | PathMatch::Regex(_)) {
        problems.push(
            Problem::told(here.clone(), "this route has no path prefix to replace")
                .expected("\"path_prefix\" in \"match\", or no condition on the path"),
        );
    }
    let prefix = problems.keep(paths::prefix(&raw.prefix?, &here))?;
    Some(Rewrite { prefix })
}
