//! What the process's log writes: the directives of `RUST_LOG`, and others that an operator has set for a while.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use lockgate_exchange::clock;
use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Libraries whose lines a peer can cause. They say `error` and no more, unless the directives name them.
const LIBRARIES: [&str; 6] = ["h2", "hyper", "hyper_util", "rustls", "tokio_rustls", "wasmtime"];

/// Maximum duration of a change.
const MAX_DURATION: Period = Period::seconds(24 * 3600);

/// Maximum length of directives, in bytes.
const MAX_FILTER: usize = 4096;

/// The layer that decides which events are written.
pub type FilterLayer = reload::Layer<EnvFilter, Registry>;

static SWITCH: OnceLock<Switch> = OnceLock::new();

struct Switch {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The directives of the start.
    started_with: String,
    change: Mutex<Change>,
}

/// The latest change.
#[derive(Default)]
struct Change {
    number: u64,
    in_force: Option<InForce>,
}

struct InForce {
    filter: String,
    ends: std::time::Instant,
}

/// A change of the log's levels.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogRule {
    /// Directives as in `RUST_LOG`: `debug`; `info,plugin=trace,lockgate::requests=off`.
    pub filter: String,
    /// Time after which the levels of the start are in force again: at most 24 hours.
    #[serde(default = "default_duration")]
    pub duration: Period,
}

fn default_duration() -> Period {
    Period::seconds(600)
}

/// The log's levels.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LogReport {
    /// The directives in force.
    pub filter: String,
    /// The directives of the start.
    pub started_with: String,
    /// Seconds until the directives of the start are in force again; `null`: they are.
    pub seconds_left: Option<f64>,
}

/// The layer for the process's log, which [`set`] changes later.
///
/// # Errors
/// In words: the directives cannot be read.
pub fn layer(directives: &str) -> Result<FilterLayer, String> {
    let (layer, handle) = reload::Layer::new(read(directives)?);
    let switch = Switch {
        handle,
        started_with: directives.to_owned(),
        change: Mutex::default(),
    };
    // A second log of the process would be a mistake, and has no switch.
    let _ = SWITCH.set(switch);
    Ok(layer)
}

/// Sets other directives for a while, instead of those in force. Gives the number of the change, for [`end`].
///
/// # Errors
/// In words: the rule is wrong, or this process has no log.
pub fn set(rule: &LogRule) -> Result<u64, String> {
    let filter = rule.filter.trim();
    if filter.is_empty() || filter.len() > MAX_FILTER {
        return Err(format!(
            "filter: expected 1 to {MAX_FILTER} bytes, such as \"info,plugin=debug\""
        ));
    }
    if rule.duration > MAX_DURATION || rule.duration.0.is_zero() {
        return Err(format!(
            "duration: {} is out of range; expected up to {MAX_DURATION}",
            rule.duration
        ));
    }
    let switch = SWITCH.get().ok_or("this process has no log")?;
    let mut change = switch.lock();
    switch.apply(filter)?;
    change.number += 1;
    change.in_force = Some(InForce {
        filter: filter.to_owned(),
        ends: clock::now() + rule.duration.0,
    });
    Ok(change.number)
}

/// Ends a change, unless another one has taken its place; without a number, whatever is in force.
pub fn end(number: Option<u64>) {
    let Some(switch) = SWITCH.get() else { return };
    let mut change = switch.lock();
    if number.is_none_or(|number| number == change.number) && change.in_force.take().is_some() {
        // They were read at the start.
        let _ = switch.apply(&switch.started_with);
        tracing::info!(filter = switch.started_with, "log levels are those of the start again");
    }
}

/// The levels in force; none: this process has no log.
pub fn report() -> Option<LogReport> {
    let switch = SWITCH.get()?;
    let change = switch.lock();
    let left = |in_force: &InForce| in_force.ends.saturating_duration_since(clock::now());
    Some(LogReport {
        filter: match &change.in_force {
            Some(in_force) => in_force.filter.clone(),
            None => switch.started_with.clone(),
        },
        started_with: switch.started_with.clone(),
        seconds_left: change
            .in_force
            .as_ref()
            .map(left)
            .map(|left: Duration| left.as_secs_f64()),
    })
}

impl Switch {
    fn lock(&self) -> MutexGuard<'_, Change> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, directives: &str) -> Result<(), String> {
        let filter = read(directives)?;
        self.handle.reload(filter).map_err(|error| error.to_string())
    }
}

/// A level that names no target is that of this program, and of plugins.
fn read(directives: &str) -> Result<EnvFilter, String> {
    let filter = EnvFilter::builder().parse(quiet_libraries(directives));
    filter.map_err(|error| format!("{error}; example: info,lockgate_gateway=debug"))
}

/// The directives that were asked for, with one for each library that they do not name.
fn quiet_libraries(asked: &str) -> String {
    let names = |library: &str| {
        let targets = asked
            .split(',')
            .map(|directive| directive.trim().split(['=', '[']).next().unwrap_or_default());
        targets
            .into_iter()
            .any(|target| target.split("::").next() == Some(library))
    };
    let quiet = LIBRARIES
        .into_iter()
        .filter(|library| !names(library))
        .map(|library| format!("{library}=error"));
    std::iter::once(asked.to_owned())
        .chain(quiet)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_quiet_unless_they_are_named() {
        let all = "h2=error,hyper=error,hyper_util=error,rustls=error,tokio_rustls=error,wasmtime=error";
        assert_eq!(quiet_libraries("debug"), format!("debug,{all}"));
        let named = quiet_libraries("info, h2::codec=trace,hyper=debug,rustls");
        assert_eq!(
            named,
            "info, h2::codec=trace,hyper=debug,rustls,hyper_util=error,tokio_rustls=error,wasmtime=error"
        );
    }

    #[test]
    fn a_rule_out_of_bounds_is_refused_in_words() {
        let rule = |filter: &str, seconds| LogRule {
            filter: filter.to_owned(),
            duration: Period::seconds(seconds),
        };
        for (rule, part) in [
            (rule(" ", 60), "filter: expected"),
            (rule(&"a".repeat(5000), 60), "filter: expected"),
            (rule("debug", 0), "duration: "),
            (rule("debug", 90_000), "duration: "),
        ] {
            let refused = set(&rule).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
