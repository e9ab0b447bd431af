//! `#[derive(Config)]`: the values that it reads and refuses, its error messages, and its schema.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use lockgate_sdk::config::Duration;
use lockgate_sdk::config::{self, Config, Json, Size, Text, Untyped};
use serde_json::{Value, json};

/// Says who may come.
#[derive(Debug, Config)]
struct Gate {
    /// How many,
    /// at most.
    ///
    /// "Quoted" \ too.
    #[config(min = 1, max = 10)]
    limit: u8,
    #[config(default = "1m", min = "1s", max = "1h")]
    window: Duration,
    #[config(default)]
    rules: Vec<Rule>,
    #[config(default)]
    action: Action,
    #[config(rename = "type")]
    kind: Option<Kind>,
    #[config(default = fallback)]
    fallback: String,
    #[config(secret, check = is_lower)]
    token: Option<String>,
    #[config(min_length = 1, max_length = 2)]
    names: Option<BTreeMap<String, Size>>,
    #[config(default = ["a", "b"])]
    tags: Vec<String>,
    #[config(default = -1.5, max = 0)]
    offset: f64,
    #[config(skip)]
    seen: u32,
    #[config(pattern = "^[a-z]+(-[a-z]+)*$")]
    slug: Option<String>,
    any: Option<Json>,
    #[config(schema = r#"{"type":"object","title":"free"}"#)]
    loose: Option<Untyped<HashMap<String, u8>>>,
}

#[derive(Debug, Config, PartialEq)]
#[config(rename_all = "camelCase")]
struct Rule {
    path_prefix: String,
    #[config(example = "10.0.0.1")]
    client_address: Option<IpAddr>,
}

#[derive(Debug, Default, Config, PartialEq)]
#[config(rename_all = "snake_case")]
enum Action {
    /// Sends them away.
    #[default]
    TurnAway,
    /// Lets them in.
    Admit,
}

#[derive(Debug, Config, PartialEq)]
#[config(tag = "by", rename_all = "kebab-case")]
enum Kind {
    /// By a key.
    ApiKey {
        header: String,
    },
    Rule(Rule),
    Nobody,
}

#[derive(Debug, Config, PartialEq)]
#[config(rename_all = "snake_case")]
enum Source {
    Body,
    Header(String),
    Cookie { name: String },
}

#[derive(Debug, Config, PartialEq)]
#[config(untagged)]
enum Endpoint {
    Address(String),
    Weighted { address: String, weight: u32 },
}

#[derive(Debug, Config, PartialEq)]
struct Percent(#[config(max = 100)] u8);

#[derive(Debug, Config, PartialEq)]
#[config(default, allow_unknown_fields)]
struct Open {
    size: u32,
}

impl Default for Open {
    fn default() -> Self {
        Open { size: 7 }
    }
}

#[derive(Debug, Config)]
struct Pair<T> {
    left: T,
    right: Option<Box<T>>,
}

/// A type that also implements `Deserialize`.
#[derive(Debug, Config, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
struct Both {
    #[serde(default = "seven")]
    first_of_all: u32,
    #[serde(default, rename = "list")]
    items: Vec<i64>,
}

fn seven() -> u32 {
    7
}

fn fallback() -> String {
    "nobody".to_owned()
}

fn is_lower(text: &Option<String>) -> Result<(), String> {
    match text {
        Some(text) if text.to_lowercase() != *text => Err(format!("{text} is not in lower case")),
        _ => Ok(()),
    }
}

fn refused<T: Config>(text: &str) -> String {
    match config::parse::<T>(text) {
        Ok(_) => panic!("{text} is taken"),
        Err(error) => error.to_string(),
    }
}

fn schema<T: Config>() -> Value {
    let mut text = Text::<8192>::new();
    T::SCHEMA.write(&mut text);
    let length = text.length();
    let mut bytes = text.padded().to_vec();
    bytes.truncate(length);
    serde_json::from_slice(&bytes).expect("the schema is JSON")
}

#[test]
fn a_full_configuration_is_read() {
    let text = r#"{ "limit": 3, "window": "1.5s", "rules": [ { "pathPrefix": "/a", "clientAddress": "10.0.0.1" } ], "action": "admit",
        "type": { "by": "api-key", "header": "x" }, "fallback": "f", "token": "t", "names": { "n": "1KiB" }, "tags": [], "offset": -2,
        "any": { "x": [1, "ä"] }, "loose": { "y": 2 } }"#;
    let gate: Gate = config::parse(text).expect("a good configuration");
    assert_eq!(
        (gate.limit, gate.window.milliseconds(), gate.action),
        (3, 1_500, Action::Admit)
    );
    assert_eq!(gate.rules[0].path_prefix, "/a");
    assert_eq!(gate.kind, Some(Kind::ApiKey { header: "x".to_owned() }));
    assert_eq!(gate.names.expect("there")["n"], Size(1024));
    assert_eq!((gate.tags, gate.offset, gate.seen), (Vec::new(), -2.0, 0));
    assert_eq!(gate.slug, None);
    assert_eq!(gate.any, Some(Json(r#"{"x":[1,"ä"]}"#.to_owned())));
    assert_eq!(gate.loose.expect("there").0["y"], 2);
    assert_eq!((gate.fallback.as_str(), gate.token.as_deref()), ("f", Some("t")));
}

#[test]
fn an_omitted_member_has_its_default() {
    let gate: Gate = config::parse(r#"{ "limit": 3, "type": null }"#).expect("a good configuration");
    assert_eq!((gate.window.milliseconds(), gate.action), (60_000, Action::TurnAway));
    assert_eq!(
        (gate.kind, gate.fallback.as_str(), gate.tags.join(",")),
        (None, "nobody", "a,b".to_owned())
    );
    assert_eq!(gate.offset, -1.5);
    assert_eq!(config::parse::<Open>("").expect("empty"), Open { size: 7 });
    assert_eq!(
        config::parse::<Open>(r#"{ "more": 1, "size": 1 }"#).expect("open"),
        Open { size: 1 }
    );
}

#[test]
fn enums_are_read_in_all_their_shapes() {
    let kind = |text: &str| config::parse::<Kind>(text).expect(text);
    let rule = Rule {
        path_prefix: "/".to_owned(),
        client_address: None,
    };
    assert_eq!(kind(r#"{ "pathPrefix": "/", "by": "rule" }"#), Kind::Rule(rule));
    assert_eq!(kind(r#"{ "by": "nobody" }"#), Kind::Nobody);
    let source = |text: &str| config::parse::<Source>(text).expect(text);
    assert_eq!(source(r#""body""#), Source::Body);
    assert_eq!(source(r#"{ "header": "x" }"#), Source::Header("x".to_owned()));
    assert_eq!(
        source(r#"{ "cookie": { "name": "x" } }"#),
        Source::Cookie { name: "x".to_owned() }
    );
    let endpoint = |text: &str| config::parse::<Endpoint>(text).expect(text);
    assert_eq!(endpoint(r#""a:1""#), Endpoint::Address("a:1".to_owned()));
    let weighted = Endpoint::Weighted {
        address: "a:1".to_owned(),
        weight: 2,
    };
    assert_eq!(endpoint(r#"{ "address": "a:1", "weight": 2 }"#), weighted);
    assert_eq!(config::parse::<Percent>("100").expect("all"), Percent(100));
    let pair: Pair<u8> = config::parse(r#"{ "left": 1, "right": 2 }"#).expect("two");
    assert_eq!((pair.left, pair.right.as_deref()), (1, Some(&2)));
    let both: Both = config::parse(r#"{ "list": [-1] }"#).expect("good");
    assert_eq!((both.first_of_all, both.items), (7, vec![-1]));
}

#[test]
fn an_error_has_its_pointer_the_value_found_the_expectation_and_a_suggestion() {
    for (text, message) in [
        ("{}", "the key \"limit\" is missing"),
        ("7", "found 7, expected an object"),
        (
            r#"{ "limit": 0 }"#,
            "at /limit: found 0, expected a number from 1 to 10",
        ),
        (
            r#"{ "limit": 300 }"#,
            "at /limit: found 300, expected a whole number from 0 to 255",
        ),
        (
            r#"{ "limit": "3" }"#,
            "at /limit: found \"3\", expected a whole number from 0 to 255",
        ),
        (
            r#"{ "limit": 3, "window": "2h" }"#,
            "at /window: found \"2h\", expected a value from 1s to 1h",
        ),
        (
            r#"{ "limit": 3, "window": 5 }"#,
            "at /window: found 5, expected a duration with its unit, like \"250ms\", \"5s\" or \"3m\"",
        ),
        (
            r#"{ "limit": 3, "acton": "admit" }"#,
            "at /acton: unknown key \"acton\", expected",
        ),
        (r#"{ "limit": 3, "acton": "admit" }"#, "; did you mean \"action\"?"),
        (r#"{ "limit": 3, "seen": 1 }"#, "at /seen: unknown key"),
        (
            r#"{ "limit": 3, "action": "admitt" }"#,
            "at /action: found \"admitt\", expected \"turn_away\" or \"admit\"; did you mean \"admit\"?",
        ),
        (
            r#"{ "limit": 3, "rules": [ { "pathPrefix": "/" }, { "pathPrefix": 1 } ] }"#,
            "at /rules/1/pathPrefix: found 1, expected a text",
        ),
        (
            r#"{ "limit": 3, "type": { "header": "x" } }"#,
            "at /type: the key \"by\" is missing, expected \"api-key\", \"rule\" or \"nobody\"",
        ),
        (
            r#"{ "limit": 3, "type": { "by": "apikey" } }"#,
            "at /type/by: found \"apikey\"",
        ),
        (
            r#"{ "limit": 3, "type": { "by": "api-key", "haeder": "x" } }"#,
            "at /type/haeder: unknown key \"haeder\", expected \"header\" or \"by\"; did you mean \"header\"?",
        ),
        (
            r#"{ "limit": 3, "type": { "by": "rule", "pathPrefix": {} } }"#,
            "at /type/pathPrefix: found an object, expected a text",
        ),
        (
            r#"{ "limit": 3, "names": { "a/b": "1XB" } }"#,
            "at /names/a~1b: found \"1XB\", expected a size",
        ),
        (
            r#"{ "limit": 3, "names": {} }"#,
            "at /names: found an object, expected a length from 1 to 2",
        ),
        (
            r#"{ "limit": 3, "offset": 1 }"#,
            "at /offset: found 1, expected a number of at most 0",
        ),
        (
            r#"{ "limit": 3, "offset": 1e999 }"#,
            "at /offset: found 1e999, expected a number",
        ),
        (
            r#"{ "limit": 3, "slug": "a--b" }"#,
            "at /slug: found \"a--b\", expected a text that matches ^[a-z]+(-[a-z]+)*$",
        ),
        (r#"{ "limit": 3, "limit": 4 }"#, "at /limit: the key is there twice"),
        (
            r#"{ "limit": 3, }"#,
            "invalid JSON: line 1, column 15: found \"}\", expected a key in quotes",
        ),
    ] {
        assert!(
            refused::<Gate>(text).contains(message),
            "{text}: {}",
            refused::<Gate>(text)
        );
    }
    assert_eq!(
        refused::<Source>("7"),
        "found 7, expected one of \"body\", \"header\" or \"cookie\""
    );
    assert_eq!(
        refused::<Source>(r#"{ "cookie": { "nam": 1 } }"#).split(',').next(),
        Some("at /cookie/nam: unknown key \"nam\"")
    );
    assert_eq!(
        refused::<Source>(r#""header""#),
        "found \"header\", expected an object with this key"
    );
    assert_eq!(refused::<Endpoint>("7"), "found 7, expected a text or an object");
    assert!(refused::<Endpoint>(r#"{ "address": "a", "weight": -1 }"#).starts_with("at /weight: found -1"));
    assert_eq!(refused::<Percent>("101"), "found 101, expected a number of at most 100");
    assert!(refused::<Both>(r#"{ "LIST": [] }"#).contains("did you mean \"list\"?"));
}

#[test]
fn messages_never_contain_a_secret() {
    for text in [
        r#"{ "limit": 1, "token": "HUNTER2" }"#,
        r#"{ "limit": 1, "token": 4711 }"#,
    ] {
        let message = refused::<Gate>(text);
        assert!(message.starts_with("at /token: found a secret"), "{message}");
        assert!(!message.contains("HUNTER2") && !message.contains("4711"), "{message}");
    }
}

#[test]
fn the_schema_has_every_constraint_of_the_reader() {
    let schema = schema::<Gate>();
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["description"], "Says who may come.");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["limit"]));
    let of = |name: &str| schema["properties"][name].clone();
    assert_eq!(
        of("limit"),
        json!({ "type": "integer", "minimum": 1, "maximum": 10, "description": "How many, at most.\n\n\"Quoted\" \\ too." })
    );
    assert_eq!(of("window")["default"], "1m");
    assert_eq!(
        (
            of("window")["formatMinimum"].clone(),
            of("window")["formatMaximum"].clone()
        ),
        (json!("1s"), json!("1h"))
    );
    assert_eq!(of("action")["default"], "turn_away");
    assert_eq!(
        of("action")["oneOf"][1],
        json!({ "const": "admit", "description": "Lets them in." })
    );
    assert_eq!(of("rules")["items"]["required"], json!(["pathPrefix"]));
    assert_eq!(of("rules")["default"], json!([]));
    assert_eq!(
        of("rules")["items"]["properties"]["clientAddress"]["examples"],
        json!(["10.0.0.1"])
    );
    assert_eq!(of("token"), json!({ "type": ["string", "null"], "writeOnly": true }));
    assert_eq!(of("names")["minProperties"], 1);
    assert_eq!(of("names")["type"], json!(["object", "null"]));
    assert_eq!(
        (of("tags")["default"].clone(), of("offset")["default"].clone()),
        (json!(["a", "b"]), json!(-1.5))
    );
    assert_eq!(of("offset")["maximum"], 0);
    assert_eq!(of("seen"), Value::Null);
    assert_eq!(of("slug")["pattern"], "^[a-z]+(-[a-z]+)*$");
    assert_eq!(of("any"), json!({}));
    assert_eq!(of("loose"), json!({ "type": "object", "title": "free" }));
    let kinds = of("type")["anyOf"][0]["oneOf"].clone();
    assert_eq!(of("type")["anyOf"][1], json!({ "type": "null" }));
    assert_eq!(kinds[0]["properties"]["by"], json!({ "const": "api-key" }));
    assert_eq!(kinds[0]["description"], "By a key.");
    assert_eq!(kinds[0]["required"], json!(["by", "header"]));
    assert_eq!(kinds[1]["properties"]["pathPrefix"]["type"], "string");
    assert_eq!(kinds[2]["required"], json!(["by"]));
}

#[test]
fn every_shape_of_enum_has_its_schema() {
    let source = schema::<Source>();
    assert_eq!(source["oneOf"][0], json!({ "enum": ["body"] }));
    assert_eq!(source["oneOf"][1]["required"], json!(["header"]));
    assert_eq!(
        source["oneOf"][2]["properties"]["cookie"]["additionalProperties"],
        false
    );
    let endpoint = schema::<Endpoint>();
    assert_eq!(endpoint["anyOf"][1]["required"], json!(["address", "weight"]));
    assert_eq!(schema::<Percent>()["maximum"], 100);
    assert_eq!(schema::<Open>()["additionalProperties"], Value::Null);
    assert_eq!(schema::<Open>()["required"], json!([]));
    assert_eq!(schema::<Pair<bool>>()["required"], json!(["left"]));
    assert_eq!(
        schema::<Both>()["properties"]["FIRST_OF_ALL"]["maximum"],
        4_294_967_295_u32
    );
}
