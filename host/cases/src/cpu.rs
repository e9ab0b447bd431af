//! The CPU time that plugins took in a case, by phase, beside their limit.

use std::fmt;
use std::time::Duration;

use lockgate_control::PreparedSnapshot;

const SUM: &str = "lockgate_plugin_duration_seconds_sum{";
const COUNT: &str = "lockgate_plugin_duration_seconds_count{";

/// The time of one plugin in one phase.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseTime {
    /// The plugin's name.
    pub plugin: String,
    /// The phase, like `request_headers`.
    pub phase: String,
    /// The average of a callback, in milliseconds.
    pub mean: f64,
    /// `limits.deadline` of the plugin, in milliseconds.
    pub limit: f64,
}

/// The times in the metrics of a case. Each has a callback at least.
pub(crate) fn times(metrics: &str, prepared: &PreparedSnapshot) -> Vec<PhaseTime> {
    let samples = |name: &'static str| {
        metrics.lines().filter_map(move |line| {
            let (labels, value) = line.strip_prefix(name)?.rsplit_once("} ")?;
            Some((labels, value.parse::<f64>().ok()?))
        })
    };
    let of = |labels: &str, name: &str| {
        let (_, rest) = labels.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let limit = |plugin: &str| {
        let mut plugins = prepared.snapshot().model.plugins.iter();
        let found = plugins.find(|known| known.name == plugin);
        found.map_or(Duration::ZERO, |known| known.settings.limits.deadline.duration())
    };
    let found = samples(SUM).filter_map(|(labels, sum)| {
        let (_, count) = samples(COUNT).find(|(known, _)| *known == labels)?;
        let plugin = of(labels, "plugin")?;
        (count > 0.0).then(|| PhaseTime {
            limit: milliseconds(limit(&plugin)),
            phase: of(labels, "phase").unwrap_or_default(),
            plugin,
            mean: sum * 1000.0 / count,
        })
    });
    // What the end of a stream takes has no limit of its own that an author could meet, and a phase without a hook takes nothing.
    found
        .filter(|time| time.phase != "finish" && time.mean >= 0.0005)
        .collect()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// One line: each phase with its time, and the limit.
pub(crate) struct Line<'a>(pub(crate) &'a [PhaseTime]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = self.0.iter().any(|time| time.plugin != self.0[0].plugin);
        for (index, time) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let plugin = if several {
                format!("{} ", time.plugin)
            } else {
                String::new()
            };
            write!(out, "{comma}{plugin}{} {:.2}", time.phase, time.mean)?;
        }
        let limit = self.0.iter().map(|time| time.limit).fold(f64::INFINITY, f64::min);
        write!(out, " of {limit} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_shown_with_its_time_and_the_lowest_limit() {
        let time = |plugin: &str, phase: &str, mean| PhaseTime {
            plugin: plugin.to_owned(),
            phase: phase.to_owned(),
            mean,
            limit: if plugin == "a" { 20.0 } else { 5.0 },
        };
        let one = [time("a", "request_headers", 0.126), time("a", "response_body", 12.0)];
        assert_eq!(
            Line(&one).to_string(),
            "request_headers 0.13, response_body 12.00 of 20 ms"
        );
        let two = [time("a", "request_headers", 0.1), time("b", "request_headers", 1.0)];
        assert_eq!(
            Line(&two).to_string(),
            "a request_headers 0.10, b request_headers 1.00 of 5 ms"
        );
    }
}
