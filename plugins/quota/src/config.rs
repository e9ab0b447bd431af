//! The configuration of the quota plugin: as written, and checked. Knows no host.

use lockgate_sdk::ConfigError;
use lockgate_sdk::period::Period;
use lockgate_sdk::template::Template;
use serde::Deserialize;

/// The configuration as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    rules: Vec<RuleSettings>,
    #[serde(default)]
    pub(crate) legacy_headers: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSettings {
    name: Option<String>,
    #[serde(default = "consumer_or_address")]
    key: Template,
    limit: u64,
    window: Period,
    burst: Option<u64>,
    #[serde(default = "one")]
    cost: u64,
    #[serde(default)]
    on_store_error: OnStoreError,
}

/// What to do with a request that cannot be counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnStoreError {
    Allow,
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

/// The longest window: long enough for a month, short enough for every store.
const LONGEST_MS: u64 = 366 * 86_400_000;

/// More than this in a window is no limit at all, and would not fit into every store's arithmetic.
const MOST: u64 = 1_000_000_000;

fn consumer_or_address() -> Template {
    Template::parse("{consumer|address}").expect("the sources are known")
}

fn one() -> u64 {
    1
}

impl Config {
    /// The rules, in the order in which they are asked.
    pub(crate) fn rules(self) -> Result<Vec<Rule>, ConfigError> {
        let mut rules: Vec<Rule> = Vec::with_capacity(self.rules.len());
        for (index, settings) in self.rules.into_iter().enumerate() {
            let rule = settings.checked(index)?;
            if rules.iter().any(|other| other.name == rule.name) {
                let message = format!("\"{}\" is there twice; rules are told apart by their names", rule.name);
                return Err(ConfigError::at(format!("rules[{index}].name"), message));
            }
            rules.push(rule);
        }
        Ok(rules)
    }
}

impl RuleSettings {
    fn checked(self, index: usize) -> Result<Rule, ConfigError> {
        let fault = |field: &str, message: String| Err(ConfigError::at(format!("rules[{index}].{field}"), message));
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
        if !(1..=MOST).contains(&self.limit) {
            return fault("limit", format!("{} is not between 1 and {MOST}", self.limit));
        }
        if !(1..=LONGEST_MS).contains(&window_ms) {
            return fault("window", "a window is between 1ms and 366d".to_owned());
        }
        if self.burst.is_some_and(|burst| !(1..=MOST).contains(&burst)) {
            return fault("burst", format!("a burst is between 1 and {MOST}"));
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
