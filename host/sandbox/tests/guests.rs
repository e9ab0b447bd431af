//! The sandbox against guests in WebAssembly's text format. Each guest is written for one promise.
//!
//! The host is `lockgate_sandbox::testing::MemoryHost`. A test reads as guest, calls, assertion.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod guests {
    pub(crate) mod test_vm;

    mod abi_versions;
    mod arbitrary_arguments;
    mod bodies;
    mod cache;
    mod callouts;
    mod capabilities;
    mod connections;
    mod containment;
    mod failures;
    mod headers;
    mod hidden_headers;
    mod host_services;
    mod host_work;
    mod images;
    mod isolation;
    mod lifecycle;
    mod limits;
    mod memory;
    mod modules;
    mod optimisations;
    mod properties;
    mod refused;
    mod starts;
    mod streams;
    mod wasi;
}
