//! What `#[plugin]` makes known about a plugin.

use lockgate_sdk::guest::{Guest, Hooks};
use lockgate_sdk::manifest::{Described, Manifest};
use lockgate_sdk::prelude::*;
use serde_json::{Value, json};

struct Tokens;

#[derive(Config)]
struct Settings {
    /// Whom to ask.
    #[config(default = "issuer")]
    #[allow(dead_code, reason = "only its schema is of interest")]
    upstream: String,
}

#[plugin(
    name = "tokens",
    description = "Fetches a \"token\".",
    capabilities(upstreams = ["issuer"], headers = ["authorization", "x-*"], limits(callouts = 2, exact = true))
)]
impl Plugin for Tokens {
    type Config = Settings;

    fn new(_: Settings) -> Result<Self, ConfigError> {
        Ok(Tokens)
    }

    fn on_request(&self, _: &mut Request, _: &mut ()) -> Flow {
        Flow::Continue
    }

    fn on_tick(&self) {}
}

const MANIFEST: Manifest = <Tokens as Described>::MANIFEST;
static TEXT: [u8; MANIFEST.length()] = MANIFEST.text();

#[test]
fn the_manifest_is_json_and_says_what_was_written_and_what_cargo_knows() {
    let manifest: Value = serde_json::from_slice(&TEXT).expect("JSON");
    assert_eq!(manifest["name"], "tokens");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["description"], "Fetches a \"token\".");
    assert_eq!(manifest["hooks"], json!(["on_request", "on_tick"]));
    assert_eq!(manifest["stateless"], false, "a hook takes the state");
    let upstream = json!({ "type": "string", "description": "Whom to ask.", "default": "issuer" });
    assert_eq!(manifest["config_schema"]["properties"]["upstream"], upstream);
    let capabilities = json!({
        "upstreams": ["issuer"], "headers": ["authorization", "x-*"], "limits": { "callouts": 2, "exact": true }
    });
    assert_eq!(manifest["capabilities"], capabilities);
}

struct Stateless;

#[plugin]
impl Plugin for Stateless {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Stateless)
    }

    fn on_request(&self, _: &mut Request) {}
}

struct Stateful;

#[plugin]
impl Plugin for Stateful {
    type State = Vec<u8>;

    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Stateful)
    }

    fn on_request(&self) {}
}

struct Waiting;

#[plugin]
impl Plugin for Waiting {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Waiting)
    }

    async fn on_response(&self) {}
}

#[test]
fn a_plugin_is_stateless_if_it_has_no_state_and_none_of_its_hooks_waits() {
    const {
        assert!(<Stateless as Described>::MANIFEST.stateless);
        assert!(!<Stateful as Described>::MANIFEST.stateless && !<Waiting as Described>::MANIFEST.stateless);
    }
}

/// What `proxy_on_request_headers` answers: 0 continues, 1 pauses, here for a 500.
fn request<P: Hooks>(guest: &Guest<P>, stream: u32) -> u32 {
    P::request_headers(guest, stream, true)
}

#[test]
fn a_stateless_plugin_serves_streams_that_it_was_not_told_of_unless_it_was_configured_twice() {
    let guest = Guest::<Stateless>::new();
    assert_eq!(request(&guest, 7), 1, "nobody has configured it");
    assert!(guest.configure(1, 0));
    assert_eq!(request(&guest, 7), 0);
    guest.delete(7);
    assert!(guest.configure(2, 0));
    assert_eq!(request(&guest, 8), 1, "nobody knows which of the two it is");
    guest.create(9, 2);
    assert_eq!(request(&guest, 9), 0);
    guest.delete(2);
    assert_eq!(request(&guest, 8), 0);

    let guest = Guest::<Stateful>::new();
    assert!(guest.configure(1, 0));
    assert_eq!(request(&guest, 7), 1, "it has to be told");
}
