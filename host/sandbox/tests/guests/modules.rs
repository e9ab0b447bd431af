//! Files that are not plugins: each is refused with a reason, and the process goes on.

use lockgate_sandbox::LoadError;
use lockgate_units::Size;

use super::test_vm::{ENGINE, bare, guest, plugin};

#[test]
fn garbage_is_refused_with_a_reason() {
    let whole = guest("");
    let cut = &whole[..whole.len() / 2];
    let mut flipped = whole.clone();
    flipped[20] ^= 0x55;
    let inputs: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("text", b"(module)"),
        ("header only, cut", b"\0asm"),
        ("another version", b"\0asm\x02\0\0\0"),
        ("cut in half", cut),
        ("flipped bits", &flipped),
    ];
    for (what, bytes) in inputs {
        let error = ENGINE
            .compile(bytes)
            .err()
            .unwrap_or_else(|| panic!("{what} was compiled"));
        assert!(matches!(error, LoadError::Invalid(_)), "{what}: {error}");
    }
}

#[test]
fn every_cut_and_many_damages_of_a_module_end_in_a_result() {
    let whole = guest("(func (export \"proxy_on_log\") (param i32) (call $log_number (local.get 0)))");
    // Cut before its last section, which holds only names, a module is complete. Cut elsewhere, it is not.
    let whole_enough = (0..whole.len())
        .filter(|&end| ENGINE.compile(&whole[..end]).is_ok())
        .count();
    assert_eq!(whole_enough, 1);
    let mut state = 7_u32;
    for _ in 0..200 {
        let mut damaged = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = state as usize % damaged.len();
            damaged[at] ^= (state >> 24) as u8;
        }
        // Damage in a name or a constant leaves a module. In any case there is no panic.
        let _ = ENGINE.compile(&damaged);
    }
}

#[test]
fn the_error_of_a_module_without_an_abi_version_names_what_is_missing() {
    let error = ENGINE
        .compile(&bare(
            "(memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_3_0\"))",
        ))
        .err();
    let text = error.unwrap().to_string();
    assert!(
        text.contains("proxy_abi_version_0_2_1") && text.contains("it exports proxy_abi_version_0_3_0"),
        "{text}"
    );
}

#[test]
fn the_error_names_all_callbacks_of_a_wrong_type() {
    let wasm = bare(
        r#"(func (export "proxy_abi_version_0_2_1"))
           (func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))
           (func (export "proxy_on_log") (param i64))
           (global (export "proxy_on_delete") i32 (i32.const 0))"#,
    );
    let text = ENGINE.compile(&wasm).err().unwrap().to_string();
    for part in [
        "proxy_on_request_headers as (i32, i32) -> i32 instead of (i32, i32, i32) -> i32",
        "proxy_on_log as (i64) instead of (i32)",
        "proxy_on_delete as something other than a function",
        "no memory",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn all_missing_imports_are_named_when_the_plugin_is_linked() {
    let wasm = bare(
        r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
           (import "env" "proxy_no_such_call" (func))
           (import "elsewhere" "f" (func))
           (import "wasi_snapshot_preview1" "fd_invent" (func))
           (import "env" "table" (table 1 funcref))
           (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))"#,
    );
    let error = plugin(&wasm).link().err().unwrap();
    let LoadError::Imports(missing) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        *missing,
        [
            "env.proxy_no_such_call",
            "elsewhere.f",
            "wasi_snapshot_preview1.fd_invent",
            "env.table (a table)"
        ]
    );
}

#[test]
fn an_import_of_a_wrong_type_is_named() {
    let wasm = bare(
        r#"(import "env" "proxy_log" (func (param i32) (result i32)))
           (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))"#,
    );
    let text = plugin(&wasm).link().err().unwrap().to_string();
    assert!(text.contains("proxy_log") && text.contains("type"), "{text}");
}

#[test]
fn a_module_that_starts_with_more_memory_than_it_may_have_is_refused() {
    let wasm = bare("(memory (export \"memory\") 32) (func (export \"proxy_abi_version_0_2_1\"))");
    let error = plugin(&wasm)
        .with(|settings| settings.limits.memory = Size::mib(1))
        .link()
        .err()
        .unwrap();
    assert!(matches!(
        error,
        LoadError::Memory {
            needed: 2_097_152,
            limit: 1_048_576
        }
    ));
}

#[test]
fn a_module_knows_its_hash_its_size_and_its_hooks() {
    let wasm = guest("(func (export \"proxy_on_response_body\") (param i32 i32 i32) (result i32) (i32.const 0))");
    let module = plugin(&wasm).spec.module;
    assert_eq!(module.size(), wasm.len() as u64);
    assert!(module.sha256().len() == 64 && module.sha256().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let hooks = module.hooks();
    assert!(hooks.response_body && !hooks.request_headers && !hooks.finish);
    assert_eq!(ENGINE.compile(&wasm).unwrap().sha256(), module.sha256());
}

#[test]
fn functions_of_envoy_that_are_absent_are_told_by_name() {
    let naming = guest(r#"(data (i32.const 0) "expr_create\00expr_evaluate")"#);
    let module = ENGINE.compile(&naming).unwrap();
    assert_eq!(module.absent_functions(), ["expr_create", "expr_evaluate"]);
    let other = ENGINE.compile(&guest(r#"(data (i32.const 0) "expr_")"#)).unwrap();
    assert!(other.absent_functions().is_empty());
}
