//! The switch that has host calls logged: which requests are chosen, how many, for how long. It goes off by itself. What a line
//! looks like is the sandbox's business.
//!
//! While it is off a request costs one look at a flag.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use lockgate_exchange::{Exchange, clock};
use lockgate_sandbox::{CallTrace, Payloads};
use lockgate_units::Period;
use serde::{Deserialize, Serialize};

/// Requests that one rule may choose at most.
const MOST_REQUESTS: u64 = 1000;
/// How long a rule may be in force.
const LONGEST: Period = Period::seconds(3600);

/// Whose host calls are logged. All conditions that are given hold together; without any, the next requests are chosen.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceRule {
    /// Headers as the client sent them, each with exactly this value; `null` for any value.
    pub headers: BTreeMap<String, Option<String>>,
    /// The path, or whole segments that it begins with.
    pub path_prefix: Option<String>,
    /// The listener's name. Connections of a TCP listener are chosen by this alone, and by nothing if others are given.
    pub listener: Option<String>,
    /// The share of these that is chosen, more than 0 and at most 1.
    pub share: f64,
    /// Plugins whose calls are logged; all if absent.
    pub plugins: Option<Vec<String>>,
    /// How many are chosen before it goes off, 1 to 1000.
    pub requests: u64,
    /// How long until it goes off, at most an hour.
    pub duration: Period,
    /// Whether the beginning of bodies, configurations, shared values, queued messages and arguments of foreign functions is
    /// shown. They may hold secrets that nobody can tell from anything else.
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

/// What the switch is doing.
#[derive(Clone, Debug, Serialize)]
pub struct TraceReport {
    /// Whether requests are being chosen.
    pub on: bool,
    /// How many were chosen by the rule, which may have gone off since.
    pub chosen: u64,
    /// Seconds until it goes off.
    pub seconds_left: f64,
    /// The rule; none if there has been none.
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
    /// Every request of the next hundred years, for development: a log without bounds.
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
    /// What is wrong with it, for whoever wrote it.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let rule: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if !(rule.share > 0.0 && rule.share <= 1.0) {
            return Err("\"share\" is more than 0 and at most 1".to_owned());
        }
        if !(1..=MOST_REQUESTS).contains(&rule.requests) {
            return Err(format!("\"requests\" is a number from 1 to {MOST_REQUESTS}"));
        }
        if rule.duration.is_zero() || rule.duration > LONGEST {
            return Err(format!("\"duration\" is more than nothing and at most {LONGEST}"));
        }
        match &rule.path_prefix {
            Some(prefix) if !prefix.starts_with('/') => Err("\"path_prefix\" begins with a slash".to_owned()),
            _ => Ok(rule),
        }
    }

    fn fits(&self, exchange: &Exchange) -> bool {
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
    /// Chooses by this rule from now on, and by no other.
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

    /// Chooses no more. Requests that were chosen are told to their end.
    pub fn end(&self) {
        self.on.store(false, Ordering::Release);
    }

    /// What it is doing.
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

    /// Chooses a request that has just come, or does not.
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
            tracing::info!("host call trace off: its duration has passed");
            self.end();
            return None;
        }
        if !active.rule.fits(exchange) || !active.takes_the_next() {
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
    /// Of every so many that fit, one: evenly spread, without a die.
    fn takes_the_next(&self) -> bool {
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
        let taken: Vec<_> = (0..12).filter(|_| active.takes_the_next()).collect();
        assert_eq!(taken, [3, 7, 11]);
    }
}
