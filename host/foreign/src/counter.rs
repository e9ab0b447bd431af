//! `lockgate.counter`: rate limits, several of them taken in one atomic step.
//!
//! In: `{"op":"take","rules":[{"key":"alice","algorithm":"token_bucket","limit":100,"window_ms":60000,"cost":1}]}`, with
//! an optional `burst` (else `limit`). Out: `{"allowed":true,"rules":[{"allowed":true,"limit":100,"remaining":99,
//! "reset_ms":600,"retry_after_ms":0}]}`. Times are rounded up: waiting that long is always enough.

use std::borrow::Cow;
use std::time::Duration;

use lockgate_abi::Status;
use lockgate_exchange::clock;
use lockgate_store::{Outcome, Rule, Store};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::json::{bad_argument, parse_argument, to_result};

const NAME: &str = "lockgate.counter";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CounterCall<'a> {
    #[serde(rename = "op")]
    _op: Op,
    #[serde(borrow)]
    rules: Vec<RuleArgument<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Take,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleArgument<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(rename = "algorithm")]
    _algorithm: Algorithm,
    limit: u64,
    window_ms: u64,
    burst: Option<u64>,
    #[serde(default = "one")]
    cost: u64,
}

fn one() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Algorithm {
    TokenBucket,
}

#[derive(Serialize)]
struct CounterResult {
    allowed: bool,
    rules: Vec<RuleResult>,
}

#[derive(Serialize)]
struct RuleResult {
    allowed: bool,
    limit: u64,
    remaining: u64,
    reset_ms: u64,
    retry_after_ms: u64,
}

/// Takes the costs of all rules, or of none.
pub(super) fn call(store: &Store, plugin: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
    let call: CounterCall<'_> = parse_argument(NAME, argument)?;
    let rules: SmallVec<[Rule<'_>; 2]> = call.rules.iter().map(RuleArgument::rule).collect();
    let taken = store
        .counters()
        .take(plugin, &rules, clock::now())
        .map_err(|error| bad_argument(NAME, &error))?;
    let rules = rules
        .iter()
        .zip(&taken.rules)
        .map(|(rule, outcome)| RuleResult::new(rule, outcome))
        .collect();
    to_result(&CounterResult {
        allowed: taken.allowed,
        rules,
    })
}

impl RuleArgument<'_> {
    fn rule(&self) -> Rule<'_> {
        Rule {
            key: &self.key,
            limit: self.limit,
            window: Duration::from_millis(self.window_ms),
            burst: self.burst.unwrap_or(self.limit),
            cost: self.cost,
        }
    }
}

impl RuleResult {
    fn new(rule: &Rule<'_>, outcome: &Outcome) -> Self {
        Self {
            allowed: outcome.allowed,
            limit: rule.limit,
            remaining: outcome.remaining,
            reset_ms: millis(outcome.reset),
            retry_after_ms: millis(outcome.retry_after),
        }
    }
}

/// Whole milliseconds, rounded up.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use lockgate_store::StoreSettings;
    use serde_json::{Value, json};

    use super::*;

    fn take(store: &Store, plugin: &str, argument: &Value) -> Result<Value, Status> {
        let answer = call(store, plugin, argument.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&answer).expect("an answer is JSON"))
    }

    fn alice(limit: u64) -> Value {
        json!({ "op": "take", "rules": [
            { "key": "alice", "algorithm": "token_bucket", "limit": limit, "window_ms": 3_600_000, "cost": 1 }
        ]})
    }

    #[test]
    fn a_limit_counts_down_and_then_gives_a_time_to_retry() {
        let store = Store::new(StoreSettings::default());
        for remaining in [1, 0] {
            let answer = take(&store, "quota", &alice(2)).expect("well-formed");
            assert_eq!(
                (&answer["allowed"], &answer["rules"][0]["remaining"]),
                (&json!(true), &json!(remaining))
            );
            assert_eq!(
                (&answer["rules"][0]["limit"], &answer["rules"][0]["retry_after_ms"]),
                (&json!(2), &json!(0))
            );
        }
        let answer = take(&store, "quota", &alice(2)).expect("well-formed");
        assert_eq!(
            (&answer["allowed"], &answer["rules"][0]["allowed"]),
            (&json!(false), &json!(false))
        );
        let retry = answer["rules"][0]["retry_after_ms"].as_u64().expect("a number");
        let reset = answer["rules"][0]["reset_ms"].as_u64().expect("a number");
        assert!(
            (1_790_000..=1_800_000).contains(&retry) && (3_590_000..=3_600_000).contains(&reset),
            "{retry} {reset}"
        );
    }

    #[test]
    fn plugins_have_separate_counters() {
        let store = Store::new(StoreSettings::default());
        for plugin in ["one", "two"] {
            assert_eq!(take(&store, plugin, &alice(1)).expect("well-formed")["allowed"], true);
            assert_eq!(take(&store, plugin, &alice(1)).expect("well-formed")["allowed"], false);
        }
    }

    #[test]
    fn all_rules_are_charged_or_none() {
        let store = Store::new(StoreSettings::default());
        let rule = |key: &str, limit: u64, cost: u64| json!({ "key": key, "algorithm": "token_bucket", "limit": limit, "window_ms": 3_600_000, "cost": cost, "burst": limit });
        let both = json!({ "op": "take", "rules": [rule("wide", 10, 1), rule("narrow", 10, 11)] });
        let answer = take(&store, "quota", &both).expect("well-formed");
        assert_eq!(answer["allowed"], false);
        assert_eq!(
            answer["rules"][0],
            json!({ "allowed": true, "limit": 10, "remaining": 10, "reset_ms": 0, "retry_after_ms": 0 })
        );
    }

    #[test]
    fn a_malformed_call_is_a_bad_argument() {
        let store = Store::new(StoreSettings::default());
        for argument in [
            json!({}),
            json!({ "op": "give", "rules": [] }),
            json!({ "op": "take", "rules": [] }),
            json!({ "op": "take", "rules": [{ "key": "a", "algorithm": "magic", "limit": 1, "window_ms": 1 }] }),
            json!({ "op": "take", "rules": [{ "key": "a", "algorithm": "token_bucket", "limit": 0, "window_ms": 1 }] }),
            json!({ "op": "take", "rules": [{ "key": "a", "algorithm": "token_bucket", "limit": -1, "window_ms": 1 }] }),
            json!({ "op": "take", "rules": [{ "key": "a", "algorithm": "token_bucket", "limit": 1, "window_ms": 0 }] }),
            json!({ "op": "take", "rules": [{ "key": "a", "algorithm": "token_bucket", "limit": 1, "window_ms": 1, "x": 1 }] }),
        ] {
            assert_eq!(take(&store, "quota", &argument), Err(Status::BadArgument), "{argument}");
        }
        assert_eq!(call(&store, "quota", b"{"), Err(Status::BadArgument));
    }
}
