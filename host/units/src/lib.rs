//! Durations and sizes as people write them in gateway.json: `"250ms"`, `"64KiB"`.
//!
//! Every crate that declares a setting uses these two types, so that every duration and size has its unit, and a bare number is an error.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod amount;
mod period;
mod size;

pub use period::{Period, PeriodError};
pub use size::{Size, SizeError};
