//! What `#[plugin]` makes known about a plugin.

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
    let upstream = json!({ "type": "string", "description": "Whom to ask.", "default": "issuer" });
    assert_eq!(manifest["config_schema"]["properties"]["upstream"], upstream);
    let capabilities = json!({
        "upstreams": ["issuer"], "headers": ["authorization", "x-*"], "limits": { "callouts": 2, "exact": true }
    });
    assert_eq!(manifest["capabilities"], capabilities);
}
