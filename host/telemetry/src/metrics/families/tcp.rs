//! The families of TCP connections.

use super::{DIRECTION, Family, LISTENER, Label, Value, Values};
use crate::close_reason::CloseReason;

pub(in crate::metrics) const TCP_CONNECTIONS: Family = Family::counter(
    "lockgate_tcp_connections_total",
    &[
        LISTENER,
        Label {
            name: "result",
            values: values!(CloseReason:
                Complete => "Both sides ended their data, and all of it was forwarded.",
                ClientReset => "The client reset the connection.",
                UpstreamReset => "The upstream reset the connection.",
                UpstreamClosed => "The upstream ended its data and accepted no more.",
                UpstreamFailed => "The connection to the upstream failed.",
                UpstreamTimeout => "The connection to the upstream took longer than its `connect_timeout`.",
                NoEndpoint => "The upstream has no endpoint.",
                PluginClosed => "A plugin closed the connection.",
                PluginFailed => "A plugin failed, and its `on_error` is `deny`.",
                BufferLimit => "A plugin buffered more bytes than its `limits.body`.",
                IdleTimeout => "Neither side sent anything within the listener's `limits.idle_timeout`.",
                Drained => "The gateway shut down, and `drain_timeout` passed.",
                TlsHandshakeFailed => "The client's TLS handshake failed or took too long.",
                ConnectionLimit => "The listener had its maximum number of connections.",
            ),
        },
    ],
    "TCP connections that ended, by listener and result.",
);

pub(in crate::metrics) const TCP_BYTES: Family = Family {
    unit: "bytes",
    ..Family::counter(
        "lockgate_tcp_bytes_total",
        &[LISTENER, DIRECTION],
        "Bytes of TCP connections, by listener and direction.",
    )
};
