//! `docs/metrics.md` says what the table of metric families says. `make docs` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use lockgate_sandbox::MetricKind;
use lockgate_telemetry::metrics::families::{self, Family, Values};
use lockgate_telemetry::metrics::{
    CALLBACK_BOUNDS, MAX_METRICS, MAX_METRICS_PER_PLUGIN, MAX_NAME, MAX_SERIES, REQUEST_BOUNDS, VALUE_BOUNDS,
};

const HEAD: &str = "\
# Metrics

Generated from the code by `make docs`; a test keeps it current. `GET /metrics` on the [admin API](admin-api.md) returns them in
Prometheus' text format, version 0.0.4. Values are counted since the start of the process, on all workers together; reloads do not reset them.

";

#[test]
fn the_page_of_metrics_has_every_family() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = page();
    if env::var_os("RECORD").is_some() {
        fs::write(file, page).expect("the page is writable");
        return;
    }
    let recorded = fs::read_to_string(file).unwrap_or_default();
    for (line, (recorded, generated)) in recorded.lines().zip(page.lines()).enumerate() {
        assert_eq!(
            recorded,
            generated,
            "line {}: `make docs` writes the page anew",
            line + 1
        );
    }
    assert_eq!(recorded.len(), page.len(), "`make docs` writes the page anew");
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for family in families::ALL {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{}`", label.name)).collect();
        row(
            &mut page,
            &[
                &format!("`{}`", family.name),
                &kind(family),
                family.unit,
                &labels.join(", "),
                family.help,
            ],
        );
    }
    let prefix = families::PLUGIN_PREFIX;
    let by_plugin = "Metric that a plugin defines. Plugins that use the same name share the metric.";
    row(
        &mut page,
        &[&format!("`{prefix}NAME`"), "as defined", "as defined", "", by_plugin],
    );
    labels(&mut page);
    buckets(&mut page);
    let _ = write!(
        page,
        "\n## Bounds\n\n\
         - A family has at most {MAX_SERIES} series per worker. Further names are counted as `_other`; failures, refusals and events\n  \
         of further names are lost.\n\
         - A plugin defines at most {MAX_METRICS_PER_PLUGIN} metrics, all plugins together at most {MAX_METRICS}, with names of at most {MAX_NAME} bytes. Bytes other than\n  \
         letters, digits and `_` become `_`.\n"
    );
    page
}

fn labels(page: &mut String) {
    page.push_str("\n## Labels\n\n| label | values |\n|---|---|\n");
    let mut described = BTreeSet::new();
    for family in families::ALL {
        for label in family.labels {
            if let Values::Open(values) = label.values
                && described.insert((label.name, values))
            {
                row(page, &[&format!("`{}`", label.name), values]);
            }
        }
    }
    for family in families::ALL {
        for label in family.labels {
            if let Values::OneOf(values) = label.values {
                let _ = write!(page, "\n### `{}` of `{}`\n\n", label.name, family.name);
                page.push_str("| value | meaning |\n|---|---|\n");
                for value in values {
                    row(page, &[&format!("`{}`", value.name), value.meaning]);
                }
            }
        }
    }
}

fn buckets(page: &mut String) {
    page.push_str("\n## Buckets\n\n| histograms | upper bounds |\n|---|---|\n");
    let durations = |bounds: &[u64]| {
        let bounds = bounds.iter().map(|bound| format!("{}", *bound as f64 / 1e9));
        bounds.collect::<Vec<_>>().join(", ")
    };
    let values = VALUE_BOUNDS.map(|bound| bound.to_string()).join(", ");
    row(page, &["requests, upstreams: seconds", &durations(&REQUEST_BOUNDS)]);
    row(page, &["plugin callbacks: seconds", &durations(&CALLBACK_BOUNDS)]);
    row(page, &["of plugins: the plugin's unit", &values]);
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn kind(family: &Family) -> String {
    match family.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
    .to_owned()
}
