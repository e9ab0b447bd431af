//! Where the gateway answers a module otherwise than Envoy 1.40 does, on purpose. A `*` stands for anything. A line that nothing
//! needs any more fails the test.

/// One deliberate difference.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The cases.
    pub(crate) cases: &'static [&'static str],
    /// The lines.
    pub(crate) keys: &'static [&'static str],
    /// What the gateway answers.
    pub(crate) here: &'static str,
    /// What Envoy answers.
    pub(crate) envoy: &'static str,
    /// Why that is better, or at least no worse.
    #[allow(dead_code, reason = "read by people")]
    pub(crate) why: &'static str,
}

pub(crate) const ALLOWED: &[Difference] = &[
    Difference {
        cases: &["headers.elsewhere", "callout.*"],
        keys: &["guest.*"],
        here: "1*",
        envoy: "2*",
        why: "a map or a body that this phase does not have is NOT_FOUND: the Rust SDK panics on BAD_ARGUMENT",
    },
    Difference {
        cases: &["headers.elsewhere"],
        keys: &["guest.*"],
        here: "(1, 0)",
        envoy: "(2, 0)",
        why: "the same, for the size of a map",
    },
    Difference {
        cases: &["body.elsewhere"],
        keys: &["guest.*"],
        here: "1*",
        envoy: "0 \"\"",
        why: "the same, for a body; to the SDK both are none",
    },
    Difference {
        cases: &["body.elsewhere"],
        keys: &["guest.*"],
        here: "(1, 0)",
        envoy: "(0, 0)",
        why: "the same, for a body's length",
    },
    Difference {
        cases: &["body.elsewhere"],
        keys: &["guest.*.set *"],
        here: "1",
        envoy: "2",
        why: "the same, for writing to it",
    },
    Difference {
        cases: &["body.elsewhere"],
        keys: &["guest.request_headers.bytes of 8", "guest.request_headers.status of 8"],
        here: "*",
        envoy: "*",
        why: "Envoy answers the VM's configuration when asked for the data of a call that there is not",
    },
    Difference {
        cases: &["body.elsewhere", "configuration"],
        keys: &[
            "guest.request_headers.bytes of 7",
            "guest.request_headers.status of 7",
            "guest.request_headers.now",
        ],
        here: "*",
        envoy: "*",
        why: "the plugin's configuration can be read at any time, as the VM's can",
    },
    Difference {
        cases: &["headers.response"],
        keys: &[
            "guest.response_headers.request header",
            "guest.response_headers.the changed request header",
            "guest.response_headers.change a request header",
        ],
        here: "0*",
        envoy: "2*",
        why: "the request's headers stay there in the response phase; Envoy hides them once they have been sent on",
    },
    Difference {
        cases: &["headers.odd_names"],
        keys: &["*"],
        here: "*",
        envoy: "*",
        why: "a map that cannot be decoded is refused and changes nothing; Envoy takes it for an empty one and loses the request's headers",
    },
    Difference {
        cases: &["body.middle"],
        keys: &["*"],
        here: "*",
        envoy: "*",
        why: "a range in the middle of a body can be replaced, as the specification says; Envoy refuses it",
    },
    Difference {
        cases: &["reply.request_body", "reply.request_trailers"],
        keys: &["app.*", "guest.done.request body, bytes and end"],
        here: "*",
        envoy: "*",
        why: "how much of a request has been sent on when a plugin answers it in the middle is a matter of timing",
    },
    Difference {
        cases: &["properties.set"],
        keys: &["guest.*under a path"],
        here: "0 \"along a path\"",
        envoy: "1 \"\"",
        why: "what a plugin sets is readable under the same path, also one of several segments",
    },
    Difference {
        cases: &["properties.request*"],
        keys: &["guest.request_headers.route_name", "guest.request_headers.cluster_name"],
        here: "0 *",
        envoy: "1 *",
        why: "the route is chosen before the chain runs, so its name is known to request headers",
    },
    Difference {
        cases: &["properties.*"],
        keys: &["guest.*.listener_direction"],
        here: "0 8 bytes",
        envoy: "1 nothing",
        why: "Envoy knows the direction under its other name, xds.listener_direction, only; here both answer",
    },
    Difference {
        cases: &["properties.*"],
        keys: &[
            "guest.response_headers.request.id",
            "guest.response_headers.response.backend_latency",
        ],
        here: "0 *",
        envoy: "1 nothing",
        why: "known then, so it is told then",
    },
    Difference {
        cases: &["properties.*"],
        keys: &["guest.*.response.grpc_status"],
        here: "1 nothing",
        envoy: "0 8 bytes",
        why: "an answer that is not gRPC's has no gRPC status; Envoy derives one from the HTTP status",
    },
    Difference {
        cases: &["properties.request*"],
        keys: &[
            "guest.request_headers.connection.requested_server_name",
            "guest.request_headers.request",
            "guest.request_headers.",
        ],
        here: "1 \"\"",
        envoy: "*",
        why: "what is not there, or has no value of its own, is NOT_FOUND; to the SDK all of these are none",
    },
    Difference {
        cases: &["properties.response@dead"],
        keys: &["client.*", "app.*#1", "guest.*"],
        here: "*",
        envoy: "*",
        why: "an upstream that fails is 502 with a problem document, not 503 with text, and a reused connection that died is tried again",
    },
    Difference {
        cases: &["callout.dead", "callout.cut", "callout.timeout"],
        keys: &[
            "guest.callout.headers, body, trailers",
            "guest.callout.get_status",
            "guest.callout.:status",
            "guest.callout.body",
            "guest.callout.a piece of the body",
        ],
        here: "*",
        envoy: "*",
        why: "an upstream that cannot be reached, dies or is too slow gives (0, 0, 0) with a status that tells which; Envoy makes up an answer",
    },
    Difference {
        cases: &["tcp.*"],
        keys: &["guest.*upstream_close"],
        here: "remote",
        envoy: "unknown",
        why: "the upstream has sent its end, so who closed is known; Envoy always says that it is not",
    },
    Difference {
        cases: &["tcp.*"],
        keys: &["guest.*upstream_close"],
        here: "*",
        envoy: "(nothing)",
        why: "a plugin is always told once that the upstream's side is closed; Envoy tells it of a regular end only",
    },
    Difference {
        cases: &["tcp.middle"],
        keys: &["*"],
        here: "*",
        envoy: "*",
        why: "a range in the middle can be replaced, as the specification says; Envoy refuses it",
    },
    Difference {
        cases: &["tcp.buffers"],
        keys: &["guest.*"],
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
        keys: &["*"],
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
    Difference {
        cases: &["tcp.properties"],
        keys: &["guest.* connection.requested_server_name"],
        here: "1",
        envoy: "0 \"\"",
        why: "what has no value of its own is NOT_FOUND; to the SDK both are none",
    },
];
