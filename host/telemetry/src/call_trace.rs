//! The switch of the host call trace: which requests are traced, how many, for how long. It goes off by itself. The sandbox formats the
//! lines.
//!
//! While it is off, a request costs one look at a flag.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use lockgate_exchange::{Exchange, clock};
use lockgate_sandbox::{CallTrace, Payloads};
use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Maximum requests of one rule.
const MAX_REQUESTS: u64 = 1000;
/// Maximum duration of a rule.
const MAX_DURATION: Period = Period::seconds(3600);

/// A rule of the host call trace. A request is traced if it meets all conditions; without conditions, the next requests are traced.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TraceRule {
    /// Condition: request headers, each with exactly this value; `null` for any value.
    pub headers: BTreeMap<String, Option<String>>,
    /// Condition: the path, or whole segments at its beginning.
    pub path_prefix: Option<String>,
    /// Condition: the listener's name. A rule with `headers` or `path_prefix` traces no TCP connections.
    pub listener: Option<String>,
    /// Share of the matching requests that is traced: more than 0, at most 1.
    pub share: f64,
    /// Plugins whose host calls are logged. Absent: all.
    pub plugins: Option<Vec<String>>,
    /// Number of traced requests after which the trace goes off: 1 to 1000.
    pub requests: u64,
    /// Duration after which the trace goes off: at most one hour.
    pub duration: Period,
    /// Whether the first bytes of bodies, configurations, shared values, queue messages and arguments of foreign functions are shown.
    /// They may contain secrets that cannot be recognised.
    pub payloads: bool,
}

impl Default for TraceRule {
    fn default() -> Self {
        Self {
            headers: BTreeMap::new(),
            path_prefix: None,
            listener: None,
            share: 1.0,
            plugins: None,
            requests: 10,
            duration: Period::seconds(60),
            payloads: false,
        }
    }
}

/// State of the host call trace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TraceReport {
    /// Whether the trace is on.
    pub on: bool,
    /// Number of requests that the last rule traced.
    pub chosen: u64,
    /// Seconds until the trace goes off.
    pub seconds_left: f64,
    /// The last rule; `null` before the first.
    pub rule: Option<TraceRule>,
}

/// The switch. One for the process.
#[derive(Debug, Default)]
pub struct TraceSwitch {
    on: AtomicBool,
    latest: ArcSwapOption<Active>,
}

/// A rule that is, or was, in force.
#[derive(Debug)]
struct Active {
    rule: TraceRule,
    plugins: Option<Arc<[String]>>,
    ends: Instant,
    /// Requests that fit.
    seen: AtomicU64,
    chosen: AtomicU64,
}

impl TraceRule {
    /// Every request for a hundred years, for development: a trace without bounds.
    pub fn every() -> Self {
        Self {
            requests: u64::MAX,
            duration: Period::seconds(100 * 365 * 86_400),
            ..Self::default()
        }
    }

    /// A rule from JSON.
    ///
    /// # Errors
    /// The mistake in it, for the client.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let rule: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if !(rule.share > 0.0 && rule.share <= 1.0) {
            return Err("\"share\" is more than 0 and at most 1".to_owned());
        }
        if !(1..=MAX_REQUESTS).contains(&rule.requests) {
            return Err(format!("\"requests\" is a number from 1 to {MAX_REQUESTS}"));
        }
        if rule.duration.is_zero() || rule.duration > MAX_DURATION {
            return Err(format!("\"duration\" is more than nothing and at most {MAX_DURATION}"));
        }
        match &rule.path_prefix {
            Some(prefix) if !prefix.starts_with('/') => Err("\"path_prefix\" begins with a slash".to_owned()),
            _ => Ok(rule),
        }
    }

    fn matches(&self, exchange: &Exchange) -> bool {
        let is_here = |listener: &String| **listener == *exchange.info.connection.listener;
        if !self.listener.as_ref().is_none_or(is_here) {
            return false;
        }
        if exchange.tcp.is_some() {
            return self.headers.is_empty() && self.path_prefix.is_none();
        }
        let request = &exchange.request;
        let is_below = |prefix: &String| {
            let rest = request.path.path().strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
        };
        let is_sent = |(name, value): (&String, &Option<String>)| {
            let mut sent = request.headers.get_all(name.as_str()).iter();
            sent.any(|sent| value.as_ref().is_none_or(|value| sent == value.as_str()))
        };
        self.path_prefix.as_ref().is_none_or(is_below) && self.headers.iter().all(is_sent)
    }
}

impl TraceSwitch {
    /// Starts a trace; it replaces a running one.
    pub fn begin(&self, rule: TraceRule) {
        let active = Active {
            plugins: rule.plugins.as_deref().map(Into::into),
            ends: clock::now() + rule.duration.duration(),
            seen: AtomicU64::new(0),
            chosen: AtomicU64::new(0),
            rule,
        };
        self.latest.store(Some(Arc::new(active)));
        self.on.store(true, Ordering::Release);
    }

    /// Stops the trace. Requests that are being traced are traced to their end.
    pub fn end(&self) {
        self.on.store(false, Ordering::Release);
    }

    /// Its state.
    pub fn report(&self) -> TraceReport {
        let active = self.latest.load();
        let active = active.as_deref();
        let left = active.map_or_else(Default::default, |active| {
            active.ends.saturating_duration_since(clock::now())
        });
        let on = self.on.load(Ordering::Acquire) && !left.is_zero();
        TraceReport {
            on,
            chosen: active.map_or(0, |active| active.chosen.load(Ordering::Relaxed)),
            seconds_left: if on { left.as_secs_f64() } else { 0.0 },
            rule: active.map(|active| active.rule.clone()),
        }
    }

    /// The trace of a new request, if the rule chooses it.
    pub fn choose(&self, exchange: &Exchange) -> Option<Rc<CallTrace>> {
        if self.on.load(Ordering::Relaxed) {
            self.consider(exchange)
        } else {
            None
        }
    }

    #[cold]
    fn consider(&self, exchange: &Exchange) -> Option<Rc<CallTrace>> {
        let active = self.latest.load();
        let active = active.as_deref()?;
        if clock::now() >= active.ends {
            tracing::info!("host call trace off: its duration is over");
            self.end();
            return None;
        }
        if !active.rule.matches(exchange) || !active.is_next_in_share() {
            return None;
        }
        let nth = active.chosen.fetch_add(1, Ordering::Relaxed) + 1;
        if nth >= active.rule.requests {
            self.end();
        }
        if nth > active.rule.requests {
            return None;
        }
        let payloads = if active.rule.payloads {
            Payloads::Shown
        } else {
            Payloads::Counted
        };
        Some(Rc::new(CallTrace::new(active.plugins.clone(), payloads)))
    }
}

impl Active {
    /// Whether the next matching request is in the share: evenly spread, without random numbers.
    fn is_next_in_share(&self) -> bool {
        let before = self.seen.fetch_add(1, Ordering::Relaxed) as f64;
        ((before + 1.0) * self.rule.share).floor() > (before * self.rule.share).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Result<TraceRule, String> {
        TraceRule::read(json.as_bytes())
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (json, part) in [
            (r#"{"header": {}}"#, "unknown field `header`"),
            (r#"{"share": 0}"#, "share"),
            (r#"{"share": 1.5}"#, "share"),
            (r#"{"requests": 0}"#, "from 1 to 1000"),
            (r#"{"requests": 1001}"#, "from 1 to 1000"),
            (r#"{"duration": "2h"}"#, "at most 1h"),
            (r#"{"duration": 5}"#, "duration with its unit"),
            (r#"{"path_prefix": "a"}"#, "slash"),
            ("", "EOF"),
        ] {
            let reason = rule(json).expect_err(json);
            assert!(reason.contains(part), "{json}: {reason}");
        }
        assert!(rule("{}").is_ok());
    }

    #[test]
    fn a_share_is_spread_evenly() {
        let active = Active {
            rule: rule(r#"{"share": 0.25}"#).unwrap(),
            plugins: None,
            ends: clock::now(),
            seen: AtomicU64::new(0),
            chosen: AtomicU64::new(0),
        };
        let taken: Vec<_> = (0..12).filter(|_| active.is_next_in_share()).collect();
        assert_eq!(taken, [3, 7, 11]);
    }
}
