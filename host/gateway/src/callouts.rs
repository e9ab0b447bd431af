//! The sandbox's host on a worker, with the callouts that plugins make.

pub(crate) mod host;

mod grpc;
mod http;
mod observer;
