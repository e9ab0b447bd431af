//! The exchange as a guest sees it: header maps and properties.
//!
//! It works on exchanges, never on guest memory. Decoding arguments and encoding results belongs to the host calls.

pub(crate) mod headers;
pub(crate) mod properties;
