//! Optimisations that a module can offer: scratch memory for small results, and streams without `context_create` and `delete`.

use super::test_vm::{TestVm, exchange, guest, guest_allocating, plugin};

/// A guest that reads `x-user`, `x-long` (257 bytes) and `x-user` again, and logs each with its address.
fn reading(scratch: &str) -> Vec<u8> {
    let read = |at: u32| {
        format!(
            "(call $log_number (call $get (i32.const 0) (i32.const {at}) (i32.const 6) (global.get $got) (global.get $len)))
             (call $log_number (i32.load (global.get $got)))
             (call $log_number (i32.load (global.get $len)))"
        )
    };
    guest_allocating(&format!(
        "(data (i32.const 0) \"x-userx-long\")
         (func (export \"proxy_on_memory_allocate\") (param i32) (result i32) (i32.const 70000))
         {scratch}
         (func (export \"proxy_on_request_headers\") (param $id i32) (param i32 i32) (result i32)
           {} (call $log_result) {} {} (i32.const 0))",
        read(0),
        read(6),
        read(0)
    ))
}

fn log_of(wasm: &[u8]) -> Vec<String> {
    let test = plugin(wasm).start();
    let exchange = exchange();
    let long = "l".repeat(257).parse().unwrap();
    exchange.borrow_mut().request.headers.insert("x-long", long);
    test.request(&exchange)
}

#[test]
fn small_results_go_to_scratch_memory_and_others_are_allocated() {
    let scratch = "(func (export \"lockgate_scratch\") (result i32) (i32.const 3000))";
    assert_eq!(
        log_of(&reading(scratch)),
        ["0", "3000", "4", "anna", "0", "70000", "257", "0", "3000", "4"]
    );
    assert_eq!(
        log_of(&reading(""))[..3],
        ["0", "70000", "4"],
        "without, all is allocated"
    );
}

#[test]
fn a_wild_scratch_address_is_an_error() {
    let scratch = |at: i32| format!("(func (export \"lockgate_scratch\") (result i32) (i32.const {at}))");
    for at in [-1, 131_070, 131_072] {
        assert_eq!(log_of(&reading(&scratch(at)))[0], "6", "{at}");
    }
    assert_eq!(log_of(&reading(&scratch(0)))[1], "70000", "no room");
}

/// A guest that logs `c`, `h`, `l` and `x` with the context's id.
fn telling(manifest: &str) -> Vec<u8> {
    let say = |letter: char| {
        format!(
            "(i32.store8 (i32.const 500) (i32.const {}))
             (i32.store8 (i32.const 501) (i32.add (i32.const 48) (local.get $id)))
             (call $log_text (i32.const 500) (i32.const 2))",
            letter as u32
        )
    };
    guest(&format!(
        "(func (export \"proxy_on_context_create\") (param $id i32) (param i32) {})
         (func (export \"proxy_on_request_headers\") (param $id i32) (param i32 i32) (result i32) {} (i32.const 0))
         (func (export \"proxy_on_log\") (param $id i32) {})
         (func (export \"proxy_on_delete\") (param $id i32) {})
         (@custom \"lockgate.manifest\" \"{manifest}\")",
        say('c'),
        say('h'),
        say('l'),
        say('x')
    ))
}

#[test]
fn a_stateless_module_gets_context_create_and_delete_for_its_root_only() {
    let lives = |manifest: &str| {
        let TestVm { vm, host } = plugin(&telling(manifest)).start();
        let stream = vm.open(&exchange()).unwrap();
        stream.request_headers(true).unwrap();
        drop(stream);
        assert_eq!(vm.report().streams, 0);
        let hooks = vm.plugin().hooks();
        drop(vm);
        (host.text_lines().concat(), hooks.delete)
    };
    assert_eq!(lives("{\\22stateless\\22:true}"), ("c1h2l2x1".to_owned(), false));
    for manifest in ["{}", "{\\22stateless\\22:false}", "{\\22stateless\\22:1}"] {
        assert_eq!(lives(manifest), ("c1c2h2l2x2x1".to_owned(), true), "{manifest}");
    }
}
