//! The client against real sockets: raw TCP peers play the upstream.

#[path = "upstream/failures.rs"]
mod failures;
#[path = "upstream/peer.rs"]
mod peer;
#[path = "upstream/pooling.rs"]
mod pooling;
#[path = "upstream/size.rs"]
mod size;
