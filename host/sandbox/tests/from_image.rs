//! The tests of `guests.rs` that do not depend on a start in the VM itself, with every VM begun from the image of a trial.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(dead_code, reason = "some helpers are for the other tests")]

mod guests {
    pub(crate) mod test_vm;

    mod abi_versions;
    mod bodies;
    mod callouts;
    mod capabilities;
    mod connections;
    mod containment;
    mod failures;
    mod headers;
    mod limits;
    mod properties;
    mod streams;
}
