//! Durations and sizes as people write them in gateway.json: `"250ms"`, `"64KiB"`.
//!
//! Every crate that declares a knob uses these two types, so that a bare number is an error everywhere and
//! the unit always stands beside it. This crate is not a general unit library: two types, nothing else.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod amount;
mod period;
mod size;

pub use period::{Period, PeriodError};
pub use size::{Size, SizeError};
