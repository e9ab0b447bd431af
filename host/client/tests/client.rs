//! One attempt at one target, against real sockets: raw TCP peers play the endpoint.

#[path = "client/attempt.rs"]
mod attempt;
#[path = "client/bodies.rs"]
mod bodies;
#[path = "client/h2_peer.rs"]
mod h2_peer;
#[path = "client/http2.rs"]
mod http2;
#[path = "client/mistakes.rs"]
mod mistakes;
#[path = "client/peer.rs"]
mod peer;
#[path = "client/pooling.rs"]
mod pooling;
#[path = "client/progress.rs"]
mod progress;
#[path = "client/reuse.rs"]
mod reuse;
#[path = "client/upgrades.rs"]
mod upgrades;
