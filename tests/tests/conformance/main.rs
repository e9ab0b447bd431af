//! The same module and the same requests, here and in Envoy 1.40: every answer is laid side by side. What may differ stands in
//! `differences.rs`, each line with its reason. `envoy-1.40.txt` keeps what Envoy answered, so that the comparison can be made
//! (and read) where Envoy cannot be had; where it can, it is run, and the record must be true. `RECORD=1` writes it anew.

mod cases;
mod differences;

use cases::{Case, Upstreams};
use differences::{ALLOWED, Difference};
use lockgate_tests::Gateway;
use lockgate_tests::envoy::{self, Envoy, Plugin};
use lockgate_tests::modules::{module, root};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

const PLUGIN: Plugin = Plugin {
    name: "conformance",
    root_id: "conformance-root",
    vm_id: "conformance-vm",
    config: "plugin configuration",
    vm_config: "vm configuration",
};

/// The name of a case and what came of it.
type Observed = Vec<(String, Vec<String>)>;

#[test]
fn a_module_gets_the_same_answers_as_in_envoy() {
    let recorded = recorded();
    let reference = match envoy::binary() {
        Ok(binary) => {
            let lived = in_envoy(binary);
            if std::env::var_os("RECORD").is_some() {
                fs::write(record(), written(&lived)).expect("the record is writable");
            } else {
                assert_eq!(
                    written(&recorded),
                    written(&lived),
                    "the record of Envoy's answers is true"
                );
            }
            lived
        }
        Err(reason) => {
            eprintln!("\n########## ENVOY CANNOT BE INSTALLED: compared with its record only ##########\n{reason}");
            recorded
        }
    };
    let ours = in_lockgate();
    let mut used = BTreeSet::new();
    let mut unexplained = Vec::new();
    for ((case, ours), (_, envoys)) in ours.iter().zip(&reference) {
        compare(case, ours, envoys, &mut used, &mut unexplained);
    }
    assert!(
        unexplained.is_empty(),
        "{} answers differ without a reason:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    let stale: Vec<_> = ALLOWED
        .iter()
        .enumerate()
        .filter(|(nth, _)| !used.contains(nth))
        .map(|(_, allowed)| allowed)
        .collect();
    assert!(
        stale.is_empty(),
        "allowed, but nothing differs there any more: {stale:#?}"
    );
}

fn in_envoy(binary: std::path::PathBuf) -> Observed {
    let upstreams = Upstreams::start();
    let envoy = Envoy::start(binary, &module("conformance"), &PLUGIN, &upstreams.clusters());
    observed(envoy.address(), &upstreams)
}

fn in_lockgate() -> Observed {
    let upstreams = Upstreams::start();
    let named = upstreams
        .clusters()
        .map(|(name, address)| (name.to_string(), json!({ "endpoints": [address.to_string()] })));
    let gateway = Gateway::start(json!({
        "upstreams": serde_json::Map::from_iter(named),
        "plugins": { "conformance": {
            "module": "conformance", "root_id": PLUGIN.root_id, "vm_id": PLUGIN.vm_id, "config": PLUGIN.config, "vm_config": PLUGIN.vm_config,
            "env": { "CONFORMANCE": "from the host" },
        } },
        "routes": [ { "name": "conformance", "chain": ["conformance"], "upstream": "app" } ],
    }));
    observed(gateway.address(), &upstreams)
}

fn observed(host: SocketAddr, upstreams: &Upstreams) -> Observed {
    cases::all()
        .iter()
        .map(|Case { name, request }| (name.to_string(), cases::observe(host, upstreams, name, request)))
        .collect()
}

/// Compares line by line: what is told under the same key, and in which order.
fn compare(case: &str, ours: &[String], envoys: &[String], used: &mut BTreeSet<usize>, unexplained: &mut Vec<String>) {
    let (ours, envoys) = (keyed(ours), keyed(envoys));
    let all = ours.iter().chain(
        envoys
            .iter()
            .filter(|(key, _)| !ours.iter().any(|(known, _)| known == key)),
    );
    for (key, _) in all {
        let of = |side: &[(String, String)]| {
            side.iter()
                .find(|(known, _)| known == key)
                .map_or("(nothing)".to_string(), |(_, value)| value.clone())
        };
        let (mine, its) = (of(&ours), of(&envoys));
        if mine == its {
            continue;
        }
        let allowed = ALLOWED
            .iter()
            .enumerate()
            .filter(|(_, allowed)| allowed.covers(case, key, &mine, &its))
            .map(|(nth, _)| nth);
        let allowed: Vec<_> = allowed.collect();
        if allowed.is_empty() {
            unexplained.push(format!("{case}: {key}\n    here:     {mine}\n    in Envoy: {its}"));
        }
        used.extend(allowed);
    }
    let shared = |one: &[(String, String)], other: &[(String, String)]| {
        one.iter()
            .map(|(key, _)| key.clone())
            .filter(|key| other.iter().any(|(known, _)| known == key))
            .collect::<Vec<_>>()
    };
    let (mine, its) = (shared(&ours, &envoys), shared(&envoys, &ours));
    if mine != its {
        let nth = mine.iter().zip(&its).take_while(|(one, other)| one == other).count();
        unexplained.push(format!(
            "{case}: another order from line {nth}: here {:?}, in Envoy {:?}",
            mine.get(nth),
            its.get(nth)
        ));
    }
}

/// Lines as key and value; a key that comes again is numbered.
fn keyed(lines: &[String]) -> Vec<(String, String)> {
    let mut keyed: Vec<(String, String)> = Vec::new();
    for line in lines {
        let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
        let again = keyed
            .iter()
            .filter(|(known, _)| known.split('#').next() == Some(key))
            .count();
        let key = if again == 0 {
            key.to_string()
        } else {
            format!("{key}#{again}")
        };
        keyed.push((key, value.to_string()));
    }
    keyed
}

fn record() -> std::path::PathBuf {
    root().join("tests/tests/conformance/envoy-1.40.txt")
}

fn written(observed: &Observed) -> String {
    observed
        .iter()
        .map(|(case, lines)| format!("[{case}]\n{}\n\n", lines.join("\n")))
        .collect()
}

fn recorded() -> Observed {
    let text = fs::read_to_string(record()).unwrap_or_default();
    let case = |part: &str| {
        let mut lines = part.lines();
        let name = lines.next()?.trim_matches(['[', ']']).to_string();
        Some((name, lines.map(String::from).collect()))
    };
    text.split("\n\n").filter_map(case).collect()
}

impl Difference {
    fn covers(&self, case: &str, key: &str, ours: &str, envoys: &str) -> bool {
        let fits = |pattern: &str, text: &str| fits(pattern.as_bytes(), text.as_bytes());
        let any = |patterns: &[&str], text: &str| patterns.iter().any(|pattern| fits(pattern, text));
        any(self.cases, case) && any(self.keys, key) && fits(self.here, ours) && fits(self.envoy, envoys)
    }
}

/// Whether a text is of the form of a pattern, in which each `*` stands for anything.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => fits(rest, text) || text.split_first().is_some_and(|(_, more)| fits(pattern, more)),
        (Some((expected, rest)), Some((found, more))) => expected == found && fits(rest, more),
        _ => false,
    }
}
