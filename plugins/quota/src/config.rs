//! The configuration of the quota plugin, as written and as checked. No host call is made here.

use lockgate_sdk::ConfigError;
use lockgate_sdk::config::Duration;
use lockgate_sdk::template::Template;

/// The configuration as written.
#[derive(Debug, lockgate_sdk::Config)]
pub(crate) struct Config {
    /// The rules, at most 64. A request is charged to all of them, or, if one does not have enough tokens, to none.
    #[config(max_length = 64)]
    rules: Vec<RuleSettings>,
    /// The number of bits of an IPv6 address that `{address}` in a key stands for. A network has that prefix, and a client has all of its
    /// addresses; 128 counts each address for itself.
    #[config(default = 64, min = 1, max = 128)]
    pub(crate) ipv6_prefix: u8,
    /// Whether to set `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`, too.
    #[config(default)]
    pub(crate) legacy_headers: bool,
}

#[derive(Debug, lockgate_sdk::Config)]
struct RuleSettings {
    /// The name of the rule, in its bucket's key and in `RateLimit`. The default is `default` for the first rule,
    /// `rule-INDEX` for the others.
    name: Option<String>,
    /// The key of the bucket, a template.
    #[config(default = "{consumer|address}")]
    key: Template,
    /// The number of tokens per window.
    #[config(min = 1, max = 1_000_000_000)]
    limit: u64,
    /// The length of the window.
    #[config(min = "1ms", max = "366d")]
    window: Duration,
    /// The size of the bucket, in tokens. The default is `limit`.
    #[config(min = 1, max = 1_000_000_000)]
    burst: Option<u64>,
    /// The number of tokens that a request takes.
    #[config(default = 1, min = 1)]
    cost: u64,
    /// The treatment of a request that cannot be counted.
    #[config(default)]
    on_store_error: OnStoreError,
}

/// The treatment of a request that cannot be counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
pub(crate) enum OnStoreError {
    /// The request passes.
    Allow,
    /// The client gets a 503.
    #[default]
    Deny,
}

/// A checked rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) key: Template,
    pub(crate) limit: u64,
    pub(crate) window_ms: u64,
    pub(crate) burst: Option<u64>,
    pub(crate) cost: u64,
    pub(crate) on_store_error: OnStoreError,
}

impl Config {
    /// The checked rules, in order.
    pub(crate) fn rules(self) -> Result<Vec<Rule>, ConfigError> {
        let mut rules: Vec<Rule> = Vec::with_capacity(self.rules.len());
        for (index, settings) in self.rules.into_iter().enumerate() {
            let rule = settings.checked(index)?;
            if rules.iter().any(|other| other.name == rule.name) {
                let message = format!("the name \"{}\" is not unique", rule.name);
                return Err(ConfigError::at(format!("/rules/{index}/name"), message));
            }
            rules.push(rule);
        }
        Ok(rules)
    }
}

impl RuleSettings {
    fn checked(self, index: usize) -> Result<Rule, ConfigError> {
        let fault = |field: &str, message: String| Err(ConfigError::at(format!("/rules/{index}/{field}"), message));
        let window_ms = self.window.milliseconds();
        let name = self.name.unwrap_or_else(|| {
            if index == 0 {
                "default".to_owned()
            } else {
                format!("rule-{index}")
            }
        });
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\,;".contains(&byte))
        {
            return fault(
                "name",
                "a name must be printable ASCII without quotes, backslashes, commas and semicolons".to_owned(),
            );
        }
        let capacity = self.burst.unwrap_or(self.limit);
        if !(1..=capacity).contains(&self.cost) {
            return fault(
                "cost",
                format!(
                    "found {}, expected a number from 1 to {capacity}, the size of the bucket",
                    self.cost
                ),
            );
        }
        let Self {
            key,
            limit,
            burst,
            cost,
            on_store_error,
            ..
        } = self;
        Ok(Rule {
            name,
            key,
            limit,
            window_ms,
            burst,
            cost,
            on_store_error,
        })
    }
}
