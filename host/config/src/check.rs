//! From a tree whose shape is right to the model: gives texts their meaning and names their targets.
//!
//! Every pass goes on after a mistake, and works with what is left. The model is handed out only if nothing was told.

mod addresses;
mod chains;
mod entry;
mod listeners;
mod matches;
mod paths;
mod plugins;
mod routes;
mod signatures;
mod upstreams;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use lockgate_foreign::settings::CacheSettings;
use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::Node;
use lockgate_telemetry::settings::{AccessLogPath, AccessLogSettings};
use lockgate_units::Period;

use self::listeners::Targets;
use crate::model::Model;
use crate::raw;
use crate::settings::DEFAULT_DRAIN_TIMEOUT;
use crate::substitute::Surroundings;

/// Reads the model from `root`; none if something is wrong, now or before.
pub(crate) fn check(root: &Node, surroundings: &Surroundings<'_>, problems: &mut Problems) -> Option<Model> {
    let top = Pointer::root();
    let upstreams = upstreams::read(root, problems);
    let signatures = signatures::read(root, problems);
    let mut plugins = plugins::Plugins::named(root, &upstreams, &signatures, problems);
    let (global_chain, chains) = chains::read(root, &mut plugins, problems);
    let routes = routes::read(root, &upstreams, &chains, &mut plugins, problems);
    let mut targets = Targets {
        upstreams: &upstreams,
        chains: &chains,
        plugins: &mut plugins,
    };
    let (admin, listeners) = listeners::read(root, surroundings, &mut targets, problems);
    let plugin_dir = plugin_dir(root, surroundings, problems);
    if let Some(first) = plugins.models.first().filter(|_| root.find("/plugin_dir").is_none()) {
        problems.push(
            Problem::told(Pointer::root(), "the key \"plugin_dir\" is missing")
                .expected("the folder that holds the plugins' modules")
                .hint(format!("{} needs it: \"plugin_dir\": \"plugins\"", first.pointer))
                .around(),
        );
    }
    let access_log = access_log(root, surroundings, problems);
    let cache = entry::part::<CacheSettings>(root, &top, "cache", problems).unwrap_or_default();
    let workers = entry::part::<NonZeroUsize>(root, &top, "workers", problems);
    let drain_timeout = entry::part::<Period>(root, &top, "drain_timeout", problems).unwrap_or(DEFAULT_DRAIN_TIMEOUT);
    let plugins = plugins.models;
    problems.0.is_empty().then_some(Model {
        workers,
        plugin_dir,
        admin,
        listeners,
        upstreams: upstreams.models,
        plugins,
        global_chain,
        routes,
        access_log,
        drain_timeout,
        cache,
        requires_signatures: signatures.required,
        signing_keys: signatures.keys,
    })
}

fn plugin_dir(root: &Node, surroundings: &Surroundings<'_>, problems: &mut Problems) -> Option<PathBuf> {
    let folder = surroundings.path(root.member("plugin_dir")?.text()?);
    match fs::metadata(&folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => problems.push(Problem::unfit(
            Pointer::root().key("plugin_dir"),
            "a folder, not a file",
        )),
        Err(error) => problems.push(
            Problem::unfit(Pointer::root().key("plugin_dir"), format!("a readable folder: {error}"))
                .hint("relative paths start at the folder of the configuration file"),
        ),
    }
    Some(folder)
}

fn access_log(root: &Node, surroundings: &Surroundings<'_>, problems: &mut Problems) -> Option<AccessLogSettings> {
    let log = entry::part::<raw::AccessLog>(root, &Pointer::root(), "access_log", problems)?;
    let path = match log.path?.as_str() {
        "stdout" => AccessLogPath::Stdout,
        "stderr" => AccessLogPath::Stderr,
        file => {
            let file = surroundings.path(file);
            if file.is_dir() || !file.parent().is_some_and(|folder| folder.is_dir()) {
                let here = Pointer::root().key("access_log").key("path");
                problems.push(Problem::unfit(
                    here,
                    "\"stdout\", \"stderr\" or a file in a folder that exists",
                ));
            }
            AccessLogPath::File(file)
        }
    };
    Some(AccessLogSettings { path })
}
