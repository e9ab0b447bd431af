//! The proxy-wasm wire format: statuses, kinds, header-map pairs, property paths.
//!
//! Pure data and codecs, as the specification's pages v0.1.0, v0.2.0 and v0.2.1 define them. Nothing here knows a WebAssembly
//! engine, a socket or a request. Bytes from a guest are untrusted and decoded without panics. Source:
//! <https://github.com/proxy-wasm/spec>.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod kinds;
mod pairs;
mod property;
pub mod protobuf;
mod status;
mod version;

pub use kinds::{Action, BufferType, LogLevel, MapType, MetricKind, PeerType, StreamType, UnknownKind};
pub use pairs::{MAX_PAIRS, Pairs, PairsError, PairsWriter, decode_pairs, encode_pairs, encoded_len};
pub use property::{PropertyPath, PropertyValue};
pub use status::{Accepted, Status};
pub use version::AbiVersion;
