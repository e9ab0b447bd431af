//! Sends a percentage of the users to a canary version, which is a separate upstream. A user always gets the same
//! version.
//!
//! [`split`] decides; this file applies its decision.

mod split;

use lockgate_sdk::Upstream;
use lockgate_sdk::prelude::*;
use lockgate_sdk::property::UPSTREAM;
use lockgate_sdk::template::Template;
use split::{Split, Version, Weight};

struct Canary {
    stable: String,
    canary: String,
    split: Split,
    key: Template,
    force_header: Option<String>,
    force_cookie: Option<String>,
    version_header: Option<String>,
}

#[derive(Config)]
struct Config {
    /// The upstream of the stable version.
    stable: Upstream,
    /// The upstream of the canary.
    canary: Upstream,
    /// The percentage of users that get the canary, with up to two decimals.
    #[config(min = 0, max = 100)]
    weight: f64,
    /// The salt of the hash. Another salt selects other users.
    #[config(default)]
    salt: String,
    /// The key of a user, a template. If it is empty, the request's id is used.
    #[config(default = "{consumer|address}")]
    key: Template,
    /// A request header that forces a version: `stable`, `canary`, or an upstream's name.
    force_header: Option<String>,
    /// A cookie that forces a version, if the header does not.
    force_cookie: Option<String>,
    /// A response header that is set to the upstream's name.
    version_header: Option<String>,
}

#[plugin(name = "canary", capabilities(write_properties = ["lockgate.upstream"]))]
impl Plugin for Canary {
    type Config = Config;
    /// The chosen version, if the host has accepted it.
    type State = Option<Version>;

    fn new(config: Config) -> Result<Self, ConfigError> {
        let Config {
            stable,
            canary,
            weight,
            salt,
            key,
            force_header,
            force_cookie,
            version_header,
        } = config;
        let (stable, canary) = (stable.name().to_owned(), canary.name().to_owned());
        if stable == canary {
            return Err(ConfigError::at("/canary", "stable and canary must be two upstreams"));
        }
        let split = Split {
            salt,
            weight: Weight::percent(weight)?,
        };
        let force_header = force_header
            .map(|name| header_name("/force_header", &name))
            .transpose()?;
        let version_header = version_header
            .map(|name| version_header_name(&name, [&stable, &canary]))
            .transpose()?;
        Ok(Canary {
            stable,
            canary,
            split,
            key,
            force_header,
            force_cookie,
            version_header,
        })
    }

    fn on_request(&self, request: &mut Request, chosen: &mut Option<Version>) -> Result<Flow> {
        let version = match self.forced_version(request)? {
            Some(version) => version,
            None => self.split.version(&self.user(request)?),
        };
        match UPSTREAM.set(self.upstream(version)) {
            Ok(()) => *chosen = Some(version),
            // The route's own upstream is better than none.
            Err(error) => log::error!("upstream {:?} cannot be chosen: {error}", self.upstream(version)),
        }
        Ok(Flow::Continue)
    }

    fn on_response(&self, response: &mut Response, chosen: &mut Option<Version>) -> Result<Flow> {
        if let (Some(name), Some(version)) = (&self.version_header, *chosen) {
            response.set_header(name, self.upstream(version))?;
        }
        Ok(Flow::Continue)
    }
}

/// A header name in lower case.
fn header_name(place: &str, name: &str) -> Result<String, ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(ConfigError::at(place, format!("\"{name}\" is not a valid header name")));
    }
    Ok(name.to_ascii_lowercase())
}

/// The name of the response header that is set to one of these upstreams. What the host would refuse fails here, not at every response.
fn version_header_name(name: &str, upstreams: [&str; 2]) -> Result<String, ConfigError> {
    const PLACE: &str = "/version_header";
    let name = header_name(PLACE, name)?;
    if FRAMING.contains(&name.as_str()) {
        let message = format!("\"{name}\" belongs to the message's framing or the connection, and cannot be set");
        return Err(ConfigError::at(PLACE, message));
    }
    if upstreams.iter().any(|upstream| upstream.chars().any(char::is_control)) {
        return Err(ConfigError::at(
            PLACE,
            "an upstream's name has a control character, which no header may contain",
        ));
    }
    Ok(name)
}

/// Headers that frame a message or belong to the connection. Hosts refuse changes of them.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Canary {
    fn upstream(&self, version: Version) -> &String {
        match version {
            Version::Stable => &self.stable,
            Version::Canary => &self.canary,
        }
    }

    /// The version that the request forces: `stable`, `canary`, or the name of one of the upstreams.
    fn forced_version(&self, request: &Request) -> Result<Option<Version>> {
        let header = match &self.force_header {
            Some(name) => request.header(name)?.and_then(|value| self.version_of(&value)),
            None => None,
        };
        match (&header, &self.force_cookie) {
            (None, Some(name)) => Ok(request.cookie(name)?.and_then(|value| self.version_of(&value))),
            _ => Ok(header),
        }
    }

    fn version_of(&self, name: &str) -> Option<Version> {
        match name {
            "stable" => Some(Version::Stable),
            "canary" => Some(Version::Canary),
            _ if name == self.stable => Some(Version::Stable),
            _ if name == self.canary => Some(Version::Canary),
            _ => None,
        }
    }

    /// The key of the user. If it is empty, the request's id takes its place, so that the weight still holds.
    fn user(&self, request: &Request) -> Result<String> {
        let user = self.key.render()?;
        if !user.is_empty() {
            return Ok(user);
        }
        Ok(request.header("x-request-id")?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::Status;
    use lockgate_sdk::testing::{self, Gateway, RequestBuilder};

    fn gateway(weight: &str, settings: &str) -> Gateway<Canary> {
        let config = format!(r#"{{ "stable": "v1", "canary": "v2", "weight": {weight} {settings} }}"#);
        Gateway::configured(&config).expect("a good configuration")
    }

    fn upstream(request: RequestBuilder<'_, Canary>) -> Option<String> {
        let exchange = request.send();
        assert!(!exchange.is_paused());
        exchange.property("lockgate.upstream")
    }

    #[test]
    fn a_consumer_gets_one_version_whatever_the_address() {
        let gateway = gateway("50", "");
        let of = |user: &str, client: &str| {
            upstream(gateway.get("/").property("lockgate.consumer.name", user).client(client)).expect("chosen")
        };
        let mut seen = [0, 0];
        for number in 0..200 {
            let user = format!("user-{number}");
            let first = of(&user, "192.0.2.1");
            assert_eq!(of(&user, "198.51.100.9"), first);
            seen[usize::from(first == "v2")] += 1;
        }
        assert!(seen.iter().all(|count| *count > 60), "both sides are in use: {seen:?}");
    }

    #[test]
    fn header_then_cookie_force_a_version() {
        let gateway = gateway("0", r#", "force_header": "X-Canary", "force_cookie": "version""#);
        assert_eq!(upstream(gateway.get("/")).as_deref(), Some("v1"));
        assert_eq!(
            upstream(gateway.get("/").header("x-canary", "canary")).as_deref(),
            Some("v2")
        );
        assert_eq!(
            upstream(gateway.get("/").header("cookie", "version=v2")).as_deref(),
            Some("v2")
        );
        let both = gateway
            .get("/")
            .header("x-canary", "stable")
            .header("cookie", "version=v2");
        assert_eq!(upstream(both).as_deref(), Some("v1"));
        assert_eq!(
            upstream(gateway.get("/").header("x-canary", "v3")).as_deref(),
            Some("v1"),
            "an unknown one is none"
        );
    }

    #[test]
    fn the_response_names_the_version_if_configured() {
        let version_of = gateway("100", r#", "version_header": "X-Version""#);
        let exchange = version_of.get("/").send();
        assert_eq!(
            exchange
                .respond(200, &[("x-version", "?")])
                .header("x-version")
                .as_deref(),
            Some("v2")
        );
        drop(exchange);
        let silent = gateway("100", "");
        assert_eq!(silent.get("/").send().respond(200, &[]).header("x-version"), None);
    }

    #[test]
    fn without_a_user_the_weight_holds_over_requests() {
        let gateway = gateway("50", r#", "key": "{cookie:user}""#);
        let is_canary = |number: u32| {
            let request = gateway.get("/").header("x-request-id", &format!("{number:032x}"));
            upstream(request).as_deref() == Some("v2")
        };
        let canary = (0..400).filter(|number| is_canary(*number)).count();
        assert!((140..260).contains(&canary), "{canary} of 400");
    }

    #[test]
    fn an_upstream_that_the_host_does_not_know_leaves_the_routes_own() {
        let gateway = gateway("100", r#", "version_header": "x-version""#);
        testing::fail("proxy_set_property", Status::BadArgument);
        let exchange = gateway.get("/").send();
        assert!(!exchange.is_paused());
        assert_eq!(exchange.respond(200, &[]).header("x-version"), None);
        assert!(testing::log().join("\n").contains("\"v2\""), "{:?}", testing::log());
    }

    #[test]
    fn an_invalid_configuration_is_refused() {
        let refused = |config: &str| Gateway::<Canary>::configured(config).err().expect("refused");
        assert!(refused(r#"{ "stable": "a", "canary": "a", "weight": 1 }"#).contains("two upstreams"));
        assert!(refused(r#"{ "stable": "a", "canary": "b", "weight": 101 }"#).contains("weight"));
        assert!(refused(r#"{ "stable": "a", "weight": 1 }"#).contains("canary"));
        for (setting, name) in [
            ("version_header", "content-length"),
            ("version_header", "x\\r\\ny"),
            ("version_header", ""),
            ("force_header", "a b"),
        ] {
            let message = refused(&format!(
                r#"{{ "stable": "a", "canary": "b", "weight": 1, "{setting}": "{name}" }}"#
            ));
            assert!(message.contains(&format!("/{setting}")), "{message}");
        }
    }
}
