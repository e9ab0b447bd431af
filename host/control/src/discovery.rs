//! Discovery as the control thread starts it: which upstreams have a source, and where their lists go.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lockgate_config::model::Model;
use lockgate_discovery::{Discovery, DiscoverySink, Wanted};
use lockgate_resolver::Resolver;
use lockgate_telemetry::metrics::{DiscoveryTotals, LookupTotals, Registry};
use lockgate_upstream::{EndpointSettings, Groups, Source};

use crate::error::RunError;
use crate::state_folder::state_folder;

/// Maximum time that the start, or a reload, waits for the first lists of new sources.
pub(crate) const FIRST_LISTS: Duration = Duration::from_secs(5);

/// Hands the lists of sources to the living groups.
struct ToGroups(Groups);

impl DiscoverySink for ToGroups {
    fn set_discovered(&self, upstream: &str, endpoints: &[EndpointSettings]) {
        // An upstream that is gone has no group.
        if let Some(group) = self.0.get(upstream) {
            group.set_endpoints(Source::Discovered, endpoints.to_vec());
        }
    }
}

/// Starts discovery for the gateway with this configuration file. Nothing runs before it is told what is wanted.
///
/// # Errors
/// The system has no thread.
pub(crate) fn start(
    config: &Path,
    state_dir: Option<&Path>,
    groups: Groups,
    resolver: &Resolver,
    registry: &Registry,
) -> Result<Discovery, RunError> {
    let discovery = Discovery::start(resolver.clone(), Arc::new(ToGroups(groups)), folder(config, state_dir));
    let discovery = discovery.map_err(RunError::system("discovery cannot start"))?;
    registry.observe_discovery({
        let discovery = discovery.clone();
        move || totals(&discovery)
    });
    registry.observe_lookups({
        let resolver = resolver.clone();
        move || lookup_totals(&resolver)
    });
    Ok(discovery)
}

/// The folder of the last lists.
fn folder(config: &Path, state_dir: Option<&Path>) -> PathBuf {
    let name = config.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    state_folder(config, state_dir).join(format!("{}.discovery", name.unwrap_or_default()))
}

/// The upstreams that have a source.
pub(crate) fn wanted(model: &Model) -> Vec<Wanted> {
    let upstreams = model.upstreams.iter();
    let wanted = upstreams.filter_map(|upstream| {
        Some(Wanted {
            upstream: upstream.name.clone(),
            settings: upstream.settings.discovery.clone()?,
        })
    });
    wanted.collect()
}

/// Runs the sources of a configuration that is not live yet and of upstreams that the live one does not have, and waits for their first lists:
/// its first requests find endpoints.
pub(crate) async fn prepare(discovery: &Discovery, live: &Model, next: &Model) {
    let mut all = wanted(live);
    let is_new = |wanted: &Wanted| live.upstreams.iter().all(|upstream| upstream.name != wanted.upstream);
    let new: Vec<Wanted> = wanted(next).into_iter().filter(is_new).collect();
    if !new.is_empty() {
        all.extend(new);
        discovery.set(all);
        discovery.decided(FIRST_LISTS).await;
    }
}

/// Runs the sources of the live configuration and no others.
pub(crate) fn set_live(discovery: &Discovery, groups: &Groups, model: &Model) {
    discovery.set(wanted(model));
    for upstream in &model.upstreams {
        if upstream.settings.discovery.is_none()
            && let Some(group) = groups.get(&upstream.name)
            && !group.source(Source::Discovered).is_empty()
        {
            group.set_endpoints(Source::Discovered, Vec::new());
        }
    }
}

fn totals(discovery: &Discovery) -> Vec<DiscoveryTotals> {
    let sources = discovery.status().into_iter();
    let totals = sources.map(|(upstream, status)| DiscoveryTotals {
        upstream,
        source: status.source,
        age: status.age(),
        updates: status.updates,
        failures: status.failures,
    });
    totals.collect()
}

fn lookup_totals(resolver: &Resolver) -> LookupTotals {
    let counts = resolver.counts();
    LookupTotals {
        names: counts.names as u64,
        succeeded: counts.succeeded,
        failed: counts.failed,
    }
}
