//! The client's side of a connection, whatever is spoken on it.

pub(crate) mod connection;
pub(crate) mod lingering_close;
pub(crate) mod peer;
