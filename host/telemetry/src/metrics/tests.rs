//! What is counted is what is shown, whoever counted it.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use lockgate_sandbox::{FailureKind, MetricKind, Phase, Refusal, Status, VmEvent};
use proptest::prelude::*;

use super::families::{self, Values};
use super::{LiveNames, RETENTION, Registry, ReloadResult};
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
fn plugins_share_what_they_define_by_name_across_workers() {
    let registry = Registry::new();
    let (one, two) = (registry.worker(), registry.worker());
    let id = one.define("a", MetricKind::Counter, "cache.hits").unwrap();
    assert_eq!(two.define("b", MetricKind::Counter, "cache.hits"), Ok(id));
    one.increment(id, 2).unwrap();
    two.increment(id, 3).unwrap();
    two.record(id, 5).unwrap();
    assert_eq!(one.value(id), Ok(10));
    assert_eq!(one.increment(id, -1), Err(Status::BadArgument));
    assert_eq!(samples(&registry.render())["lockgate_plugin_cache_hits"], 10.0);
}

#[test]
fn gauges_move_both_ways_and_histograms_spread() {
    let registry = Registry::new();
    let worker = registry.worker();
    let gauge = worker.define("a", MetricKind::Gauge, "depth").unwrap();
    worker.record(gauge, 3).unwrap();
    worker.increment(gauge, -5).unwrap();
    assert_eq!(worker.value(gauge), Ok((-2i64).cast_unsigned()));
    let histogram = worker.define("a", MetricKind::Histogram, "size").unwrap();
    [1, 7, 1_000_000]
        .into_iter()
        .for_each(|value| worker.record(histogram, value).unwrap());
    assert_eq!(worker.value(histogram), Err(Status::BadArgument));
    assert_eq!(worker.increment(histogram, 1), Err(Status::BadArgument));
    let got = samples(&registry.render());
    assert_eq!(got["lockgate_plugin_depth"], -2.0);
    assert_eq!(got[r#"lockgate_plugin_size_bucket{le="10"}"#], 2.0);
    assert_eq!(got[r#"lockgate_plugin_size_bucket{le="+Inf"}"#], 3.0);
    assert_eq!(
        (got["lockgate_plugin_size_sum"], got["lockgate_plugin_size_count"]),
        (1_000_008.0, 3.0)
    );
}

#[test]
fn a_name_means_one_kind_and_never_one_of_the_gateways_own() {
    let registry = Registry::new();
    let worker = registry.worker();
    worker.define("a", MetricKind::Histogram, "h").unwrap();
    worker.define("a", MetricKind::Counter, "c_count").unwrap();
    for (kind, name) in [
        (MetricKind::Counter, "h"),
        (MetricKind::Counter, "h_sum"),
        (MetricKind::Histogram, "c"),
        (MetricKind::Gauge, "duration_seconds"),
        (MetricKind::Counter, "failures_total"),
        (MetricKind::Counter, "duration_seconds_bucket"),
    ] {
        let id = worker.define("b", kind, name).unwrap();
        worker.record(id, 7).unwrap();
        let (text, own) = (registry.render(), format!("lockgate_plugin_b_{name}"));
        assert!(text.contains(&own), "{name} is scoped by the plugin's name: {own}");
        assert_eq!(worker.define("b", kind, name), Ok(id), "{name}");
    }
    let kinds = [MetricKind::Counter, MetricKind::Gauge, MetricKind::Histogram];
    let ids: std::collections::BTreeSet<_> = kinds
        .iter()
        .map(|kind| worker.define("c", *kind, "all").unwrap())
        .collect();
    assert_eq!(ids.len(), 3, "one plugin may have a name in each kind");
    for name in ["", &"x".repeat(257)] {
        assert_eq!(
            worker.define("a", MetricKind::Counter, name),
            Err(Status::BadArgument),
            "{name}"
        );
    }
    assert_eq!(worker.value(99), Err(Status::NotFound));
}

#[test]
fn a_flood_of_definitions_is_capped_for_its_plugin_and_leaves_room_for_others() {
    let registry = Registry::new();
    let worker = registry.worker();
    let outcomes: Vec<_> = (0..10_000)
        .map(|i| worker.define("flood", MetricKind::Counter, &format!("m{i}")))
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 200);
    assert_eq!(outcomes[9_999], Err(Status::InternalFailure));
    assert!(worker.define("flood", MetricKind::Counter, "m0").is_ok());
    assert!(worker.define("other", MetricKind::Counter, "fine").is_ok());
}

#[test]
fn labels_of_a_plugins_metric_are_labels_in_any_order_and_on_every_worker() {
    let registry = Registry::new();
    let (one, two) = (registry.worker(), registry.worker());
    let id = one
        .define("p", MetricKind::Counter, r#"bytes{user="a\"b",day="1"}"#)
        .unwrap();
    assert_eq!(
        two.define("p", MetricKind::Counter, r#"bytes{day="1",user="a\"b"}"#),
        Ok(id)
    );
    let other = two
        .define("p", MetricKind::Counter, r#"bytes{day="2",user="c"}"#)
        .unwrap();
    one.increment(id, 3).unwrap();
    two.increment(id, 4).unwrap();
    two.increment(other, 5).unwrap();
    // A name that sorts between the family and its labels does not divide them.
    one.define("p", MetricKind::Counter, "bytes_total").unwrap();
    one.define("p", MetricKind::Counter, "bytes").unwrap();
    let labelled = r#"size{kind="x"}"#;
    let histogram = one.define("p", MetricKind::Histogram, labelled).unwrap();
    one.record(histogram, 7).unwrap();
    assert_ne!(one.define("p", MetricKind::Gauge, labelled), Ok(histogram));
    let page = registry.render();
    let got = samples(&page);
    assert_eq!(got[r#"lockgate_plugin_bytes{day="1",user="a\"b"}"#], 7.0);
    assert_eq!(got[r#"lockgate_plugin_bytes{day="2",user="c"}"#], 5.0);
    assert_eq!(got[r#"lockgate_plugin_size_count{kind="x"}"#], 1.0);
    assert_eq!(got[r#"lockgate_plugin_size_bucket{kind="x",le="10"}"#], 1.0);
    assert_eq!(page.matches("# TYPE lockgate_plugin_bytes counter").count(), 1);
}

#[test]
fn combinations_past_the_bound_share_one_series_and_their_sum_is_exact() {
    let registry = Registry::new();
    let workers = [registry.worker(), registry.worker()];
    for index in 0..500 {
        for worker in &workers {
            let name = format!(r#"refused{{why="{index}",user="u"}}"#);
            let id = worker.define("p", MetricKind::Counter, &name).unwrap();
            worker.increment(id, 1).unwrap();
        }
    }
    let got = samples(&registry.render());
    let of_family = got
        .iter()
        .filter(|(name, _)| name.starts_with("lockgate_plugin_refused{"));
    let (count, sum) = of_family.fold((0, 0.0), |(count, sum), (_, value)| (count + 1, sum + value));
    assert_eq!((count, sum), (super::MAX_SERIES_PER_FAMILY + 1, 1000.0));
    assert_eq!(got[r#"lockgate_plugin_refused{user="_other",why="_other"}"#], 800.0);
    // Of a plugin that has reached its maximum, too.
    for index in 0..10_000 {
        let _ = workers[0].define("p", MetricKind::Counter, &format!("m{index}"));
    }
    let another = workers[0].define("p", MetricKind::Counter, r#"refused{why="new",user="v"}"#);
    assert_eq!(
        another,
        workers[1].define("p", MetricKind::Counter, r#"refused{why="_other",user="_other"}"#)
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
    worker.upstream("u").record(Some(200), MS);
    worker.plugin("p").record(Phase::RequestBody, MS);
    worker.record_failure("p", FailureKind::Trap);
    worker.record_refusals("p", Refusal::Log, 1);
    worker.record_vm_event("p", VmEvent::Quarantined);
    let tcp = worker.tcp("tcp");
    CloseReason::ALL.into_iter().for_each(|reason| tcp.record_close(reason));
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
        assert!(seen > 0, "{}", family.name);
    }
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
