//! Header maps as guests see them: pseudo-headers are ordinary entries, names are lower case, writes that would break
//! the framing of a message are refused.
//!
//! Works on exchanges, not on guest memory: decoding and encoding is the host calls' part.

mod checks;
mod filter;
mod find;
mod view;
mod write;

pub(crate) use checks::{HeaderError, path};
pub(crate) use filter::HeaderFilter;
pub(crate) use view::MapView;
pub(crate) use write::{MapMut, callout_head, local_headers, trailers};
