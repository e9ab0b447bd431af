//! The harness of the end-to-end tests: it starts the real binary on ephemeral ports, with scripted upstreams and modules, and sends it
//! requests. A test reads as config, request, assertion. Like an operator, the harness sees only the command line, the network, the log
//! and the admin address.

pub mod answers;
pub mod binary;
pub mod certificates;
pub mod config;
pub mod curl;
pub mod endpoint;
pub mod envoy;
pub mod frames;
pub mod gateway;
pub mod grpc;
pub mod grpcio;
pub mod http;
pub mod interference;
pub mod load;
pub mod metrics;
pub mod modules;
pub mod process;
pub mod setup;
pub mod tls_upstream;
pub mod upstream;
pub mod wire;

pub use gateway::Gateway;
pub use grpc::GrpcServer;
pub use http::{get, post, request};
pub use upstream::Upstream;
pub use wire::Wire;
