//! The header fields about the quota, for the client: `RateLimit-Policy` and `RateLimit` of the IETF draft
//! draft-ietf-httpapi-ratelimit-headers, `Retry-After` (RFC 9110, section 10.2.3), and the legacy `X-RateLimit-*`. No
//! host call is made here.

use lockgate_sdk::counter::RuleDecision;

use crate::config::Rule;

/// A header field.
pub(crate) type Field = (&'static str, String);

/// The value of `RateLimit-Policy`: `"name";q=100;w=60` for each rule.
pub(crate) fn policy(rules: &[Rule]) -> String {
    let policies = rules.iter().map(|rule| {
        let (name, limit, window) = (&rule.name, rule.limit, seconds(rule.window_ms));
        format!("\"{name}\";q={limit};w={window}")
    });
    policies.collect::<Vec<_>>().join(", ")
}

/// The header fields about the remaining quota.
pub(crate) fn fields(rules: &[Rule], policy: &str, decisions: &[RuleDecision], legacy: bool) -> Vec<Field> {
    let mut left = String::new();
    for (rule, decision) in rules.iter().zip(decisions) {
        if !left.is_empty() {
            left.push_str(", ");
        }
        left.push('"');
        left.push_str(&rule.name);
        left.push_str("\";r=");
        left.push_str(&decision.remaining.to_string());
        left.push_str(";t=");
        left.push_str(&seconds(decision.reset_ms).to_string());
    }
    let mut fields = vec![("ratelimit-policy", policy.to_owned()), ("ratelimit", left)];
    // The legacy headers describe one quota: the tightest.
    let tightest = decisions
        .iter()
        .min_by_key(|decision| (decision.allowed, decision.remaining));
    if let Some(decision) = tightest.filter(|_| legacy) {
        fields.push(("x-ratelimit-limit", decision.limit.to_string()));
        fields.push(("x-ratelimit-remaining", decision.remaining.to_string()));
        fields.push(("x-ratelimit-reset", seconds(decision.reset_ms).to_string()));
    }
    fields
}

/// The value of `Retry-After`, in seconds: the time until all rules that denied the request have enough tokens.
pub(crate) fn retry_after(decisions: &[RuleDecision]) -> u64 {
    let refused = decisions.iter().filter(|decision| !decision.allowed);
    seconds(refused.map(|decision| decision.retry_after_ms).max().unwrap_or(0)).max(1)
}

/// Whole seconds, rounded up, as a request that comes too early is denied again.
fn seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OnStoreError;
    use lockgate_sdk::template::Template;

    fn rule(name: &str, limit: u64, window_ms: u64) -> Rule {
        let key = Template::parse("k").expect("a template");
        let name = name.to_owned();
        Rule {
            name,
            key,
            limit,
            window_ms,
            burst: None,
            cost: 1,
            on_store_error: OnStoreError::Deny,
        }
    }

    fn decision(allowed: bool, remaining: u64, reset_ms: u64, retry_after_ms: u64) -> RuleDecision {
        RuleDecision {
            allowed,
            limit: 100,
            remaining,
            reset_ms,
            retry_after_ms,
        }
    }

    #[test]
    fn the_fields_are_those_of_the_draft() {
        let rules = [rule("d", 100, 60_000), rule("burst", 10, 1_500)];
        let policy = policy(&rules);
        assert_eq!(policy, r#""d";q=100;w=60, "burst";q=10;w=2"#);
        let fields = fields(
            &rules,
            &policy,
            &[decision(true, 50, 29_001, 0), decision(true, 9, 0, 0)],
            false,
        );
        assert_eq!(fields[0], ("ratelimit-policy", policy));
        assert_eq!(fields[1], ("ratelimit", r#""d";r=50;t=30, "burst";r=9;t=0"#.to_owned()));
        assert_eq!(fields.len(), 2);
    }

    #[test]
    fn the_legacy_headers_describe_the_tightest_rule() {
        let rules = [rule("a", 100, 1_000), rule("b", 100, 1_000)];
        let fields = fields(
            &rules,
            "",
            &[decision(true, 50, 10, 0), decision(true, 3, 7_000, 0)],
            true,
        );
        assert_eq!(fields[2], ("x-ratelimit-limit", "100".to_owned()));
        assert_eq!(fields[3], ("x-ratelimit-remaining", "3".to_owned()));
        assert_eq!(fields[4], ("x-ratelimit-reset", "7".to_owned()));
    }

    #[test]
    fn retry_after_is_rounded_up_and_waits_for_the_last_rule_that_refused() {
        assert_eq!(
            retry_after(&[decision(false, 0, 0, 1), decision(true, 5, 0, 90_000)]),
            1
        );
        assert_eq!(
            retry_after(&[decision(false, 0, 0, 1_001), decision(false, 0, 0, 600)]),
            2
        );
        assert_eq!(retry_after(&[]), 1);
    }
}
