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
        cases: &["headers.elsewhere"],
        keys: &["guest.*"],
        here: "1*",
        envoy: "2*",
        why: "a map that this phase does not have is NOT_FOUND: the Rust SDK panics on BAD_ARGUMENT",
    },
    Difference {
        cases: &["headers.elsewhere"],
        keys: &["guest.*"],
        here: "(1, 0)",
        envoy: "(2, 0)",
        why: "the same, for the size of a map",
    },
    Difference {
        cases: &["callout.*"],
        keys: &["guest.callout.trailer"],
        here: "1 \"\"",
        envoy: "2 \"\"",
        why: "the same, for the trailers of an answer that has none",
    },
    Difference {
        cases: &["headers.response"],
        keys: &[
            "guest.response_headers.request header",
            "guest.response_headers.the changed request header",
        ],
        here: "*",
        envoy: "2 \"\"",
        why: "the request's headers stay readable in the response phase; Envoy hides them once they have been sent on",
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
        cases: &["properties.set"],
        keys: &["guest.*under a path"],
        here: "0 \"along a path\"",
        envoy: "1 \"\"",
        why: "what a plugin sets is readable under the same path, also one of several segments",
    },
    Difference {
        cases: &["properties.*"],
        keys: &["guest.request_headers.route_name", "guest.request_headers.cluster_name"],
        here: "0 *",
        envoy: "1 *",
        why: "the route is chosen before the chain runs, so its name is known to request headers",
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
];
