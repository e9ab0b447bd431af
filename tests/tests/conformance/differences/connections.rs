//! The cases of TCP connections.

use super::Difference;

pub(super) const ALLOWED: &[Difference] = &[
    Difference {
        cases: &["tcp.*"],
        keys: &["guest.*upstream_close"],
        here: "remote",
        envoy: "unknown",
        why: "the upstream has sent its end, so who closed is known; Envoy always says that it is not",
    },
    Difference {
        cases: &[
            "tcp.watch_client_reset",
            "tcp.watch_upstream_reset",
            "tcp.tick_close*",
            "tcp.call_close",
            "tcp.close_*",
        ],
        keys: &["guest.*upstream_close"],
        here: "*",
        envoy: "(nothing)",
        why: "a plugin is always told once that the upstream's side is closed; Envoy tells it of a regular end only",
    },
    Difference {
        cases: &["tcp.middle"],
        keys: &["upstream.received", "guest.set"],
        here: "*",
        envoy: "*",
        why: "a range in the middle can be replaced, as the specification says; Envoy refuses it",
    },
    Difference {
        cases: &["tcp.buffers"],
        keys: &["guest.*read ? *", "guest.*length ?*"],
        here: "1*",
        envoy: "0*",
        why: "bytes that this phase does not have are NOT_FOUND, as bodies are; to the SDK both are none",
    },
    Difference {
        cases: &["tcp.buffers"],
        keys: &["guest.set*"],
        here: "* 1",
        envoy: "* 2",
        why: "the same, for writing to them",
    },
    Difference {
        cases: &["tcp.tick_resume_upstream"],
        keys: &["guest.tick", "guest.upstream_data#1"],
        here: "*",
        envoy: "*",
        why: "a plugin can let go what it holds of the upstream's bytes at any time; Envoy has no such call (UNIMPLEMENTED)",
    },
    Difference {
        cases: &["tcp.absent"],
        keys: &["guest.header of map *"],
        here: "1",
        envoy: "2",
        why: "a map that a connection does not have is NOT_FOUND: the Rust SDK panics on BAD_ARGUMENT",
    },
    Difference {
        cases: &["tcp.properties"],
        keys: &[
            "guest.* listener_direction",
            "guest.* node.id",
            "guest.* cluster_name",
            "guest.* request.duration",
        ],
        here: "0 *",
        envoy: "1",
        why: "known then, so it is told then, under the documented name",
    },
];
