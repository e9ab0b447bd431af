//! What is counted is what is shown, whoever counted it.

mod plugin_metrics;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use lockgate_sandbox::{FailureKind, MetricKind, Phase, Refusal, Status, VmEvent};
use proptest::prelude::*;

use super::families::{self, Values};
use super::{DiscoveryTotals, Fault, LiveNames, LookupTotals, MirrorResult, RETENTION, Registry, ReloadResult};
use crate::callout_end::CalloutEnd;
use crate::close_reason::CloseReason;

/// Samples by name and labels.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(key, value)| (key.to_owned(), value.parse().unwrap()))
        .collect()
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn workers_are_added_up() {
    let registry = Registry::new();
    let (one, two) = (registry.worker(), registry.worker());
    one.requests("web", "orders").record(200, MS);
    one.requests("web", "orders").record(404, 20 * MS);
    two.requests("web", "orders").record(200, 3 * MS);
    two.requests("tls", "orders").record(200, MS);
    let got = samples(&registry.render());
    assert_eq!(
        got[r#"lockgate_requests_total{listener="web",route="orders",status="200"}"#],
        2.0
    );
    assert_eq!(
        got[r#"lockgate_requests_total{listener="web",route="orders",status="404"}"#],
        1.0
    );
    assert_eq!(
        got[r#"lockgate_requests_total{listener="tls",route="orders",status="200"}"#],
        1.0
    );
    let labels = r#"listener="web",route="orders""#;
    let bucket = |le: &str| got[&format!("lockgate_request_duration_seconds_bucket{{{labels},le=\"{le}\"}}")];
    assert_eq!(
        [
            bucket("0.0005"),
            bucket("0.001"),
            bucket("0.005"),
            bucket("0.025"),
            bucket("+Inf")
        ],
        [0.0, 1.0, 2.0, 3.0, 3.0]
    );
    assert_eq!(
        got[&format!("lockgate_request_duration_seconds_count{{{labels}}}")],
        3.0
    );
    assert!((got[&format!("lockgate_request_duration_seconds_sum{{{labels}}}")] - 0.024).abs() < 1e-9);
}

#[test]
fn cells_are_found_by_name_so_reloads_do_not_reset_them() {
    let registry = Registry::new();
    let worker = registry.worker();
    worker.upstream("orders").record(Some(200), MS);
    worker.upstream("orders").record(None, MS);
    worker.upstream("orders").record(Some(200), MS);
    let got = samples(&registry.render());
    assert_eq!(
        got[r#"lockgate_upstream_requests_total{upstream="orders",status="200"}"#],
        2.0
    );
    assert_eq!(
        got[r#"lockgate_upstream_requests_total{upstream="orders",status="none"}"#],
        1.0
    );
    assert_eq!(
        got[r#"lockgate_upstream_duration_seconds_count{upstream="orders"}"#],
        3.0
    );
}

#[test]
fn plugins_are_told_apart_by_phase_and_silent_phases_are_not_shown() {
    let registry = Registry::new();
    let worker = registry.worker();
    let series = worker.plugin("auth");
    series.record(Phase::RequestHeaders, Duration::from_nanos(900));
    series.record(Phase::RequestHeaders, Duration::from_micros(80));
    series.record(Phase::Finish, Duration::from_secs(1));
    worker.record_failure("auth", FailureKind::Trap);
    registry.worker().record_failure("auth", FailureKind::Trap);
    let page = registry.render();
    let got = samples(&page);
    let bucket = |phase: &str, le: &str| {
        got[&format!("lockgate_plugin_duration_seconds_bucket{{plugin=\"auth\",phase=\"{phase}\",le=\"{le}\"}}")]
    };
    assert_eq!(
        [
            bucket("request_headers", "0.000001"),
            bucket("request_headers", "0.0001")
        ],
        [1.0, 2.0]
    );
    assert_eq!([bucket("finish", "0.05"), bucket("finish", "+Inf")], [0.0, 1.0]);
    assert!(!page.contains("request_body"));
    assert_eq!(got[r#"lockgate_plugin_failures_total{plugin="auth",kind="trap"}"#], 2.0);
}

#[test]
fn connections_are_open_until_their_guard_is_dropped() {
    let registry = Registry::new();
    let worker = registry.worker();
    let (one, two) = (worker.connections().open(), worker.connections().open());
    assert_eq!(samples(&registry.render())["lockgate_connections"], 2.0);
    drop(one);
    assert_eq!(samples(&registry.render())["lockgate_connections"], 1.0);
    drop(two);
    let got = samples(&registry.render());
    assert_eq!(
        (got["lockgate_connections"], got["lockgate_connections_total"]),
        (0.0, 2.0)
    );
}

#[test]
fn reloads_and_lost_lines_are_counted() {
    let registry = Registry::new();
    registry.record_reload(ReloadResult::Success);
    registry.record_reload(ReloadResult::Failure);
    registry.record_reload(ReloadResult::Failure);
    registry
        .access_log_dropped()
        .fetch_add(5, std::sync::atomic::Ordering::Relaxed);
    let got = samples(&registry.render());
    assert_eq!(got[r#"lockgate_reloads_total{result="success"}"#], 1.0);
    assert_eq!(got[r#"lockgate_reloads_total{result="failure"}"#], 2.0);
    assert_eq!(got["lockgate_access_log_dropped_total"], 5.0);
}

#[test]
fn more_statuses_than_slots_are_counted_together_and_none_is_lost() {
    let registry = Registry::new();
    let worker = registry.worker();
    let series = worker.requests("web", "r");
    (0..40).for_each(|offset| series.record(400 + offset, MS));
    let got = samples(&registry.render());
    let of = |status: &str| {
        got.get(&format!(
            "lockgate_requests_total{{listener=\"web\",route=\"r\",status=\"{status}\"}}"
        ))
        .copied()
    };
    assert_eq!(of("415"), Some(1.0));
    assert_eq!(of("416"), None);
    assert_eq!(of("other"), Some(24.0));
}

#[test]
fn names_from_the_configuration_cannot_break_the_page() {
    let registry = Registry::new();
    registry.worker().requests("a\"b\\c\nd", "").record(200, MS);
    assert!(
        registry
            .render()
            .contains(r#"{listener="a\"b\\c\nd",route="",status="200"} 1"#)
    );
}

#[test]
fn series_past_the_bound_are_counted_together() {
    let registry = Registry::new();
    let worker = registry.worker();
    (0..super::MAX_SERIES + 5).for_each(|i| worker.upstream(&format!("u{i}")).record(Some(200), MS));
    let got = samples(&registry.render());
    assert_eq!(
        got[r#"lockgate_upstream_requests_total{upstream="_other",status="200"}"#],
        5.0
    );
}

#[test]
fn every_sample_has_its_family_and_no_sample_comes_twice() {
    let registry = Registry::new();
    let worker = registry.worker();
    worker.requests("web", "r").record(200, MS);
    worker.upstream("u").record(Some(200), MS);
    worker.plugin("p").record(Phase::RequestBody, MS);
    worker.record_failure("p", FailureKind::Trap);
    for (kind, name) in [
        (MetricKind::Counter, "c"),
        (MetricKind::Gauge, "g"),
        (MetricKind::Histogram, "h"),
    ] {
        worker.define("p", kind, name).unwrap();
    }
    let page = registry.render();
    assert!(page.ends_with('\n'));
    let (mut families, mut seen) = (HashSet::new(), HashSet::new());
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(family.split(' ').next().unwrap()), "{line}");
        } else if !line.starts_with('#') {
            let (key, _) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(key), "{line}");
            let name = key.split('{').next().unwrap();
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .unwrap_or(name);
            assert!(families.contains(name) || families.contains(base), "{line}");
        }
    }
}

/// The table and the page agree: what `docs/metrics.md` shows is what operators scrape.
#[test]
fn every_family_of_the_table_is_rendered_with_its_type_labels_and_values() {
    let registry = Registry::new();
    let worker = registry.worker();
    worker.requests("web", "r").record(200, MS);
    worker.requests("web", "r").record_grpc_status(0);
    drop(worker.requests("web", "r").open_tunnel());
    worker.upstream("u").record(Some(200), MS);
    worker.plugin("p").record(Phase::RequestBody, MS);
    worker.plugin("p").record_wait(MS);
    worker.record_callout("p", "u", CalloutEnd::Response, MS);
    worker.record_failure("p", FailureKind::Trap);
    worker.record_refusals("p", Refusal::Log, 1);
    worker.record_vm_event("p", VmEvent::Quarantined);
    worker.record_mirror("u", MirrorResult::Sent);
    worker.record_fault("r", Fault::Abort);
    let tcp = worker.tcp("tcp");
    CloseReason::ALL.into_iter().for_each(|reason| tcp.record_close(reason));
    observe(&registry);
    registry.record_health_check("u", "pass");
    registry.set_endpoint_source(|| vec![("u".into(), [1; 4])]);
    let page = registry.render();
    let types: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let table: Vec<String> = families::ALL
        .iter()
        .map(|family| format!("{} {:?}", family.name, family.kind).to_lowercase())
        .collect();
    assert_eq!(types, table);
    for family in families::ALL {
        let sample = |line: &&str| {
            let ending = line.strip_prefix(family.name).unwrap_or_default();
            ["{", " ", "_sum{", "_sum "]
                .iter()
                .any(|start| ending.starts_with(start))
        };
        let mut seen = 0;
        for line in page.lines().filter(sample) {
            seen += 1;
            let labels = line
                .split_once('{')
                .map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
            let mut labels = labels.split(',').filter(|label| !label.is_empty());
            for label in family.labels {
                let (name, value) = labels.next().unwrap().split_once('=').unwrap();
                assert_eq!(name, label.name, "{line}");
                if let Values::OneOf(values) = &label.values {
                    let value = value.trim_matches('"');
                    assert!(values.iter().any(|known| known.name == value), "{line}");
                }
            }
            assert_eq!(labels.next(), None, "{line}");
        }
        assert!(seen > 0 || OF_POLICIES.contains(&family.name), "{}", family.name);
    }
}

/// Families that show what policies of upstreams have counted. Their tests are where there is traffic: `tests/tests/resilience.rs`.
const OF_POLICIES: [&str; 7] = [
    families::BREAKER_STATE.name,
    families::RETRIES.name,
    families::RETRY_BUDGET_EXHAUSTED.name,
    families::HEDGES.name,
    families::EJECTIONS.name,
    families::SHED.name,
    families::CONCURRENCY.name,
];

/// What is counted outside of this crate.
fn observe(registry: &Registry) {
    let source = |upstream: &str, age| DiscoveryTotals {
        upstream: upstream.into(),
        source: "consul",
        age,
        updates: 3,
        failures: 4,
    };
    registry.observe_discovery(move || vec![source("new", None), source("u", Some(Duration::from_millis(2500)))]);
    registry.observe_lookups(|| LookupTotals {
        names: 5,
        succeeded: 6,
        failed: 7,
    });
}

#[test]
fn what_is_counted_elsewhere_is_read_when_the_page_is_written() {
    let registry = Registry::new();
    assert!(!registry.render().contains("lockgate_discovery"));
    observe(&registry);
    let got = samples(&registry.render());
    let of = |name: &str, upstream: &str| {
        let key = format!("{name}{{upstream=\"{upstream}\",source=\"consul\"}}");
        got.get(&*key).copied()
    };
    assert_eq!(of("lockgate_discovery_list_age_seconds", "u"), Some(2.0));
    assert_eq!(of("lockgate_discovery_list_age_seconds", "new"), None);
    assert_eq!(of("lockgate_discovery_updates_total", "new"), Some(3.0));
    assert_eq!(of("lockgate_discovery_failures_total", "u"), Some(4.0));
    assert_eq!(got["lockgate_resolver_names"], 5.0);
    assert_eq!(got[r#"lockgate_resolver_lookups_total{result="failure"}"#], 7.0);
}

proptest! {
    #[test]
    fn no_duration_is_lost_and_buckets_only_grow(micros in proptest::collection::vec(0u64..100_000_000, 1..64)) {
        let registry = Registry::new();
        let worker = registry.worker();
        micros.iter().for_each(|micros| worker.requests("l", "r").record(200, Duration::from_micros(*micros)));
        let page = registry.render();
        let buckets: Vec<f64> = page.lines().filter(|line| line.starts_with("lockgate_request_duration_seconds_bucket"))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
        prop_assert!(buckets.is_sorted());
        prop_assert_eq!(*buckets.last().unwrap(), micros.len() as f64);
        let under_a_second = micros.iter().filter(|micros| **micros <= 1_000_000).count() as f64;
        let key = "lockgate_request_duration_seconds_bucket{listener=\"l\",route=\"r\",le=\"1\"}";
        prop_assert_eq!(samples(&page)[key], under_a_second);
    }
}

#[test]
fn series_of_what_a_reload_removed_go_after_a_while_and_those_in_use_stay() {
    let registry = Registry::new();
    let worker = registry.worker();
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    let live = |route: &str| LiveNames {
        listeners: names(&["web"]),
        routes: names(&["stays", route]),
        upstreams: names(&[route]),
        plugins: names(&[route]),
    };
    let draining = worker.requests("web", "draining");
    draining.record(200, MS);
    worker.requests("web", "stays").record(200, MS);
    worker.requests("web", "").record(404, MS);
    for number in 0..600 {
        let name = format!("r{number}");
        registry.set_live(live(&name));
        worker.requests("web", &name).record(200, MS);
        worker.upstream(&name).record(Some(200), MS);
        worker.plugin(&name).record(Phase::RequestHeaders, MS);
        worker.record_failure(&name, FailureKind::Trap);
        worker.record_vm_event(&name, VmEvent::Recycled);
    }
    let now = Instant::now();
    let has = |page: &str, name: &str| page.contains(&format!("=\"{name}\""));
    let soon = registry.render_at(now);
    assert!(
        has(&soon, "r0") && has(&soon, "r599"),
        "the last values are still scraped"
    );
    let later = registry.render_at(now + RETENTION);
    assert!(!(0..599).any(|number| has(&later, &format!("r{number}"))));
    for kept in ["r599", "stays", "draining"] {
        assert!(has(&later, kept), "{kept}");
    }
    assert!(
        later.contains("route=\"\""),
        "requests without a route are always possible"
    );
    assert!(later.len() < 20_000, "{}", later.len());
}
