//! Access control: allows or denies requests by consumer, group, method, path and address.
//!
//! [`rules`] and [`network`] decide; this file applies their decisions.

mod network;
mod paths;
mod rules;

use lockgate_sdk::prelude::*;
use lockgate_sdk::property::{CONSUMER_GROUPS, CONSUMER_NAME};
use paths::Readings;
use rules::{Decision, NeededFacts, RequestFacts, Rules};

struct Acl {
    rules: Rules,
    needs: NeededFacts,
}

#[plugin(name = "acl")]
impl Plugin for Acl {
    type Config = Rules;

    fn new(rules: Rules) -> Result<Self, ConfigError> {
        let rules = rules.checked()?;
        Ok(Acl {
            needs: rules.needs(),
            rules,
        })
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let facts = self.facts(request)?;
        match self.rules.decision(&facts) {
            Decision::Allow => return Ok(Flow::Continue),
            Decision::Denied(rule) => log::warn!("denied by {rule}: {}", describe(request)?),
            Decision::NotAllowed => log::warn!("denied, as no rule allows it: {}", describe(request)?),
        }
        // The client does not learn which rule it was, so that it cannot work around it.
        Ok(reply(403)
            .details("acl_denied")
            .problem("forbidden", "This is not allowed.")
            .into())
    }
}

impl Acl {
    /// The facts that the rules need, and no others: each fact is a host call.
    fn facts(&self, request: &Request) -> Result<RequestFacts> {
        let mut facts = RequestFacts::default();
        if self.needs.consumer {
            facts.consumer = CONSUMER_NAME.value()?;
        }
        if self.needs.groups {
            facts.groups = CONSUMER_GROUPS.value()?.unwrap_or_default();
        }
        if self.needs.method {
            facts.method = request.method()?;
        }
        if self.needs.path {
            facts.path = Readings::of(&request.path()?);
        }
        if self.needs.address {
            facts.address = request.client_address()?;
        }
        Ok(facts)
    }
}

/// The description of the request for the log.
fn describe(request: &Request) -> Result<String> {
    let consumer = request.consumer()?.unwrap_or_else(|| "nobody".to_owned());
    let address = request
        .client_address()?
        .map_or_else(|| "nowhere".to_owned(), |address| address.to_string());
    Ok(format!(
        "{} {:?} for {consumer} from {address}",
        request.method()?,
        request.path()?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::Status;
    use lockgate_sdk::testing::{self, Gateway};

    const CONFIG: &str = r#"{
        "deny": [ { "name": "office only", "cidrs": ["198.51.100.0/24"] } ],
        "allow": [ { "groups": ["gold"] }, { "methods": ["GET"], "path_prefixes": ["/public"] } ]
    }"#;

    #[test]
    fn the_right_group_passes_and_the_wrong_one_gets_403() {
        let gateway = Gateway::<Acl>::configured(CONFIG).expect("a good configuration");
        let gold = gateway
            .get("/orders")
            .property("lockgate.consumer.groups", "beta,gold")
            .send();
        assert!(!gold.is_paused());
        drop(gold);
        let bronze = gateway
            .get("/orders")
            .property("lockgate.consumer.groups", "bronze")
            .send();
        assert_eq!(bronze.status(), Some(403));
        drop(bronze);
        assert!(!gateway.get("/public/x?y=/private").send().is_paused());
    }

    #[test]
    fn the_log_names_the_rule_and_the_reply_does_not() {
        let gateway = Gateway::<Acl>::configured(CONFIG).expect("a good configuration");
        let exchange = gateway.get("/public").client("198.51.100.7").send();
        assert_eq!(exchange.status(), Some(403));
        assert!(!exchange.reply_body().expect("a body").contains("office"));
        let log = testing::log().join("\n");
        assert!(log.contains("office only") && log.contains("198.51.100.7"), "{log}");
    }

    #[test]
    fn without_a_client_address_the_peer_counts() {
        let gateway = Gateway::<Acl>::configured(CONFIG).expect("a good configuration");
        let exchange = gateway
            .get("/public")
            .client("")
            .property("source\0address", "[::ffff:198.51.100.7]:4711")
            .send();
        assert_eq!(exchange.status(), Some(403));
        assert!(
            testing::log().join("\n").contains("from 198.51.100.7"),
            "{:?}",
            testing::log()
        );
    }

    #[test]
    fn if_the_host_fails_no_request_passes() {
        let gateway = Gateway::<Acl>::configured(CONFIG).expect("a good configuration");
        testing::fail("proxy_get_property", Status::InternalFailure);
        assert_eq!(gateway.get("/public").send().status(), Some(500));
    }

    #[test]
    fn a_path_is_denied_in_every_reading_and_allowed_only_if_all_agree() {
        let config = r#"{ "deny": [ { "path_prefixes": ["/admin"] } ], "allow": [ { "path_prefixes": ["/public", "/x", "/"] } ] }"#;
        let denied = |config: &str, path: &str| {
            let gateway = Gateway::<Acl>::configured(config).expect("a good configuration");
            let status = gateway.get(path).send().status();
            status == Some(403)
        };
        for path in [
            "/admin;x",
            "/x/..;/admin",
            "/x/..%3B/admin/users?a=;",
            "//admin",
            "/admin%3Bx",
        ] {
            assert!(denied(config, path), "{path}");
        }
        for path in [
            "/public;x",
            "/x/..;/public",
            "/administration;x",
            "/public?next=/admin;x",
        ] {
            assert!(!denied(config, path), "{path}");
        }
        let public = r#"{ "allow": [ { "path_prefixes": ["/public"] } ] }"#;
        assert!(denied(public, "/public/..;/admin"));
        assert!(denied(public, "/public/..%2Fadmin"));
        assert!(!denied(public, "/public/a;v=1/b"));
    }

    #[test]
    fn a_prefix_that_matches_nothing_is_refused_at_its_place() {
        let refused = |prefix: &str| {
            let config = format!(r#"{{ "deny": [ {{ "path_prefixes": ["/a", "{prefix}"] }} ] }}"#);
            Gateway::<Acl>::configured(&config).err().expect("refused")
        };
        for prefix in ["b", "/users/*"] {
            assert!(
                refused(prefix).contains("/deny/0/path_prefixes/1"),
                "{}",
                refused(prefix)
            );
        }
    }

    #[test]
    fn an_invalid_range_is_refused() {
        let refused = Gateway::<Acl>::configured(r#"{ "deny": [ { "cidrs": ["10.0.0.1/8"] } ] }"#)
            .err()
            .expect("refused");
        assert!(refused.contains("10.0.0.1/8"), "{refused}");
    }
}
