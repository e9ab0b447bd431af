//! The route table: it finds a request's route by host, path, method, headers and query. What a route leads to is unknown here.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod candidates;
mod conditions;
mod hosts;
mod matches;
mod paths;
mod table;
mod unreachable;

pub use matches::{HostPattern, Match, PathMatch, RouteIndex, ValueMatch};
pub use table::RouteTable;
pub use unreachable::{Unreachable, unreachable};
