//! Every host function and every export has a conformance case. The sandbox lists them; the record of the cases has the callbacks
//! and calls of every guest.

use lockgate_fuzz::host_calls::HostCalls;
use lockgate_sandbox::interface;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Why a module that imports it cannot be loaded by both hosts, and where it is called all the same.
const TYPES: &str = "Envoy does not have it with these parameters: host/sandbox/tests/guests/arbitrary_arguments.rs";

/// Functions that no case can call in both hosts, and where they are tested instead.
const FUNCTIONS_ELSEWHERE: &[(&str, &str)] = &[
    (
        "pthread_equal",
        "Emscripten's modules alone import it: host/sandbox/tests/guests/abi_versions.rs",
    ),
    ("fd_filestat_set_times", TYPES),
    ("path_filestat_set_times", TYPES),
    ("path_link", TYPES),
    ("path_readlink", TYPES),
    ("path_rename", TYPES),
    ("path_symlink", TYPES),
    ("sock_accept", TYPES),
    ("sock_recv", TYPES),
    ("sock_send", TYPES),
    (
        "proc_raise",
        "Envoy does not have it: host/sandbox/tests/guests/wasi.rs",
    ),
    (
        "emscripten_notify_memory_growth",
        "Envoy has it for Emscripten's modules alone, and it does nothing",
    ),
];

/// Exports that no case tells as callbacks, and by which guest they are needed or where they are tested all the same.
const EXPORTS_IMPLIED: &[(&str, &str)] = &[
    ("memory", "every guest"),
    ("proxy_on_memory_allocate", "the guest raw gets every result through it"),
    ("malloc", "the guest c gets every result through it"),
    (
        "lockgate_scratch",
        "no other host knows it; every module on the SDK has it",
    ),
    ("_initialize", "the guest c is a reactor"),
    ("main", "host/sandbox/tests/guests/abi_versions.rs"),
    ("_start", "host/sandbox/tests/guests/abi_versions.rs"),
    ("proxy_on_context_create", "the guests know their streams from it alone"),
    (
        "proxy_on_foreign_function",
        "none of Envoy's foreign functions completes later; a watch of lockgate.kv does: host/sandbox/tests/guests/host_services.rs",
    ),
];

/// The words of the record: callbacks, and calls within them.
fn recorded() -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/envoy-1.40.txt");
    let text = fs::read_to_string(file).expect("the record is readable");
    text.lines()
        .filter_map(|line| line.strip_prefix("guest."))
        .flat_map(|line| {
            line.split([' ', '.', '#'])
                .take(3)
                .map(String::from)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn without(
    names: impl Iterator<Item = String>,
    elsewhere: &[(&str, &str)],
    recorded: &BTreeSet<String>,
) -> Vec<String> {
    names
        .filter(|name| !elsewhere.iter().any(|(known, _)| known == name))
        .filter(|name| {
            let bare = name.strip_prefix("proxy_").unwrap_or(name);
            let bare = bare
                .strip_prefix("on_")
                .unwrap_or(bare)
                .replace("_connection_close", "_close");
            !recorded.contains(&bare)
        })
        .collect()
}

#[test]
fn every_host_function_has_a_case() {
    let functions = HostCalls::new();
    let names = functions.functions().iter().map(|function| function.name.clone());
    let missing = without(names, FUNCTIONS_ELSEWHERE, &recorded());
    assert!(missing.is_empty(), "no conformance case calls {missing:?}");
}

#[test]
fn every_export_has_a_case() {
    let names = interface::guest_exports().map(String::from);
    let missing = without(names, EXPORTS_IMPLIED, &recorded());
    assert!(missing.is_empty(), "no conformance case is called through {missing:?}");
}
