//! The model of a valid configuration: typed values, resolved names, documented defaults.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use http::{HeaderName, Method};
use lockgate_config::{ListenerProtocol, Loaded, Model, PluginIndex, UpstreamIndex, load, load_text};
use lockgate_http::{EscapedSlashes, ListenerLimits};
use lockgate_json::Position;
use lockgate_routing::{HostPattern, PathChange, PathMatch, ValueMatch};
use lockgate_sandbox::settings::{Isolation, OnError};
use lockgate_telemetry::AccessLogPath;
use lockgate_units::{Period, Size};
use tempfile::TempDir;

const EXAMPLE: &str = include_str!("gateway.json");

/// A folder that has what the example names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plugins")).unwrap();
    for file in ["api.pem", "api.key"] {
        fs::write(folder.path().join(file), "PEM").unwrap();
    }
    folder
}

fn load_in(folder: &Path, text: &str) -> Loaded {
    let variable = |name: &str| (name == "LOCKGATE_ADMIN_TOKEN").then(|| OsString::from("hunter2"));
    load_text(&folder.join("gateway.json"), text.to_owned(), &variable).unwrap_or_else(|report| panic!("{report}"))
}

fn model(text: &str) -> Model {
    load_in(folder().path(), text).model
}

/// A file with one listener, one upstream and `more`.
fn small(more: &str) -> String {
    format!(
        r#"{{ "listeners": {{ "web": {{ "listen": "127.0.0.1:0" }} }},
            "upstreams": {{ "up": {{ "endpoints": [ "127.0.0.1:1" ] }} }} {more} }}"#
    )
}

#[test]
fn the_documented_example_becomes_what_it_says() {
    let folder = folder();
    let Loaded { model, document, files } = load_in(folder.path(), EXAMPLE);
    assert_eq!(model.workers.map(|workers| workers.get()), Some(2));
    assert_eq!(model.plugin_dir, Some(folder.path().join("plugins")));
    let admin = model.admin.as_ref().unwrap();
    assert_eq!((admin.listen.port(), admin.token.as_deref()), (9900, Some("hunter2")));
    let names: Vec<&str> = model.listeners.iter().map(|listener| &*listener.name).collect();
    assert_eq!(names, ["web", "tls"]);
    assert!(model.listeners[0].tls.is_none());
    let certificates = &model.listeners[1].tls.as_ref().unwrap().certificates;
    assert_eq!(certificates[0].cert, folder.path().join("api.pem"));
    assert_eq!(certificates[0].key, folder.path().join("api.key"));
    assert_eq!(model.listeners[1].tls.as_ref().unwrap().clients, None);
    assert_eq!(model.upstreams[0].settings.endpoints[1].weight.value(), 2);

    let plugins: Vec<(&str, &str)> = model
        .plugins
        .iter()
        .map(|plugin| (&*plugin.name, &*plugin.pointer))
        .collect();
    assert_eq!(
        plugins,
        [
            ("keys", "/plugins/keys"),
            ("rate", "/plugins/rate"),
            ("rest/0:cors", "/routes/1/chain/1")
        ]
    );
    assert_eq!(model.plugins[0].settings.config, br#"{"kind":"key"}"#);
    assert_eq!(model.plugins[0].settings.on_error, OnError::Deny);
    let rate = &model.plugins[1];
    assert_eq!(
        (rate.settings.on_error, rate.settings.isolation),
        (OnError::Bypass, Isolation::Shared)
    );
    assert_eq!(
        (rate.settings.limits.deadline, rate.settings.limits.memory),
        (Period::millis(20), Size::mib(32))
    );

    let [orders, rest] = model.routes.as_slice() else {
        panic!("two routes")
    };
    assert_eq!(&*orders.name, "orders");
    assert_eq!(orders.matches.hosts, [HostPattern::Exact("api.example.com".into())]);
    assert!(matches!(&orders.matches.path, PathMatch::Prefix(prefix) if prefix == "/orders"));
    assert_eq!(orders.matches.methods, [Method::GET, Method::POST]);
    assert_eq!(orders.chain, [PluginIndex(0), PluginIndex(1)]);
    assert_eq!(
        (orders.destination.upstream(), orders.timeout),
        (Some(UpstreamIndex(0)), Some(Period::seconds(5)))
    );
    assert_eq!(rest.chain, [PluginIndex(1), PluginIndex(2)]);
    assert!(matches!(&rest.rewrite, Some(PathChange::Prefix(prefix)) if prefix == "/v1"));
    assert_eq!(rest.timeout, None);

    assert_eq!(
        document.locate("/routes/1/chain/1/module"),
        Some(Position { line: 28, column: 38 })
    );
    assert!(files.is_empty());
}

#[test]
fn the_smallest_file_sends_everything_to_its_upstream() {
    let model = model(&small(""));
    let [route] = model.routes.as_slice() else {
        panic!("one route")
    };
    assert_eq!(
        (&*route.name, route.destination.upstream(), route.chain.len()),
        ("default", Some(UpstreamIndex(0)), 0)
    );
    assert!(matches!(route.matches.path, PathMatch::Any) && route.matches.hosts.is_empty());
    assert_eq!(route.timeout, None);
    assert_eq!((model.workers, model.drain_timeout), (None, Period::seconds(30)));
    assert_eq!(
        (model.cache.bytes, model.cache.max_entry),
        (Size::mib(64), Size::mib(1))
    );
    assert_eq!(
        (model.kv.bytes, model.kv.plugin_bytes, model.kv.max_value),
        (Size::mib(64), Size::mib(16), Size::mib(1))
    );
    assert!(model.admin.is_none() && model.access_log.is_none() && model.plugin_dir.is_none());
    let listener = &model.listeners[0];
    assert_eq!(
        (&listener.limits, listener.escaped_slashes),
        (&ListenerLimits::default(), EscapedSlashes::Reject)
    );
    assert!(listener.trusted_proxies.is_empty());
}

#[test]
fn an_empty_list_of_routes_is_a_list_of_no_routes() {
    assert!(model(&small(r#", "routes": []"#)).routes.is_empty());
}

#[test]
fn a_plugins_configuration_reaches_it_as_it_is_written() {
    for (config, bytes) in [
        (
            r#""config": { "z": 1.50, "a": [ 1e3, 12345678901234567890123 ], "t": "${env:LOCKGATE_ADMIN_TOKEN}" }"#,
            r#"{"z":1.50,"a":[1e3,12345678901234567890123],"t":"hunter2"}"#,
        ),
        (r#""config": "plain \"text\"""#, r#"plain "text""#),
        (r#""config": """#, ""),
        (r#""config": null"#, ""),
        (r#""config": false"#, "false"),
        (r#""root_id": "r""#, ""),
    ] {
        let text = small(&format!(
            r#", "plugin_dir": "plugins", "plugins": {{ "p": {{ "module": "m", {config} }} }}"#
        ));
        assert_eq!(
            String::from_utf8(model(&text).plugins[0].settings.config.clone()).unwrap(),
            bytes
        );
    }
}

#[test]
fn inline_plugins_are_named_after_their_place_and_made_once() {
    let text = small(
        r#", "plugin_dir": "plugins", "plugins": { "p": { "module": "m" } },
        "chains": { "c": [ "p", { "module": "in" } ] }, "global_chain": [ { "module": "first" }, "p" ],
        "routes": [ { "name": "a", "chain": "c", "upstream": "up" }, { "name": "b", "chain": "c", "upstream": "up" },
                    { "chain": [ "p", "p", { "module": "last" } ], "upstream": "up" } ]"#,
    );
    let model = model(&text);
    let names: Vec<&str> = model.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    assert_eq!(names, ["p", "global_chain/0:first", "chains.c/0:in", "/*/0:last"]);
    assert_eq!(model.global_chain, [PluginIndex(1), PluginIndex(0)]);
    assert_eq!(model.routes[0].chain, [PluginIndex(0), PluginIndex(2)]);
    assert_eq!(model.routes[0].chain, model.routes[1].chain);
    assert_eq!(model.routes[2].chain, [PluginIndex(0), PluginIndex(0), PluginIndex(3)]);
    assert_eq!(model.plugin(PluginIndex(3)).module, "last");
}

#[test]
fn names_do_not_follow_the_place_in_the_file() {
    let names = |routes: &str| {
        let model = model(&small(&format!(r#", "plugin_dir": "plugins", "routes": [ {routes} ]"#)));
        let routes: Vec<String> = model.routes.iter().map(|route| route.name.to_string()).collect();
        let plugins: Vec<String> = model.plugins.iter().map(|plugin| plugin.name.clone()).collect();
        (routes, plugins)
    };
    let last =
        r#"{ "match": { "path_prefix": "/a" }, "upstream": "up", "chain": [ { "module": "m" }, { "module": "m" } ] }"#;
    let (routes, plugins) = names(last);
    assert_eq!(routes, ["/a/*"]);
    assert_eq!(plugins, ["/a/*/0:m", "/a/*/1:m"]);

    // A route above, and an item above in the chain.
    let longer = last.replace("[ {", r#"[ { "module": "other" }, {"#);
    let (routes, plugins) = names(&format!(
        r#"{{ "match": {{ "path": "/new" }}, "upstream": "up", "chain": [ {{ "module": "m" }} ] }}, {longer}"#
    ));
    assert_eq!(routes, ["/new", "/a/*"]);
    assert_eq!(plugins, ["/new/0:m", "/a/*/0:other", "/a/*/0:m", "/a/*/1:m"]);

    // Like conditions, and a name that looks like conditions.
    let (routes, _) = names(&format!(r#"{last}, {last}, {{ "name": "/a/*", "upstream": "up" }}"#));
    assert_eq!(routes, ["/a/* #2", "/a/* #3", "/a/*"]);
}

#[test]
fn a_global_chain_may_be_a_chains_name() {
    let text = small(
        r#", "plugin_dir": "plugins", "plugins": { "p": { "module": "m" } }, "chains": { "c": [ "p" ] }, "global_chain": "c""#,
    );
    assert_eq!(model(&text).global_chain, [PluginIndex(0)]);
}

#[test]
fn conditions_become_types() {
    let text = small(
        r#", "routes": [ { "upstream": "up", "timeout": "0s", "match": {
            "hosts": [ "*.Example.com", "A.b" ], "path_regex": "/u/[0-9]+", "methods": [ "PURGE" ],
            "headers": { "X-A": "1", "x-b": { "regex": "v[12]" }, "x-c": { "present": true } },
            "query": { "q": "", "r": { "regex": "a|b" } } } } ]"#,
    );
    let model = model(&text);
    let route = &model.routes[0];
    assert_eq!(
        (&*route.name, route.timeout),
        ("PURGE *.example.com,a.b~/u/[0-9]+ +84941a56", None)
    );
    let matches = &route.matches;
    assert_eq!(
        matches.hosts,
        [
            HostPattern::Wildcard(".example.com".into()),
            HostPattern::Exact("a.b".into())
        ]
    );
    let PathMatch::Regex(regex) = &matches.path else {
        panic!("an expression")
    };
    assert!(regex.is_match("/u/7") && !regex.is_match("/x/u/7") && !regex.is_match("/u/7/x"));
    let header = |name: &str| {
        let name: HeaderName = name.parse().unwrap();
        matches
            .headers
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    assert!(matches!(header("x-a"), Some(ValueMatch::Exact(value)) if value == "1"));
    assert!(matches!(header("x-b"), Some(ValueMatch::Regex(regex)) if regex.is_match("v2") && !regex.is_match("v23")));
    assert!(matches!(header("x-c"), Some(ValueMatch::Present)));
    assert!(matches!(&matches.query[0], (name, ValueMatch::Exact(value)) if name == "q" && value.is_empty()));
}

#[test]
fn the_rest_of_the_knobs_arrive() {
    let text = r#"{
        "listeners": { "web": { "listen": "[::1]:0", "trusted_proxies": [ "10.1.2.3/8", "::1" ], "escaped_slashes": "keep",
                       "limits": { "body": "10MB", "connections": 5 } } },
        "upstreams": { "up": { "endpoints": [ "a:1" ], "host": "endpoint", "connect_timeout": "1s" } },
        "plugin_dir": "plugins",
        "plugins": { "p": { "module": "m", "root_id": "r", "vm_id": "v", "vm_config": { "a": 1 }, "env": { "B": "2", "A": "1" },
            "sha256": "ABCDEF0000000000000000000000000000000000000000000000000000000000", "isolation": "stream",
            "capabilities": { "upstreams": [ "up" ], "headers": [ "x-*", ":path", "*" ], "host_calls": [] } } },
        "access_log": { "path": "access.log" }, "drain_timeout": "1m", "cache": { "bytes": "1GiB" } }"#;
    let folder = folder();
    let model = load_in(folder.path(), text).model;
    let listener = &model.listeners[0];
    let networks: Vec<String> = listener.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(listener.escaped_slashes, EscapedSlashes::Keep);
    assert_eq!(
        (listener.limits.body, listener.limits.connections),
        (Some(Size(10_000_000)), 5)
    );
    assert_eq!(
        (listener.limits.headers, listener.limits.header_bytes),
        (100, Size::kib(64))
    );
    assert_eq!(
        model.upstream(UpstreamIndex(0)).settings.connect_limit(),
        Period::seconds(1)
    );
    let plugin = &model.plugins[0];
    assert_eq!(
        (
            &*plugin.settings.root_id,
            &*plugin.settings.vm_id,
            &*plugin.settings.vm_config
        ),
        ("r", "v", br#"{"a":1}"#.as_slice())
    );
    assert_eq!(
        plugin.settings.env,
        [("A".into(), "1".into()), ("B".into(), "2".into())]
    );
    assert!(plugin.sha256.as_ref().unwrap().starts_with("abcdef00"));
    assert_eq!(plugin.settings.isolation, Isolation::Stream);
    assert_eq!(plugin.settings.capabilities.host_calls.as_deref(), Some([].as_slice()));
    assert_eq!(
        model.access_log.unwrap().path,
        AccessLogPath::File(folder.path().join("access.log"))
    );
    assert_eq!(
        (model.drain_timeout, model.cache.bytes),
        (Period::seconds(60), Size(1 << 30))
    );
}

#[test]
fn without_a_vm_id_a_plugins_is_its_name_and_limits_of_values_arrive() {
    let text = r#"{
        "listeners": { "web": { "listen": "127.0.0.1:0" } }, "upstreams": { "up": { "endpoints": [ "a:1" ] } }, "plugin_dir": "plugins",
        "plugins": { "p": { "module": "m" }, "q": { "module": "m", "vm_id": "" } }, "global_chain": [ { "module": "m" } ],
        "kv": { "bytes": "2MiB", "plugin_bytes": "1MiB", "max_value": "64KiB" } }"#;
    let folder = folder();
    let model = load_in(folder.path(), text).model;
    let vm_ids: Vec<_> = model.plugins.iter().map(|plugin| &*plugin.settings.vm_id).collect();
    assert_eq!(vm_ids, ["p", "", &*model.plugins[2].name]);
    assert_eq!(
        (model.kv.bytes, model.kv.plugin_bytes, model.kv.max_value),
        (Size::mib(2), Size::mib(1), Size::kib(64))
    );
}

#[test]
fn the_resolver_has_defaults_and_its_hosts_file_is_relative_to_the_configuration() {
    let folder = folder();
    let model = load_in(folder.path(), &small("")).model;
    assert_eq!(model.resolver.hosts, Path::new("/etc/hosts"));
    let text = small(r#", "resolver": { "servers": [ "10.0.0.2" ], "hosts": "hosts", "max_ttl": "5s" }"#);
    let resolver = load_in(folder.path(), &text).model.resolver;
    assert_eq!(resolver.servers[0].to_string(), "10.0.0.2:53");
    assert_eq!(resolver.hosts, folder.path().join("hosts"));
    assert_eq!(
        (resolver.min_ttl, resolver.max_ttl),
        (Period::seconds(1), Period::seconds(5))
    );
}

#[test]
fn secrets_from_files_are_put_in_and_the_files_named() {
    let folder = folder();
    fs::write(folder.path().join("token"), "s3cret\n").unwrap();
    let text = small(r#", "admin": { "listen": "127.0.0.1:0", "token": "${file:token}" }"#);
    fs::write(folder.path().join("gateway.json"), text).unwrap();
    let loaded = load(&folder.path().join("gateway.json")).unwrap();
    assert_eq!(loaded.model.admin.as_ref().unwrap().token.as_deref(), Some("s3cret"));
    assert_eq!(loaded.files[0].path, folder.path().join("token"));
    // Nor does a debug line show it.
    assert!(!format!("{loaded:?}").contains("s3cret"));
    assert!(!loaded.document.text().contains("s3cret"));
}

#[test]
fn a_later_failure_has_the_position_of_its_plugin() {
    let folder = folder();
    let loaded = load_in(folder.path(), EXAMPLE);
    let plugin = &loaded.model.plugins[2];
    let later = loaded.document.diagnostic(
        &format!("{}/config", plugin.pointer),
        "the plugin refused its configuration",
        None,
        Some("its last words: no origins".into()),
    );
    assert!(
        later.to_string().ends_with(
            "gateway.json:28:56: /routes/1/chain/1/config: the plugin refused its configuration\n  help: its last words: no origins"
        ),
        "{later}"
    );
}

#[test]
fn a_listener_for_bytes_has_a_target_and_an_hour_of_patience_and_needs_no_routes() {
    let text = |limits: &str| {
        format!(
            r#"{{ "plugin_dir": "plugins", "listeners": {{ "mqtt": {{ "listen": "127.0.0.1:1", "protocol": "tcp", "upstream": "broker",
                   "chain": [ {{ "module": "watch" }} ] {limits} }} }},
                 "upstreams": {{ "web": {{ "endpoints": [ "127.0.0.1:1" ] }}, "broker": {{ "endpoints": [ "127.0.0.1:2" ] }} }} }}"#
        )
    };
    let silent = model(&text(""));
    let ListenerProtocol::Tcp(forwarding) = &silent.listeners[0].protocol else {
        panic!("{:?}", silent.listeners[0].protocol);
    };
    assert_eq!(
        (forwarding.upstream, &*forwarding.chain),
        (UpstreamIndex(1), &[PluginIndex(0)][..])
    );
    assert_eq!(silent.plugins[0].name, "listeners.mqtt/0:watch");
    assert_eq!(silent.listeners[0].limits.idle_timeout, Period::seconds(3600));
    assert!(silent.routes.is_empty());
    let explicit = model(&text(r#", "limits": { "idle_timeout": "5m" }"#));
    assert_eq!(explicit.listeners[0].limits.idle_timeout, Period::seconds(300));
}

#[test]
fn services_are_plugins_without_a_chain_and_all_plugins_see_one_node() {
    let model = model(&small(
        r#", "plugin_dir": "plugins", "plugins": { "poller": { "module": "poller" } },
           "services": [ "poller", { "module": "reader" } ],
           "node": { "id": "edge-1", "metadata": { "LABELS": { "app": "web" }, "N": 2, "ON": true } }"#,
    ));
    assert_eq!(model.services, [PluginIndex(0), PluginIndex(1)]);
    assert_eq!(model.plugins[1].name, "services/0:reader");
    for plugin in &model.plugins {
        let node = &plugin.settings.node;
        assert_eq!((&*node.id, &*node.cluster, node.metadata.len()), ("edge-1", "", 3));
    }
}

#[test]
fn an_alias_belongs_to_one_upstream() {
    let text = |aliases: &str| {
        format!(
            r#"{{ "listeners": {{ "web": {{ "listen": "127.0.0.1:0" }} }},
                "upstreams": {{ "a": {{ "endpoints": [ "127.0.0.1:1" ], "aliases": {aliases} }},
                    "b": {{ "endpoints": [ "127.0.0.1:1" ], "aliases": [ "outbound|80||b" ] }} }},
                "routes": [ {{ "upstream": "a" }} ] }}"#
        )
    };
    let report = |aliases: &str| {
        let nothing = |_: &str| None;
        match load_text(Path::new("gateway.json"), text(aliases), &nothing) {
            Ok(_) => String::new(),
            Err(report) => report.to_string(),
        }
    };
    assert_eq!(report(r#"[ "outbound|443||a", "a.svc" ]"#), "");
    assert!(report(r#"[ "b" ]"#).contains("\"b\" is the name of an upstream"));
    assert!(report(r#"[ "outbound|80||b" ]"#).contains("is an alias of upstream \"a\" already"));
    for wrong in ["", "a b", "a\\nb", "ä"] {
        assert!(
            report(&format!("[ \"{wrong}\" ]")).contains("1 to 256 visible ASCII characters"),
            "{wrong}"
        );
    }
}
