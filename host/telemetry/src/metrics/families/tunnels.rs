//! The families of tunnels behind responses with status 101.

use super::{DIRECTION, Family, LISTENER, ROUTE};

pub(in crate::metrics) const TUNNELS: Family = Family::gauge(
    "lockgate_tunnels",
    &[LISTENER, ROUTE],
    "Open tunnels, such as WebSockets, by listener and route.",
);

pub(in crate::metrics) const TUNNELS_TOTAL: Family = Family::counter(
    "lockgate_tunnels_total",
    &[LISTENER, ROUTE],
    "Tunnels since the start, by listener and route.",
);

pub(in crate::metrics) const TUNNEL_BYTES: Family = Family {
    unit: "bytes",
    ..Family::counter(
        "lockgate_tunnel_bytes_total",
        &[LISTENER, ROUTE, DIRECTION],
        "Bytes in tunnels, by listener, route and direction.",
    )
};
