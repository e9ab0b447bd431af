//! The target `modules` under libFuzzer: `cargo +nightly fuzz run modules`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

thread_local! {
    static TARGET: RefCell<lockgate_fuzz::Target> = RefCell::new(lockgate_fuzz::target("modules").expect("the target is there"));
}

fuzz_target!(|bytes: &[u8]| TARGET.with_borrow_mut(|target| target(bytes)));
