//! The page of all metrics: adds the workers' cells up and writes family after family.

mod policies;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lockgate_sandbox::{MetricKind, Phase, VmEvent};
use lockgate_upstream::EndpointState;

use super::cells::{BOUNDS, CALLBACK_BOUNDS, Distribution, REQUEST_BOUNDS};
use super::counters::{Counters, WorkerCells};
use super::exposition::{Histogram, Page};
use super::families as f;
use super::plugin_metrics::VALUE_BOUNDS;
use super::series::{CalloutTotals, ResponseTotals, TcpTotals};
use crate::callout_end::CalloutEnd;
use crate::close_reason::CloseReason;
use crate::process_log;

pub(super) fn render(counters: &Counters) -> String {
    let workers = counters.workers();
    let mut page = Page::new();
    requests(&mut page, &workers);
    plugins(&mut page, &workers);
    waits(&mut page, &workers);
    callouts(&mut page, &workers);
    plugin_counts(&mut page, counters);
    upstreams(&mut page, &workers);
    policies::render(&mut page, counters);
    route_events(&mut page, counters);
    counters.observed.render(&mut page);
    endpoints(&mut page, counters);
    tcp(&mut page, &workers);
    process(&mut page, counters, &workers);
    plugin_metrics(&mut page, counters);
    page.finish()
}

/// Durations in nanoseconds, shown in seconds.
fn seconds<'a>(values: &'a Distribution, bounds: &'a [u64; BOUNDS]) -> Histogram<'a> {
    Histogram {
        values,
        bounds,
        unit: 1e9,
    }
}

fn requests(page: &mut Page, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, ResponseTotals>::new();
    for (key, cells) in workers.iter().flat_map(|worker| worker.requests.all()) {
        cells.add_to(sums.entry(key).or_default());
    }
    sums.retain(|_, sum| !sum.statuses.is_empty());
    page.family(&f::REQUESTS);
    for ((listener, route), sum) in &sums {
        for (status, count) in &sum.statuses {
            page.sample(&f::REQUESTS, &[listener, route, status], *count);
        }
    }
    page.family(&f::GRPC_RESPONSES);
    for ((listener, route), sum) in &sums {
        for (status, count) in &sum.grpc_statuses {
            page.sample(&f::GRPC_RESPONSES, &[listener, route, &status.to_string()], *count);
        }
    }
    page.family(&f::REQUEST_DURATION);
    for ((listener, route), sum) in &sums {
        let durations = seconds(&sum.durations, &REQUEST_BOUNDS);
        page.histogram(&f::REQUEST_DURATION, &[listener, route], &durations);
    }
    tunnels(page, &sums);
}

/// Of those listeners and routes that had a tunnel.
fn tunnels(page: &mut Page, sums: &BTreeMap<(Arc<str>, Arc<str>), ResponseTotals>) {
    let sums = || {
        let all = sums
            .iter()
            .map(|((listener, route), sum)| ([&**listener, &**route], &sum.tunnels));
        all.filter(|(_, tunnels)| tunnels.opened > 0)
    };
    if sums().next().is_none() {
        return;
    }
    page.family(&f::TUNNELS);
    for (labels, tunnels) in sums() {
        page.sample(&f::TUNNELS, &labels, tunnels.opened.saturating_sub(tunnels.closed));
    }
    page.family(&f::TUNNELS_TOTAL);
    for (labels, tunnels) in sums() {
        page.sample(&f::TUNNELS_TOTAL, &labels, tunnels.opened);
    }
    page.family(&f::TUNNEL_BYTES);
    for ([listener, route], tunnels) in sums() {
        page.sample(&f::TUNNEL_BYTES, &[listener, route, f::RECEIVED], tunnels.received);
        page.sample(&f::TUNNEL_BYTES, &[listener, route, f::SENT], tunnels.sent);
    }
}

fn plugins(page: &mut Page, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, [Distribution; Phase::TIMED.len()]>::new();
    for (plugin, cells) in workers.iter().flat_map(|worker| worker.plugins.all()) {
        cells.add_to(sums.entry(plugin).or_default());
    }
    page.family(&f::PLUGIN_DURATION);
    for (plugin, phases) in &sums {
        for (phase, durations) in Phase::TIMED.iter().zip(phases) {
            if durations.buckets.iter().any(|count| *count != 0) {
                let durations = seconds(durations, &CALLBACK_BOUNDS);
                page.histogram(&f::PLUGIN_DURATION, &[plugin, phase.as_str()], &durations);
            }
        }
    }
}

fn waits(page: &mut Page, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, Distribution>::new();
    for (plugin, cells) in workers.iter().flat_map(|worker| worker.plugins.all()) {
        cells.add_waits_to(sums.entry(plugin).or_default());
    }
    page.family(&f::PLUGIN_WAIT);
    sums.retain(|_, durations| durations.buckets.iter().any(|count| *count != 0));
    for (plugin, durations) in &sums {
        page.histogram(&f::PLUGIN_WAIT, &[plugin], &seconds(durations, &REQUEST_BOUNDS));
    }
}

fn callouts(page: &mut Page, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, CalloutTotals>::new();
    for (key, cells) in workers.iter().flat_map(|worker| worker.callouts.all()) {
        cells.add_to(sums.entry(key).or_default());
    }
    page.family(&f::PLUGIN_CALLOUTS);
    for ((plugin, upstream), sum) in &sums {
        let ends = CalloutEnd::ALL.iter().zip(sum.ends);
        for (end, count) in ends.filter(|(_, count)| *count > 0) {
            page.sample(&f::PLUGIN_CALLOUTS, &[plugin, upstream, end.as_str()], count);
        }
    }
    page.family(&f::PLUGIN_CALLOUT_DURATION);
    for ((plugin, upstream), sum) in &sums {
        let durations = seconds(&sum.durations, &REQUEST_BOUNDS);
        page.histogram(&f::PLUGIN_CALLOUT_DURATION, &[plugin, upstream], &durations);
    }
}

fn plugin_counts(page: &mut Page, counters: &Counters) {
    for (family, counts) in [
        (&f::PLUGIN_FAILURES, &counters.failures),
        (&f::PLUGIN_REFUSALS, &counters.refusals),
        (&f::PLUGIN_EVENTS, &counters.events),
    ] {
        page.family(family);
        for ((plugin, value), count) in &counts.all() {
            page.sample(family, &[plugin, value], *count);
        }
    }
    let events = counters.events.all();
    let count = |plugin: &str, event: VmEvent| events.get(&(plugin.to_owned(), event.as_str())).copied().unwrap_or(0);
    page.family(&f::PLUGIN_QUARANTINED);
    for (plugin, _) in events
        .keys()
        .filter(|(_, event)| *event == VmEvent::Quarantined.as_str())
    {
        let now = count(plugin, VmEvent::Quarantined).saturating_sub(count(plugin, VmEvent::Released));
        page.sample(&f::PLUGIN_QUARANTINED, &[plugin], now);
    }
}

fn upstreams(page: &mut Page, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, ResponseTotals>::new();
    for (upstream, cells) in workers.iter().flat_map(|worker| worker.upstreams.all()) {
        cells.add_to(sums.entry(upstream).or_default());
    }
    sums.retain(|_, sum| !sum.statuses.is_empty());
    page.family(&f::UPSTREAM_REQUESTS);
    for (upstream, sum) in &sums {
        for (status, count) in &sum.statuses {
            page.sample(&f::UPSTREAM_REQUESTS, &[upstream, status], *count);
        }
    }
    page.family(&f::UPSTREAM_DURATION);
    for (upstream, sum) in &sums {
        let durations = seconds(&sum.durations, &REQUEST_BOUNDS);
        page.histogram(&f::UPSTREAM_DURATION, &[upstream], &durations);
    }
}

fn route_events(page: &mut Page, counters: &Counters) {
    for (family, counts) in [(&f::MIRRORED, &counters.mirrored), (&f::FAULTS, &counters.faults)] {
        page.family(family);
        for ((name, value), count) in &counts.all() {
            page.sample(family, &[name, value], *count);
        }
    }
}

fn endpoints(page: &mut Page, counters: &Counters) {
    let upstreams = counters.endpoints.all();
    page.family(&f::UPSTREAM_ENDPOINTS);
    for (upstream, states) in &upstreams {
        for (state, count) in EndpointState::ALL.iter().zip(states) {
            page.sample(&f::UPSTREAM_ENDPOINTS, &[upstream, state.as_str()], *count);
        }
    }
    page.family(&f::UPSTREAM_HEALTH_CHECKS);
    for ((upstream, result), count) in &counters.health_checks.all() {
        page.sample(&f::UPSTREAM_HEALTH_CHECKS, &[upstream, result], *count);
    }
}

fn tcp(page: &mut Page, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, TcpTotals>::new();
    for (listener, cells) in workers.iter().flat_map(|worker| worker.tcp.all()) {
        cells.add_to(sums.entry(listener).or_default());
    }
    if sums.is_empty() {
        return;
    }
    page.family(&f::TCP_CONNECTIONS);
    for (listener, sum) in &sums {
        for (reason, count) in CloseReason::ALL
            .iter()
            .zip(&sum.closed)
            .filter(|(_, count)| **count != 0)
        {
            page.sample(&f::TCP_CONNECTIONS, &[listener, reason.as_str()], *count);
        }
    }
    page.family(&f::TCP_BYTES);
    for (listener, sum) in &sums {
        page.sample(&f::TCP_BYTES, &[listener, f::RECEIVED], sum.received);
        page.sample(&f::TCP_BYTES, &[listener, f::SENT], sum.sent);
    }
}

fn process(page: &mut Page, counters: &Counters, workers: &[Arc<WorkerCells>]) {
    // Closed before opened: a connection that comes and goes in between must not make the difference negative.
    let closed: u64 = workers.iter().map(|worker| worker.closed.value()).sum();
    let opened: u64 = workers.iter().map(|worker| worker.opened.value()).sum();
    page.family(&f::CONNECTIONS);
    page.sample(&f::CONNECTIONS, &[], opened.saturating_sub(closed));
    page.family(&f::CONNECTIONS_TOTAL);
    page.sample(&f::CONNECTIONS_TOTAL, &[], opened);
    page.family(&f::RELOADS);
    for (result, count) in [
        (f::ReloadResult::Success, &counters.reloads_succeeded),
        (f::ReloadResult::Failure, &counters.reloads_failed),
    ] {
        page.sample(&f::RELOADS, &[result.as_str()], count.load(Ordering::Relaxed));
    }
    page.family(&f::ACCESS_LOG_DROPPED);
    let dropped = counters.access_log_dropped.load(Ordering::Relaxed);
    page.sample(&f::ACCESS_LOG_DROPPED, &[], dropped);
    page.family(&f::LOG_DROPPED);
    page.sample(&f::LOG_DROPPED, &[], process_log::dropped_lines());
}

fn plugin_metrics(page: &mut Page, counters: &Counters) {
    let mut last = String::new();
    for metric in counters.plugin_metrics.all() {
        let name = format!("{}{}", f::PLUGIN_PREFIX, metric.name);
        if name != last {
            page.plugin_family(&name, metric.kind());
            last.clone_from(&name);
        }
        let labels: Vec<_> = metric.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        let value = metric.value().unwrap_or_default();
        match metric.kind() {
            MetricKind::Counter => page.plugin_sample(&name, &labels, &value),
            MetricKind::Gauge => page.plugin_sample(&name, &labels, &value.cast_signed()),
            MetricKind::Histogram => {
                let histogram = Histogram {
                    values: &metric.distribution().unwrap_or_default(),
                    bounds: &VALUE_BOUNDS,
                    unit: 1.0,
                };
                page.plugin_histogram(&name, &labels, &histogram);
            }
        }
    }
}
