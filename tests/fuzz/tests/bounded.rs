//! Every target for a bounded number of inputs, always the same ones. `make fuzz` goes on from there.

use lockgate_fuzz::driver::Inputs;
use lockgate_fuzz::host_calls::HostCalls;
use lockgate_fuzz::{TARGETS, target};

fn holds(name: &str, inputs: u64) {
    let mut target = target(name).expect("the target is there");
    let mut made = Inputs::new(name);
    for nth in 0..inputs {
        target(made.input(1, nth));
    }
}

#[test]
fn header_maps_are_read_and_written_alike() {
    holds("pairs", 200_000);
}

#[test]
fn property_paths_name_what_they_spell() {
    holds("properties", 200_000);
}

#[test]
fn no_host_call_is_harmed_by_any_arguments() {
    holds("host_calls", 40_000);
}

/// Modules that wasm-smith has made and small ones, also with bytes changed, that are kept; `scripts/fuzz` makes more.
#[test]
fn no_module_harms_the_loader() {
    holds("modules", 600);
}

#[test]
fn no_file_harms_the_importer() {
    holds("imports", 20_000);
}

#[test]
fn every_target_has_seeds() {
    for name in TARGETS {
        assert!(!lockgate_fuzz::driver::seeds(name).is_empty(), "{name} has no seeds");
    }
}

#[test]
fn every_host_function_is_called_but_the_one_that_ends_the_guest() {
    let calls = HostCalls::new();
    let names: Vec<_> = calls
        .functions()
        .iter()
        .map(|function| function.name.as_str())
        .collect();
    assert!(names.len() > 80, "{names:?}");
    assert!(names.contains(&"proxy_http_call") && names.contains(&"fd_write") && !names.contains(&"proc_exit"));
}
