//! What the sandbox asks of its worker, requests of the plugins' own above all.

pub(crate) mod host;

mod grpc;
mod http;
