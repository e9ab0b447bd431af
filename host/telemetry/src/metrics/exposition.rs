//! Prometheus' text format, version 0.0.4. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Arguments, Display, Write};

use lockgate_sandbox::MetricKind;

use super::cells::{BOUNDS, Distribution};
use super::families::Family;

/// A page in the text format.
pub(super) struct Page(String);

/// A histogram's values, and how they are shown.
pub(super) struct Histogram<'a> {
    pub(super) values: &'a Distribution,
    pub(super) bounds: &'a [u64; BOUNDS],
    /// How many units of the values make one unit of the page.
    pub(super) unit: f64,
}

impl Page {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(16 * 1024))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Begins a family of the gateway.
    pub(super) fn family(&mut self, family: &Family) {
        self.head(family.name, family.kind, family.help);
    }

    /// A sample of a counter or gauge; `labels` are the values of the family's labels, in its order.
    pub(super) fn sample(&mut self, family: &Family, labels: &[&str], value: u64) {
        self.line(family.name, &pairs(family, labels), None, &value);
    }

    /// A histogram's samples; `labels` are the values of the family's labels, in its order.
    pub(super) fn histogram(&mut self, family: &Family, labels: &[&str], histogram: &Histogram<'_>) {
        self.buckets(family.name, &pairs(family, labels), histogram);
    }

    /// Begins a family that a plugin defined.
    pub(super) fn plugin_family(&mut self, name: &str, kind: MetricKind) {
        self.head(name, kind, DEFINED_BY_PLUGIN);
    }

    /// A sample of a family that a plugin defined.
    pub(super) fn plugin_sample(&mut self, name: &str, labels: &[(&str, &str)], value: &dyn Display) {
        self.line(name, labels, None, value);
    }

    /// The samples of a histogram that a plugin defined.
    pub(super) fn plugin_histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram<'_>) {
        self.buckets(name, labels, histogram);
    }

    fn head(&mut self, name: &str, kind: MetricKind, help: &str) {
        let kind = type_name(kind);
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn buckets(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram<'_>) {
        let Histogram { values, bounds, unit } = histogram;
        let bucket_name = format!("{name}_bucket");
        let mut count = 0;
        for (at, bucket) in values.buckets.iter().enumerate() {
            count += bucket;
            let bound = bounds
                .get(at)
                .map_or("+Inf".to_owned(), |bound| (*bound as f64 / unit).to_string());
            self.line(&bucket_name, labels, Some(&bound), &count);
        }
        self.line(&format!("{name}_sum"), labels, None, &(values.sum as f64 / unit));
        self.line(&format!("{name}_count"), labels, None, &count);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], bound: Option<&str>, value: &dyn Display) {
        self.0.push_str(name);
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        for (at, (name, value)) in all.enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            self.write(format_args!("{name}=\""));
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
        self.write(format_args!(" {value}\n"));
    }

    fn write(&mut self, text: Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a string does not fail");
    }
}

/// The help text of every metric that a plugin defines.
const DEFINED_BY_PLUGIN: &str = "Metric that a plugin defines.";

/// Label names and values.
fn pairs<'a>(family: &Family, values: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    debug_assert_eq!(values.len(), family.labels.len(), "{}", family.name);
    family
        .labels
        .iter()
        .zip(values)
        .map(|(label, value)| (label.name, *value))
        .collect()
}

/// The word of the `# TYPE` line.
fn type_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}
