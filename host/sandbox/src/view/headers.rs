//! Header maps as guests see them. Pseudo-headers are ordinary entries, and names are lower case. Writes that would break the
//! framing of a message are refused, and writes of fields that the framing decides have no effect.

mod checks;
mod filter;
mod find;
mod outgoing;
mod view;
mod write;

pub(crate) use checks::HeaderError;
pub(crate) use filter::HeaderFilter;
pub(crate) use outgoing::{FieldError, callout_head, grpc_authority, grpc_path, trailers};
pub(crate) use view::MapView;
pub(crate) use write::{MapMut, local_headers};
