//! The manifest that `#[plugin]` writes.

use lockgate_sdk::guest::{Guest, Hooks};
use lockgate_sdk::manifest::{Described, Manifest};
use lockgate_sdk::prelude::*;
use serde_json::{Value, json};

struct Tokens;

#[derive(Config)]
struct Settings {
    /// The upstream to call.
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
fn the_manifest_has_the_attributes_values_and_cargos_defaults() {
    let manifest: Value = serde_json::from_slice(&TEXT).expect("JSON");
    assert_eq!(manifest["name"], "tokens");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["description"], "Fetches a \"token\".");
    assert_eq!(manifest["hooks"], json!(["on_request", "on_tick"]));
    assert_eq!(manifest["stateless"], false, "a hook takes the state");
    let upstream = json!({ "type": "string", "description": "The upstream to call.", "default": "issuer" });
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

/// The result of `proxy_on_request_headers`: 0 continues, 1 pauses, here for a 500.
fn request<P: Hooks>(guest: &Guest<P>, stream: u32) -> u32 {
    P::request_headers(guest, stream, true)
}

#[test]
fn a_stateless_plugin_handles_streams_without_context_creation_unless_configured_twice() {
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
    assert_eq!(request(&guest, 7), 1, "its contexts must be created");
}
