//! The modules that tests put into `plugin_dir`: the shipped plugins, the guests built from
//! `tests/guests/NAME`, and the guests written as `tests/guests/NAME.wat`
//! or `tests/languages/wat/NAME.wat`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests is a folder of the repository")
        .to_path_buf()
}

/// Path of a build product, which an environment variable can override.
#[must_use]
pub fn built(variable: &str, default: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| root().join("target").join(default), PathBuf::from)
}

/// The bytes of the module of that name.
///
/// # Panics
/// When it has not been built, with the command that does it.
#[must_use]
pub fn module(name: &str) -> Vec<u8> {
    let texts = ["tests/guests", "tests/languages/wat"].map(|folder| root().join(folder).join(format!("{name}.wat")));
    if let Some(text) = texts.iter().find(|text| text.exists()) {
        return assembled(&fs::read_to_string(text).expect("a guest's text is readable"));
    }
    let file = format!("{name}.wasm");
    let places = [
        built("LOCKGATE_GUESTS", "guests").join(&file),
        built("LOCKGATE_PLUGINS", "plugins").join(&file),
    ];
    let found = places.iter().find_map(|place| fs::read(place).ok());
    found
        .unwrap_or_else(|| panic!("no module {name} in {places:?}: run scripts/build-guests and scripts/build-plugins"))
}

/// Turns WebAssembly text into a module, with the names of its functions.
///
/// # Panics
/// When the text is wrong.
#[must_use]
pub fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A module with one callback, which traps: for a context, only that of a stream; for ticks, it asks for them.
#[must_use]
pub fn trapping(hook: &str) -> Vec<u8> {
    let (params, result) = match hook {
        "proxy_on_new_connection" => ("(param i32)", "(result i32)"),
        "proxy_on_downstream_data" | "proxy_on_upstream_data" => ("(param i32 i32 i32)", "(result i32)"),
        "proxy_on_context_create" | "proxy_on_downstream_connection_close" | "proxy_on_upstream_connection_close" => {
            ("(param i32 i32)", "")
        }
        "proxy_on_done" => ("(param i32)", "(result i32)"),
        _ => ("(param i32)", ""),
    };
    let is_stream = if hook == "proxy_on_context_create" {
        "(if (local.get 1) (then unreachable))"
    } else {
        "unreachable"
    };
    let (import, start) = if hook == "proxy_on_tick" {
        (
            r#"(import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))"#,
            r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (drop (call $period (i32.const 10))) (i32.const 1))"#,
        )
    } else {
        ("", "")
    };
    assembled(&format!(
        r#"(module {import} (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")) {start}
             (func $fall_over (export "{hook}") {params} {result} {is_stream}))"#
    ))
}

/// A small well-formed module that sets `x-tag: VALUE` on each response: what reloads are watched by.
#[must_use]
pub fn tag(value: &str) -> Vec<u8> {
    let text = fs::read_to_string(root().join("tests/guests/tag.wat")).expect("a guest's text is readable");
    let replaced = text
        .replace("(;length;) 8", &value.len().to_string())
        .replace("untagged", value);
    assert_ne!(text, replaced, "the tag's place in the text is known");
    assembled(&replaced)
}

/// The LEB128 number of a module's bytes that begins at `at`, and where the next thing begins.
///
/// # Panics
/// When the module ends before it does.
#[must_use]
pub fn number(module: &[u8], mut at: usize) -> (usize, usize) {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        value |= usize::from(module[at] & 0x7f) << shift;
        at += 1;
        if module[at - 1] < 0x80 {
            break;
        }
    }
    (value, at)
}

/// The module with one custom section more, at its end.
#[must_use]
pub fn with_section(mut module: Vec<u8>, name: &str, content: &[u8]) -> Vec<u8> {
    let mut section = leb128(name.len());
    section.extend(name.as_bytes());
    section.extend(content);
    module.push(0);
    module.extend(leb128(section.len()));
    module.extend(section);
    module
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).expect("seven bits fit");
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
