//! The configuration of the quota plugin: as written, and checked. Knows no host.

use lockgate_sdk::ConfigError;
use lockgate_sdk::config::Duration;
use lockgate_sdk::template::Template;

/// The configuration as it is written.
#[derive(Debug, lockgate_sdk::Config)]
pub(crate) struct Config {
    /// All must have enough, and then each pays.
    rules: Vec<RuleSettings>,
    /// Sets `X-RateLimit-Limit`, `-Remaining` and `-Reset`, too.
    #[config(default)]
    pub(crate) legacy_headers: bool,
}

#[derive(Debug, lockgate_sdk::Config)]
struct RuleSettings {
    /// What counters and `RateLimit` call the rule; the first one is `default`, the others `rule-INDEX`.
    name: Option<String>,
    /// Whom a counter belongs to.
    #[config(default = "{consumer|address}")]
    key: Template,
    /// How much there is in a window.
    #[config(min = 1, max = 1_000_000_000)]
    limit: u64,
    /// In which time it comes back.
    #[config(min = "1ms", max = "366d")]
    window: Duration,
    /// How much may be taken at once; as much as `limit` if nothing is said.
    #[config(min = 1, max = 1_000_000_000)]
    burst: Option<u64>,
    /// What a request costs.
    #[config(default = 1, min = 1)]
    cost: u64,
    /// What to do with a request that cannot be counted.
    #[config(default)]
    on_store_error: OnStoreError,
}

/// What to do with a request that cannot be counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, lockgate_sdk::Config)]
#[config(rename_all = "snake_case")]
pub(crate) enum OnStoreError {
    /// It passes.
    Allow,
    /// It is answered 503.
    #[default]
    Deny,
}

/// A rule as it is applied.
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
    /// The rules, in the order in which they are asked.
    pub(crate) fn rules(self) -> Result<Vec<Rule>, ConfigError> {
        let mut rules: Vec<Rule> = Vec::with_capacity(self.rules.len());
        for (index, settings) in self.rules.into_iter().enumerate() {
            let rule = settings.checked(index)?;
            if rules.iter().any(|other| other.name == rule.name) {
                let message = format!("\"{}\" is there twice; rules are told apart by their names", rule.name);
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
                "a name is printable ASCII without quotes, commas and semicolons".to_owned(),
            );
        }
        let capacity = self.burst.unwrap_or(self.limit);
        if !(1..=capacity).contains(&self.cost) {
            return fault(
                "cost",
                format!(
                    "{} is not between 1 and {capacity}, which is all there can be",
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
