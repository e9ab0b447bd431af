//! One attempt at one target, against real sockets: raw TCP peers play the endpoint.

#[path = "client/attempt.rs"]
mod attempt;
#[path = "client/bodies.rs"]
mod bodies;
#[path = "client/mistakes.rs"]
mod mistakes;
#[path = "client/peer.rs"]
mod peer;
#[path = "client/pooling.rs"]
mod pooling;
#[path = "client/progress.rs"]
mod progress;
