//! Where the bytes of a body come from, and why they end early. What plugins make of them on the way is `chain::filter`'s.

pub(crate) mod error;
pub(crate) mod source;
pub(crate) mod stream;
pub(crate) mod writer;
