//! Routes: the table that finds a request's route by host, path, method, headers and query, and what a route does beside naming an
//! upstream: redirect, respond by itself, split, mirror, rewrite the path, delay and abort. Pure: no socket, no clock, no upstream.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod candidates;
mod conditions;
mod fault;
mod hosts;
mod matches;
mod mirror;
mod path_change;
mod paths;
mod redirect;
mod respond;
mod sampler;
pub mod settings;
mod split;
mod table;
mod unreachable;

pub use fault::{Abort, Delay};
pub use matches::{HostPattern, Match, PathMatch, RouteIndex, ValueMatch};
pub use mirror::Mirror;
pub use path_change::{ChangedPath, PathChange, RegexChange, TemplateError};
pub use redirect::{Redirect, RequestUrl};
pub use respond::FixedResponse;
pub use sampler::{Sample, Sampler};
pub use split::Split;
pub use table::RouteTable;
pub use unreachable::{Unreachable, unreachable};
