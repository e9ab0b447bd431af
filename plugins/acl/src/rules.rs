//! The rules, and their decision about a request. No host call is made here.

use std::net::IpAddr;

use lockgate_sdk::{Config, ConfigError};

use crate::network::Network;
use crate::paths::{PathPrefix, Readings};

/// The configuration.
#[derive(Debug, Config)]
pub(crate) struct Rules {
    /// A request that matches one of these rules is denied.
    #[config(default)]
    deny: Vec<Rule>,
    /// If present, a request must match one of these rules.
    allow: Option<Vec<Rule>>,
}

/// Conditions that must all hold. Of each list, one entry must match.
#[derive(Debug, Default, Config)]
struct Rule {
    /// The name of the rule in the log.
    name: Option<String>,
    /// Groups of the consumer.
    #[config(min_length = 1)]
    groups: Option<Vec<String>>,
    /// Names of consumers.
    #[config(min_length = 1)]
    consumers: Option<Vec<String>>,
    /// Methods, case-sensitive.
    #[config(min_length = 1)]
    methods: Option<Vec<String>>,
    /// Path prefixes by whole segments: `/a` matches `/a` and `/a/b`, not `/ab`.
    #[config(min_length = 1)]
    path_prefixes: Option<Vec<PathPrefix>>,
    /// Addresses or ranges of the client, in CIDR notation.
    #[config(min_length = 1)]
    cidrs: Option<Vec<Network>>,
}

/// The facts about a request that rules can need.
#[derive(Debug, Default)]
pub(crate) struct RequestFacts {
    pub(crate) consumer: Option<String>,
    /// Separated by commas.
    pub(crate) groups: String,
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: Readings,
    /// `None` if it is unknown or not an IP address.
    pub(crate) address: Option<IpAddr>,
}

/// The facts that the rules need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NeededFacts {
    pub(crate) consumer: bool,
    pub(crate) groups: bool,
    pub(crate) method: bool,
    pub(crate) path: bool,
    pub(crate) address: bool,
}

/// The decision of the rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    /// A rule of `deny` matches; its name, for the log.
    Denied(String),
    /// No rule of `allow` matches.
    NotAllowed,
}

/// How a rule treats what is not sure: an unknown address, or a path that servers read in different ways. Each list is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Matches,
    Differs,
}

impl Rules {
    /// Checks the rules; those without any effect are an error.
    pub(crate) fn checked(self) -> Result<Rules, ConfigError> {
        if self.deny.is_empty() && self.allow.is_none() {
            return Err(ConfigError::new("there are no rules; set \"deny\", \"allow\" or both"));
        }
        let lists = [
            ("deny", self.deny.as_slice()),
            ("allow", self.allow.as_deref().unwrap_or_default()),
        ];
        for (list, rules) in lists {
            for (index, rule) in rules.iter().enumerate() {
                rule.check(&format!("/{list}/{index}"))?;
            }
        }
        Ok(self)
    }

    /// The facts that the rules need.
    pub(crate) fn needs(&self) -> NeededFacts {
        let rules = || self.deny.iter().chain(self.allow.iter().flatten());
        NeededFacts {
            consumer: rules().any(|rule| rule.consumers.is_some()),
            groups: rules().any(|rule| rule.groups.is_some()),
            method: rules().any(|rule| rule.methods.is_some()),
            path: rules().any(|rule| rule.path_prefixes.is_some()),
            address: rules().any(|rule| rule.cidrs.is_some()),
        }
    }

    /// Decides about a request: first by `deny`, then by `allow`. Without `allow`, everything that is not denied
    /// passes.
    pub(crate) fn decision(&self, facts: &RequestFacts) -> Decision {
        if let Some(index) = self.deny.iter().position(|rule| rule.holds(facts, Unknown::Matches)) {
            return Decision::Denied(
                self.deny[index]
                    .name
                    .clone()
                    .unwrap_or_else(|| format!("deny[{index}]")),
            );
        }
        match &self.allow {
            Some(allow) if !allow.iter().any(|rule| rule.holds(facts, Unknown::Differs)) => Decision::NotAllowed,
            _ => Decision::Allow,
        }
    }
}

impl Rule {
    fn check(&self, place: &str) -> Result<(), ConfigError> {
        let lengths = [
            ("groups", self.groups.as_ref().map(Vec::len)),
            ("consumers", self.consumers.as_ref().map(Vec::len)),
            ("methods", self.methods.as_ref().map(Vec::len)),
            ("path_prefixes", self.path_prefixes.as_ref().map(Vec::len)),
            ("cidrs", self.cidrs.as_ref().map(Vec::len)),
        ];
        if lengths.iter().all(|(_, length)| length.is_none()) {
            return Err(ConfigError::at(
                place,
                "a rule without a condition would match every request",
            ));
        }
        if let Some((name, _)) = lengths.iter().find(|(_, length)| *length == Some(0)) {
            return Err(ConfigError::at(
                format!("{place}/{name}"),
                "an empty list would match no request",
            ));
        }
        Ok(())
    }

    fn holds(&self, facts: &RequestFacts, unknown: Unknown) -> bool {
        let any_of = |list: &Option<Vec<String>>, holds: &dyn Fn(&String) -> bool| {
            list.as_ref().is_none_or(|entries| entries.iter().any(holds))
        };
        any_of(&self.consumers, &|name| facts.consumer.as_ref() == Some(name))
            && any_of(&self.groups, &|group| {
                facts.groups.split(',').any(|known| known.trim() == group)
            })
            && any_of(&self.methods, &|method| *method == facts.method)
            && self.path_prefixes.as_ref().is_none_or(|prefixes| {
                prefixes.iter().any(|prefix| match unknown {
                    Unknown::Matches => prefix.may_contain(&facts.path),
                    Unknown::Differs => prefix.contains(&facts.path),
                })
            })
            && self.cidrs.as_ref().is_none_or(|networks| match facts.address {
                Some(address) => networks.iter().any(|network| network.contains(address)),
                None => unknown == Unknown::Matches,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Option<Vec<String>> {
        Some(list.iter().map(|text| (*text).to_owned()).collect())
    }

    fn prefixes(list: &[&str]) -> Option<Vec<PathPrefix>> {
        Some(
            list.iter()
                .map(|text| PathPrefix::parse(text).expect("a prefix"))
                .collect(),
        )
    }

    fn networks(list: &[&str]) -> Option<Vec<Network>> {
        Some(
            list.iter()
                .map(|text| Network::parse(text).expect("a network"))
                .collect(),
        )
    }

    fn facts(consumer: &str, groups: &str, path: &str) -> RequestFacts {
        let consumer = (!consumer.is_empty()).then(|| consumer.to_owned());
        let address = "192.0.2.1".parse().ok();
        RequestFacts {
            consumer,
            groups: groups.to_owned(),
            method: "GET".to_owned(),
            path: Readings::of(path),
            address,
        }
    }

    #[test]
    fn deny_comes_before_allow() {
        let rules = Rules {
            deny: vec![Rule {
                consumers: texts(&["mallory"]),
                ..Rule::default()
            }],
            allow: Some(vec![Rule {
                groups: texts(&["gold", "silver"]),
                ..Rule::default()
            }]),
        };
        assert_eq!(rules.decision(&facts("alice", "silver", "/")), Decision::Allow);
        assert_eq!(
            rules.decision(&facts("mallory", "gold", "/")),
            Decision::Denied("deny[0]".to_owned())
        );
        assert_eq!(rules.decision(&facts("bob", "bronze", "/")), Decision::NotAllowed);
        assert_eq!(rules.decision(&facts("", "", "/")), Decision::NotAllowed);
    }

    #[test]
    fn without_allow_everything_not_denied_passes_and_with_an_empty_one_nothing_does() {
        let deny = || {
            vec![Rule {
                consumers: texts(&["mallory"]),
                ..Rule::default()
            }]
        };
        let rules = Rules {
            deny: deny(),
            allow: None,
        };
        assert_eq!(rules.decision(&facts("", "", "/")), Decision::Allow);
        let rules = Rules {
            deny: deny(),
            allow: Some(Vec::new()),
        };
        assert_eq!(rules.decision(&facts("", "", "/")), Decision::NotAllowed);
    }

    #[test]
    fn all_conditions_of_a_rule_must_hold() {
        let rule = Rule {
            name: Some("no writing from elsewhere".to_owned()),
            methods: texts(&["PUT", "POST"]),
            path_prefixes: prefixes(&["/admin/", "/internal"]),
            cidrs: networks(&["192.0.2.0/24"]),
            ..Rule::default()
        };
        let rules = Rules {
            deny: vec![rule],
            allow: None,
        };
        let mut request = facts("", "", "/internal/x");
        assert_eq!(rules.decision(&request), Decision::Allow, "a GET");
        request.method = "POST".to_owned();
        assert_eq!(
            rules.decision(&request),
            Decision::Denied("no writing from elsewhere".to_owned())
        );
        request.path = Readings::of("/internals");
        assert_eq!(rules.decision(&request), Decision::Allow, "another path");
        request.path = Readings::of("/admin");
        request.address = "198.51.100.1".parse().ok();
        assert_eq!(rules.decision(&request), Decision::Allow, "another address");
    }

    #[test]
    fn an_unknown_address_is_denied_and_not_allowed() {
        let rule = || Rule {
            cidrs: networks(&["10.0.0.0/8"]),
            ..Rule::default()
        };
        let nowhere = RequestFacts::default();
        let deny = Rules {
            deny: vec![rule()],
            allow: None,
        };
        assert_eq!(deny.decision(&nowhere), Decision::Denied("deny[0]".to_owned()));
        let allow = Rules {
            deny: Vec::new(),
            allow: Some(vec![rule()]),
        };
        assert_eq!(allow.decision(&nowhere), Decision::NotAllowed);
    }

    #[test]
    fn a_group_is_compared_as_a_whole() {
        let rules = Rules {
            deny: Vec::new(),
            allow: Some(vec![Rule {
                groups: texts(&["gold"]),
                ..Rule::default()
            }]),
        };
        assert_eq!(rules.decision(&facts("a", "goldfish", "/")), Decision::NotAllowed);
        assert_eq!(rules.decision(&facts("a", "x, gold", "/")), Decision::Allow);
    }

    #[test]
    fn rules_without_effect_are_refused_with_their_place() {
        let place = |rules: Rules| rules.checked().expect_err("refused").pointer().to_owned();
        assert_eq!(
            place(Rules {
                deny: Vec::new(),
                allow: None
            }),
            ""
        );
        assert_eq!(
            place(Rules {
                deny: vec![Rule::default()],
                allow: None
            }),
            "/deny/0"
        );
        let empty = Rule {
            groups: texts(&[]),
            ..Rule::default()
        };
        assert_eq!(
            place(Rules {
                deny: Vec::new(),
                allow: Some(vec![empty])
            }),
            "/allow/0/groups"
        );
    }
}
