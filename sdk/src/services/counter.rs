//! `lockgate.counter`: quotas that are counted by the host, exactly, across workers and reloads.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::services::foreign;

const FUNCTION: &str = "lockgate.counter";

/// How a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// A bucket of `burst` tokens, refilled evenly with `limit` per window.
    TokenBucket,
}

/// One quota that a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule<'a> {
    /// Who or what is counted. Keys of different plugins never meet.
    pub key: &'a str,
    /// How it is counted.
    pub algorithm: Algorithm,
    /// How many in a window.
    pub limit: u64,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// The bucket's size; `None` is `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// What this request costs.
    pub cost: u64,
}

/// What has become of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuleDecision {
    /// Whether this rule had enough.
    pub allowed: bool,
    /// The rule's limit.
    pub limit: u64,
    /// What is left now.
    pub remaining: u64,
    /// When the quota is whole again, in milliseconds.
    pub reset_ms: u64,
    /// When to try again, in milliseconds; 0 when allowed.
    pub retry_after_ms: u64,
}

/// What has become of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Decision {
    /// Whether all rules had enough. If not, none was charged.
    pub allowed: bool,
    /// Each rule's part, in the order asked.
    pub rules: Vec<RuleDecision>,
}

/// Charges all rules, or none of them when one has not enough.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) where the host is not Lockgate.
pub fn take(rules: &[Rule<'_>]) -> Result<Decision> {
    #[derive(Serialize)]
    struct Take<'a> {
        op: &'static str,
        rules: &'a [Rule<'a>],
    }
    foreign::call_json(FUNCTION, &Take { op: "take", rules })
}
