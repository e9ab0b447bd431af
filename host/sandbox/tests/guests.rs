//! The sandbox against guests that are written for one promise each, in WebAssembly's text format.
//!
//! Nothing here has a network: the outside is scripted (`stage`), and a test reads as guest, calls, assertion.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod guests {
    pub(crate) mod stage;

    mod bodies;
    mod cache;
    mod callouts;
    mod capabilities;
    mod connections;
    mod editions;
    mod failures;
    mod headers;
    mod isolation;
    mod lifecycle;
    mod limits;
    mod modules;
    mod properties;
    mod sheltering;
    mod shortcuts;
    mod storm;
    mod streams;
    mod surroundings;
    mod wasi;
}
