//! Metrics that plugins define.

use super::*;

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
    assert_eq!((count, sum), (crate::metrics::MAX_SERIES_PER_FAMILY + 1, 1000.0));
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
