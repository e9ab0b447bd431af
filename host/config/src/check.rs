//! From a tree that is valid by the schema to the model: parses texts, and resolves names.
//!
//! Every step continues after a mistake, without the faulty part. The model is returned only if there is no mistake.

mod addresses;
mod chains;
mod destinations;
mod discovery;
mod entry;
mod health_check;
mod listeners;
mod matches;
mod path_changes;
mod paths;
mod pem;
mod plugins;
mod policies;
mod resolver;
mod routes;
mod signatures;
mod upstream_policies;
mod upstreams;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use lockgate_foreign::{CacheSettings, KvSettings};
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::Node;
use lockgate_telemetry::settings::{AccessLogPath, AccessLogSettings};
use lockgate_units::Period;

use self::listeners::References;
use crate::model::Model;
use crate::raw;
use crate::settings::DEFAULT_DRAIN_TIMEOUT;
use crate::substitute::LoadContext;

/// The model of `root`; none if there is a mistake, here or in an earlier pass.
pub(crate) fn check(root: &Node, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> Option<Model> {
    let top = Pointer::root();
    let upstreams = upstreams::read(root, context, mistakes);
    let signatures = signatures::read(root, mistakes);
    let mut plugins = plugins::Plugins::named(root, &upstreams, &signatures, mistakes);
    let (global_chain, chains) = chains::read(root, &mut plugins, mistakes);
    let mut references = References {
        upstreams: &upstreams,
        chains: &chains,
        plugins: &mut plugins,
    };
    let routes = routes::read(root, context, &mut references, mistakes);
    let (admin, listeners) = listeners::read(root, context, &mut references, mistakes);
    // Last, because inline plugins are in the order of the sections.
    let services = chains::services(root, &mut plugins, mistakes);
    let plugin_dir = plugin_dir(root, context, mistakes);
    if let Some(first) = plugins.models.first().filter(|_| root.find("/plugin_dir").is_none()) {
        mistakes.push(
            Mistake::missing_key(Pointer::root(), "plugin_dir")
                .expected("the folder that holds the plugins' modules")
                .hint(format!("{} needs it: \"plugin_dir\": \"plugins\"", first.pointer)),
        );
    }
    let access_log = access_log(root, context, mistakes);
    let cache = entry::part::<CacheSettings>(root, &top, "cache", mistakes).unwrap_or_default();
    let kv = entry::part::<KvSettings>(root, &top, "kv", mistakes).unwrap_or_default();
    let resolver = resolver::read(root, context, mistakes);
    let workers = entry::part::<NonZeroUsize>(root, &top, "workers", mistakes);
    let drain_timeout = entry::part::<Period>(root, &top, "drain_timeout", mistakes).unwrap_or(DEFAULT_DRAIN_TIMEOUT);
    let plugins = plugins.models;
    let state_dir = state_dir(root, context, mistakes);
    mistakes.0.is_empty().then_some(Model {
        workers,
        plugin_dir,
        state_dir,
        admin,
        listeners,
        upstreams: upstreams.models,
        plugins,
        global_chain,
        services,
        routes,
        access_log,
        drain_timeout,
        cache,
        kv,
        resolver,
        requires_signatures: signatures.required,
        signing_keys: signatures.keys,
    })
}

fn plugin_dir(root: &Node, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> Option<PathBuf> {
    let folder = context.path(root.member("plugin_dir")?.text()?);
    match fs::metadata(&folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => mistakes.push(Mistake::invalid(
            Pointer::root().key("plugin_dir"),
            "a folder, not a file",
        )),
        Err(error) => mistakes.push(
            Mistake::invalid(Pointer::root().key("plugin_dir"), format!("a readable folder: {error}"))
                .hint("relative paths start at the folder of the configuration file"),
        ),
    }
    Some(folder)
}

/// The folder may be absent: it is made when there is something to keep.
fn state_dir(root: &Node, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> Option<PathBuf> {
    let folder = context.path(root.member("state_dir")?.text()?);
    if folder.exists() && !folder.is_dir() {
        let here = Pointer::root().key("state_dir");
        mistakes.push(Mistake::invalid(here, "a folder, not a file"));
    }
    Some(folder)
}

fn access_log(root: &Node, context: &LoadContext<'_>, mistakes: &mut Mistakes) -> Option<AccessLogSettings> {
    let log = entry::part::<raw::AccessLog>(root, &Pointer::root(), "access_log", mistakes)?;
    let path = match log.path?.as_str() {
        "stdout" => AccessLogPath::Stdout,
        "stderr" => AccessLogPath::Stderr,
        file => {
            let file = context.path(file);
            if file.is_dir() || !file.parent().is_some_and(|folder| folder.is_dir()) {
                let here = Pointer::root().key("access_log").key("path");
                mistakes.push(Mistake::invalid(
                    here,
                    "\"stdout\", \"stderr\" or a file in a folder that exists",
                ));
            }
            AccessLogPath::File(file)
        }
    };
    Some(AccessLogSettings { path })
}
