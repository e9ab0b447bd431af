//! Header maps as guests see them. Pseudo-headers are ordinary entries, and names are lower case. Writes that would break the
//! framing of a message are refused.

mod checks;
mod filter;
mod find;
mod view;
mod write;

pub(crate) use checks::{HeaderError, path};
pub(crate) use filter::HeaderFilter;
pub(crate) use view::MapView;
pub(crate) use write::{MapMut, callout_head, local_headers, trailers};
