//! The foreign function `lockgate.counter`: quotas that the host counts exactly, across workers and reloads. Other
//! hosts than Lockgate return [`Error::Unsupported`](crate::Error::Unsupported).

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::services::foreign;

const FUNCTION: &str = "lockgate.counter";

/// The algorithm of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// A bucket of `burst` tokens, continuously refilled at the rate of `limit` tokens per window.
    TokenBucket,
}

/// A quota that a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule<'a> {
    /// The key of the bucket, such as a consumer's name. Plugins of different names never share a bucket.
    pub key: &'a str,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The number of tokens per window.
    pub limit: u64,
    /// The length of the window, in milliseconds.
    pub window_ms: u64,
    /// The size of the bucket, in tokens; `None` means `limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// The number of tokens that this request takes.
    pub cost: u64,
}

/// The decision of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuleDecision {
    /// Whether the bucket had enough tokens.
    pub allowed: bool,
    /// The rule's limit.
    pub limit: u64,
    /// The number of tokens that are left.
    pub remaining: u64,
    /// The time until the bucket is full, in milliseconds.
    pub reset_ms: u64,
    /// The time until another try can succeed, in milliseconds; 0 if allowed.
    pub retry_after_ms: u64,
}

/// The decision about a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Decision {
    /// Whether all rules allow the request. If not, no rule was charged.
    pub allowed: bool,
    /// The decision of each rule, in the order of the rules.
    pub rules: Vec<RuleDecision>,
}

/// Charges all rules, or none of them if one does not have enough tokens.
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) in another host than Lockgate.
pub fn take(rules: &[Rule<'_>]) -> Result<Decision> {
    #[derive(Serialize)]
    struct Take<'a> {
        op: &'static str,
        rules: &'a [Rule<'a>],
    }
    foreign::call_json(FUNCTION, &Take { op: "take", rules })
}
