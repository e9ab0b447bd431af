//! Prometheus' text format, version 0.0.4. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use lockgate_sandbox::{MetricKind, Phase, VmEvent};

use super::cells::{BOUNDS, CALLBACK_BOUNDS, Distribution, REQUEST_BOUNDS};
use super::defined::BOUNDS_OF_VALUES;
use super::series::{Answers, Carried};
use super::{Counters, WorkerCells};
use crate::ending::Ending;

/// Nanoseconds in the unit that durations are shown in.
const SECOND: f64 = 1e9;

pub(super) fn render(counters: &Counters) -> String {
    let workers = counters.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut out = Text(String::with_capacity(16 * 1024));
    requests(&mut out, &workers);
    plugins(&mut out, &workers);
    failures(&mut out, counters);
    upstreams(&mut out, &workers);
    tcp(&mut out, &workers);
    process(&mut out, counters, &workers);
    defined(&mut out, counters);
    out.0
}

fn requests(out: &mut Text, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, Answers>::new();
    for (key, cells) in workers.iter().flat_map(|worker| worker.requests.all()) {
        cells.add_to(sums.entry(key).or_default());
    }
    sums.retain(|_, sum| !sum.statuses.is_empty());
    out.family(
        "lockgate_requests_total",
        "counter",
        "Responses, by listener, route and status.",
    );
    for ((listener, route), sum) in &sums {
        for (status, count) in &sum.statuses {
            out.sample(
                "lockgate_requests_total",
                &[("listener", listener), ("route", route), ("status", status)],
                count,
            );
        }
    }
    out.family(
        "lockgate_request_duration_seconds",
        "histogram",
        "Time from a request's headers to the end of its response.",
    );
    for ((listener, route), sum) in &sums {
        let labels = [("listener", &**listener), ("route", &**route)];
        out.histogram(
            "lockgate_request_duration_seconds",
            &labels,
            &sum.durations,
            &REQUEST_BOUNDS,
            SECOND,
        );
    }
}

fn plugins(out: &mut Text, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, [Distribution; Phase::TIMED.len()]>::new();
    for (plugin, cells) in workers.iter().flat_map(|worker| worker.plugins.all()) {
        cells.add_to(sums.entry(plugin).or_default());
    }
    out.family(
        "lockgate_plugin_duration_seconds",
        "histogram",
        "Time in a plugin's callbacks, by phase.",
    );
    for (plugin, phases) in &sums {
        for (phase, durations) in Phase::TIMED.iter().zip(phases) {
            if durations.buckets.iter().any(|count| *count != 0) {
                let labels = [("plugin", &**plugin), ("phase", phase.as_str())];
                out.histogram(
                    "lockgate_plugin_duration_seconds",
                    &labels,
                    durations,
                    &CALLBACK_BOUNDS,
                    SECOND,
                );
            }
        }
    }
}

fn failures(out: &mut Text, counters: &Counters) {
    let families = [
        (
            "lockgate_plugin_failures_total",
            "kind",
            "Failures of plugins, by kind: traps, exceeded budgets and others.",
            &counters.failures,
        ),
        (
            "lockgate_plugin_refusals_total",
            "what",
            "Host calls of plugins that were refused, by the limit or capability that refused them.",
            &counters.refusals,
        ),
        (
            "lockgate_plugin_events_total",
            "event",
            "Events of plugins: VMs recycled, quarantined and released; requests blocked, or ended by a limit.",
            &counters.events,
        ),
    ];
    for (name, label, help, tallies) in families {
        out.family(name, "counter", help);
        for ((plugin, word), count) in &tallies.all() {
            out.sample(name, &[("plugin", plugin), (label, word)], count);
        }
    }
    let events = counters.events.all();
    let count = |plugin: &str, event: VmEvent| events.get(&(plugin.to_owned(), event.as_str())).copied().unwrap_or(0);
    out.family(
        "lockgate_plugin_quarantined",
        "gauge",
        "VMs of a plugin in quarantine, over all workers.",
    );
    for (plugin, _) in events
        .keys()
        .filter(|(_, event)| *event == VmEvent::Quarantined.as_str())
    {
        let now = count(plugin, VmEvent::Quarantined).saturating_sub(count(plugin, VmEvent::Released));
        out.sample("lockgate_plugin_quarantined", &[("plugin", plugin)], &now);
    }
}

fn upstreams(out: &mut Text, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, Answers>::new();
    for (upstream, cells) in workers.iter().flat_map(|worker| worker.upstreams.all()) {
        cells.add_to(sums.entry(upstream).or_default());
    }
    sums.retain(|_, sum| !sum.statuses.is_empty());
    out.family(
        "lockgate_upstream_requests_total",
        "counter",
        "Requests sent to an upstream, by status; none: no response.",
    );
    for (upstream, sum) in &sums {
        for (status, count) in &sum.statuses {
            out.sample(
                "lockgate_upstream_requests_total",
                &[("upstream", upstream), ("status", status)],
                count,
            );
        }
    }
    out.family(
        "lockgate_upstream_duration_seconds",
        "histogram",
        "Time from sending a request to the response headers.",
    );
    for (upstream, sum) in &sums {
        out.histogram(
            "lockgate_upstream_duration_seconds",
            &[("upstream", upstream)],
            &sum.durations,
            &REQUEST_BOUNDS,
            SECOND,
        );
    }
}

fn tcp(out: &mut Text, workers: &[Arc<WorkerCells>]) {
    let mut sums = BTreeMap::<_, Carried>::new();
    for (listener, cells) in workers.iter().flat_map(|worker| worker.tcp.all()) {
        cells.add_to(sums.entry(listener).or_default());
    }
    if sums.is_empty() {
        return;
    }
    out.family(
        "lockgate_tcp_connections_total",
        "counter",
        "Ended TCP connections, by listener and result.",
    );
    for (listener, sum) in &sums {
        for (how, count) in Ending::ALL.iter().zip(&sum.endings).filter(|(_, count)| **count != 0) {
            let labels = [("listener", &**listener), ("result", how.as_str())];
            out.sample("lockgate_tcp_connections_total", &labels, count);
        }
    }
    out.family(
        "lockgate_tcp_bytes_total",
        "counter",
        "Bytes of TCP connections, by direction: received from clients, sent to clients.",
    );
    for (listener, sum) in &sums {
        for (direction, bytes) in [("received", sum.received), ("sent", sum.sent)] {
            let labels = [("listener", &**listener), ("direction", direction)];
            out.sample("lockgate_tcp_bytes_total", &labels, &bytes);
        }
    }
}

fn process(out: &mut Text, counters: &Counters, workers: &[Arc<WorkerCells>]) {
    // Closed before opened: a connection that comes and goes in between must not make the difference negative.
    let closed: u64 = workers.iter().map(|worker| worker.closed.value()).sum();
    let opened: u64 = workers.iter().map(|worker| worker.opened.value()).sum();
    out.family("lockgate_connections", "gauge", "Open client connections.");
    out.sample("lockgate_connections", &[], &opened.saturating_sub(closed));
    out.family(
        "lockgate_connections_total",
        "counter",
        "Client connections since the start.",
    );
    out.sample("lockgate_connections_total", &[], &opened);
    out.family(
        "lockgate_reloads_total",
        "counter",
        "Reloads of configuration or modules, by result.",
    );
    let (done, failed) = (&counters.reloads_done, &counters.reloads_failed);
    out.sample(
        "lockgate_reloads_total",
        &[("result", "success")],
        &done.load(Ordering::Relaxed),
    );
    out.sample(
        "lockgate_reloads_total",
        &[("result", "failure")],
        &failed.load(Ordering::Relaxed),
    );
    out.family(
        "lockgate_access_log_dropped_total",
        "counter",
        "Lost lines of the access log.",
    );
    out.sample(
        "lockgate_access_log_dropped_total",
        &[],
        &counters.access_log_dropped.load(Ordering::Relaxed),
    );
}

fn defined(out: &mut Text, counters: &Counters) {
    for metric in counters.defined.all() {
        let name = format!("lockgate_plugin_{}", metric.name);
        let value = metric.value().unwrap_or_default();
        match metric.kind() {
            MetricKind::Counter => {
                out.family(&name, "counter", "Defined by a plugin.");
                out.sample(&name, &[], &value);
            }
            MetricKind::Gauge => {
                out.family(&name, "gauge", "Defined by a plugin.");
                out.sample(&name, &[], &value.cast_signed());
            }
            MetricKind::Histogram => {
                out.family(&name, "histogram", "Defined by a plugin.");
                out.histogram(
                    &name,
                    &[],
                    &metric.distribution().unwrap_or_default(),
                    &BOUNDS_OF_VALUES,
                    1.0,
                );
            }
        }
    }
}

/// The page so far.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &dyn std::fmt::Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        self.line(format_args!(" {value}\n"));
    }

    /// `unit`: how many of the histogram's own units make the shown one.
    fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        values: &Distribution,
        bounds: &[u64; BOUNDS],
        unit: f64,
    ) {
        let mut count = 0;
        for (at, bucket) in values.buckets.iter().enumerate() {
            count += bucket;
            let bound = bounds
                .get(at)
                .map_or("+Inf".to_owned(), |bound| (*bound as f64 / unit).to_string());
            self.line(format_args!("{name}_bucket"));
            self.labels(labels, Some(&bound));
            self.line(format_args!(" {count}\n"));
        }
        self.line(format_args!("{name}_sum"));
        self.labels(labels, None);
        self.line(format_args!(" {}\n{name}_count", values.sum as f64 / unit));
        self.labels(labels, None);
        self.line(format_args!(" {count}\n"));
    }

    fn labels(&mut self, labels: &[(&str, &str)], bound: Option<&str>) {
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        for (at, (name, value)) in all.enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            self.line(format_args!("{name}=\""));
            for c in value.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() || bound.is_some() {
            self.0.push('}');
        }
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a string does not fail");
    }
}
