//! What the table says of a family.

use lockgate_sandbox::MetricKind;

/// A metric family.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// Its base unit; empty for plain numbers.
    pub unit: &'static str,
    /// Its labels, in the order of rendering.
    pub labels: &'static [Label],
    /// The help text: one sentence, noun first.
    pub help: &'static str,
}

/// A label of a family.
#[derive(Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The values that it can have.
    pub values: Values,
}

/// The values of a label.
#[derive(Debug)]
pub enum Values {
    /// Names from the configuration, or numbers, in words.
    Open(&'static str),
    /// A fixed set.
    OneOf(&'static [Value]),
}

/// A value of a label with a fixed set.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// The value.
    pub name: &'static str,
    /// Its meaning.
    pub meaning: &'static str,
}

impl Family {
    pub(super) const fn counter(name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self {
            name,
            kind: MetricKind::Counter,
            unit: "",
            labels,
            help,
        }
    }

    pub(super) const fn gauge(name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self {
            name,
            kind: MetricKind::Gauge,
            unit: "",
            labels,
            help,
        }
    }

    pub(super) const fn durations(name: &'static str, labels: &'static [Label], help: &'static str) -> Self {
        Self {
            name,
            kind: MetricKind::Histogram,
            unit: "seconds",
            labels,
            help,
        }
    }
}
