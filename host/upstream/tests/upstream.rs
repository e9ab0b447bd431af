//! Requests to groups of endpoints, over real sockets: raw TCP peers play the endpoints.

#[path = "upstream/connections.rs"]
mod connections;
#[path = "upstream/failures.rs"]
mod failures;
#[path = "upstream/goaway.rs"]
mod goaway;
#[path = "../../client/tests/client/h2_peer.rs"]
#[allow(
    dead_code,
    reason = "the peer is shared with the tests of host/client, which use all of it"
)]
mod h2_peer;
#[path = "../../client/tests/client/peer.rs"]
#[allow(
    dead_code,
    reason = "the peer is shared with the tests of host/client, which use all of it"
)]
mod peer;
#[path = "upstream/policies.rs"]
mod policies;
#[path = "upstream/request.rs"]
mod request;
#[path = "upstream/size.rs"]
mod size;
