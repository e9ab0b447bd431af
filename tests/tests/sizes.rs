//! A plugin's module is small, and stays so: what nobody uses is not linked, and nothing that is linked comes unnoticed.
//! Measured is the file without the custom section `name`, which only tells traps what functions are called.

use lockgate_tests::modules::{module, number};

/// Each module, and what it may have without the names, in thousands of bytes: what it has, and a twentieth.
const BOUNDS: [(&str, usize); 17] = [
    // One header hook with a typed configuration, as a plain function, and as one that may wait.
    ("hook-sdk", 53),
    ("hook-async", 61),
    // The examples, by what they use: headers; formatting; callouts; bodies; serde_json.
    ("tcp-rewrite", 52),
    ("hello", 56),
    ("ab", 58),
    ("enrich", 60),
    ("block", 70),
    ("rewrite-json", 124),
    ("token", 122),
    ("l4-rewrite", 132),
    ("waits", 104),
    // What ships.
    ("acl", 105),
    ("auth", 124),
    ("headers", 94),
    ("canary", 112),
    ("quota", 156),
    ("cache", 165),
];

#[test]
fn modules_are_no_larger_than_what_they_do() {
    let too_large: Vec<_> = BOUNDS
        .iter()
        .map(|(name, most)| (name, without_names(&module(name)), *most))
        .filter(|(_, size, most)| *size > most * 1000)
        .collect();
    assert!(
        too_large.is_empty(),
        "module, bytes without names, thousands allowed: {too_large:?}"
    );
}

#[test]
fn a_header_hook_on_the_sdk_is_less_than_half_of_the_same_with_the_plain_crate() {
    let plain = without_names(&module("hook"));
    for name in ["hook-sdk", "hook-async"] {
        let size = without_names(&module(name));
        assert!(size * 2 < plain, "{name} has {size} bytes, hook {plain}");
    }
}

/// The size of a module's file without its section of names.
fn without_names(module: &[u8]) -> usize {
    let mut at = 8;
    while at < module.len() {
        let (kind, start) = (module[at], at);
        let (size, content) = number(module, at + 1);
        at = content + size;
        if kind == 0 && module[content..at].starts_with(b"\x04name") {
            return module.len() - (at - start);
        }
    }
    panic!("a module without names: its traps could not be told")
}
