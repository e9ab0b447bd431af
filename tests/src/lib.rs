//! The harness of the end-to-end tests: it starts the real binary on ephemeral ports, gives it scripted upstreams and modules,
//! and speaks to it. A test reads as config, request, assertion. Nothing here knows the gateway's insides: it sees the
//! command line, the wire, the log and the admin address, as an operator does.

pub mod answers;
pub mod binary;
pub mod certificates;
pub mod config;
pub mod curl;
pub mod envoy;
pub mod gateway;
pub mod grpc;
pub mod grpcio;
pub mod http;
pub mod interference;
pub mod load;
pub mod metrics;
pub mod modules;
pub mod setup;
pub mod upstream;
pub mod wire;

pub use gateway::Gateway;
pub use grpc::GrpcServer;
pub use http::{get, post, request};
pub use upstream::Upstream;
pub use wire::Wire;
