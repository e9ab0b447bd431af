//! The table of the API: every path, its methods, and what each takes and returns. Dispatch and `docs/admin-api.md` are made of it.

use std::pin::Pin;

use http::Method;
use lockgate_control::{Handle, PluginDetail, PluginsReport, RoutesReport};
use lockgate_telemetry::call_trace::{TraceReport, TraceRule};
use lockgate_telemetry::log_filter::{LogReport, LogRule};
use schemars::{Schema, schema_for};

use crate::api::health::HealthReport;
use crate::api::{Call, health, log, plugins, routes, trace};
use crate::error::ApiError;
use crate::response::ApiResponse;

/// A path with its methods.
pub struct Route {
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Whether it needs no token.
    pub is_open: bool,
    /// Its methods. Where there is GET, HEAD is allowed too.
    pub operations: &'static [Operation],
}

/// A method of a path.
pub struct Operation {
    /// The method.
    pub method: Method,
    /// One sentence.
    pub summary: &'static str,
    /// Parameters of the query.
    pub query: &'static [Parameter],
    /// The schema of its body; none if it takes no body.
    pub body: Option<fn() -> Schema>,
    /// The body of a successful response, which has the status 200.
    pub response: Content,
    /// Errors beside those that every path has.
    pub errors: fn() -> Vec<(ApiError, &'static str)>,
    handler: Handler,
}

/// A parameter of a query.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type, default and meaning, in words.
    pub meaning: &'static str,
}

/// The body of a response.
pub enum Content {
    /// JSON by this schema.
    Json(fn() -> Schema),
    /// Plain text, in words.
    Text(&'static str),
}

type Handler = for<'a> fn(&'a Handle, Call) -> Pin<Box<dyn Future<Output = Result<ApiResponse, ApiError>> + Send + 'a>>;

const NOT_READY: &str = "the gateway starts and has no configuration yet";

/// Every path.
pub static ROUTES: &[Route] = &[
    Route {
        path: "/healthz",
        is_open: true,
        operations: &[Operation {
            method: Method::GET,
            summary: "Liveness: 200 while the process runs.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(HealthReport)),
            errors: Vec::new,
            handler: |_, _| Box::pin(async { health::health() }),
        }],
    },
    Route {
        path: "/readyz",
        is_open: true,
        operations: &[Operation {
            method: Method::GET,
            summary: "Readiness: 200 while the gateway accepts requests and every plugin that denies when it fails has started.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(HealthReport)),
            errors: || {
                let plugin = String::new();
                vec![
                    (ApiError::NotReady, "the gateway starts or drains"),
                    (
                        ApiError::PluginNotStarted { worker: 0, plugin },
                        "a plugin did not start on a worker; the start is tried again",
                    ),
                ]
            },
            handler: |handle, _| Box::pin(async { health::readiness(handle) }),
        }],
    },
    Route {
        path: "/metrics",
        is_open: true,
        operations: &[Operation {
            method: Method::GET,
            summary: "All [metrics](metrics.md).",
            query: &[],
            body: None,
            response: Content::Text("Prometheus' text format, version 0.0.4"),
            errors: Vec::new,
            handler: |handle, _| Box::pin(async { health::metrics(handle) }),
        }],
    },
    Route {
        path: "/api/plugins",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "Every plugin of the configuration and every module file, with state and last error.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(PluginsReport)),
            errors: || vec![(ApiError::NotReady, NOT_READY)],
            handler: |handle, _| Box::pin(plugins::list(handle)),
        }],
    },
    Route {
        path: "/api/routes",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "Every route of the live configuration: its conditions, chain and destination. Values of conditions on headers and \
                      bodies of fixed responses are not shown.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(RoutesReport)),
            errors: || vec![(ApiError::NotReady, NOT_READY)],
            handler: |handle, _| Box::pin(routes::list(handle)),
        }],
    },
    Route {
        path: "/api/plugins/{name}",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "One plugin in detail: time by phase, CPU, host calls, refusals, events, failures, last traps. In the name, `%2F` \
                      stands for a slash and `%3A` for a colon.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(PluginDetail)),
            errors: || {
                vec![
                    (ApiError::NotFound, "no plugin has this name"),
                    (ApiError::NotReady, NOT_READY),
                ]
            },
            handler: |handle, call| Box::pin(plugins::detail(handle, call)),
        }],
    },
    Route {
        path: "/api/plugins/{name}/profile",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "A CPU profile of a plugin. The response comes when the time is over.",
            query: &[Parameter {
                name: "seconds",
                meaning: "duration of the profile, a number from 1 to 60; default 5",
            }],
            body: None,
            response: Content::Text("folded stacks, one per line, for a flame graph"),
            errors: || {
                vec![
                    (ApiError::InvalidQuery(String::new()), "`seconds` is not a number"),
                    (
                        ApiError::NotFound,
                        "no plugin has this name, or another profile of it is running",
                    ),
                    (ApiError::NotReady, NOT_READY),
                ]
            },
            handler: |handle, call| Box::pin(plugins::profile(handle, call)),
        }],
    },
    Route {
        path: "/api/log",
        is_open: false,
        operations: &[
            Operation {
                method: Method::GET,
                summary: "Levels of the [log](operating.md#log).",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(LogReport)),
                errors: Vec::new,
                handler: |_, _| Box::pin(async { log::status() }),
            },
            Operation {
                method: Method::PUT,
                summary: "Sets other levels for a while; those in force are replaced.",
                query: &[],
                body: Some(|| schema_for!(LogRule)),
                response: Content::Json(|| schema_for!(LogReport)),
                errors: || {
                    vec![
                        (
                            ApiError::InvalidBody(String::new()),
                            "the body is not a rule; `detail` has the reason",
                        ),
                        (ApiError::RequestTimeout, "the body did not arrive in 10 seconds"),
                        (ApiError::BodyTooLarge, "the body is larger than 64 KiB"),
                    ]
                },
                handler: |_, call| Box::pin(log::set(call)),
            },
            Operation {
                method: Method::DELETE,
                summary: "Sets the levels of the start.",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(LogReport)),
                errors: Vec::new,
                handler: |_, _| Box::pin(async { log::reset() }),
            },
        ],
    },
    Route {
        path: "/api/trace",
        is_open: false,
        operations: &[
            Operation {
                method: Method::GET,
                summary: "State of the [host call trace](operating.md#tracing-host-calls).",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(TraceReport)),
                errors: Vec::new,
                handler: |handle, _| Box::pin(async { trace::status(handle) }),
            },
            Operation {
                method: Method::PUT,
                summary: "Starts a host call trace; a running one is replaced.",
                query: &[],
                body: Some(|| schema_for!(TraceRule)),
                response: Content::Json(|| schema_for!(TraceReport)),
                errors: || {
                    vec![
                        (
                            ApiError::InvalidBody(String::new()),
                            "the body is not a rule; `detail` has the reason",
                        ),
                        (ApiError::RequestTimeout, "the body did not arrive in 10 seconds"),
                        (ApiError::BodyTooLarge, "the body is larger than 64 KiB"),
                    ]
                },
                handler: |handle, call| Box::pin(trace::start(handle, call)),
            },
            Operation {
                method: Method::DELETE,
                summary: "Stops the host call trace.",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(TraceReport)),
                errors: Vec::new,
                handler: |handle, _| Box::pin(async { trace::stop(handle) }),
            },
        ],
    },
];

impl Route {
    /// The route of a path, and the value of its `{name}`.
    pub(crate) fn find(path: &str) -> Option<(&'static Self, String)> {
        ROUTES.iter().find_map(|route| Some((route, route.matches(path)?)))
    }

    fn matches(&self, path: &str) -> Option<String> {
        let (mut wanted, mut found) = (self.path.split('/'), path.split('/'));
        let mut name = String::new();
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return Some(name),
                (Some("{name}"), Some(value)) => name = value.replace("%2F", "/").replace("%3A", ":"),
                (Some(wanted), Some(found)) if wanted == found => {}
                _ => return None,
            }
        }
    }

    /// The operation of a method.
    pub(crate) fn operation(&self, method: &Method) -> Result<&Operation, ApiError> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let found = self.operations.iter().find(|operation| operation.method == *method);
        found.ok_or_else(|| ApiError::MethodNotAllowed(self.allowed()))
    }

    /// The value of the header `allow`.
    fn allowed(&self) -> String {
        let names = self
            .operations
            .iter()
            .flat_map(|operation| match operation.method.as_str() {
                "GET" => vec!["GET", "HEAD"],
                method => vec![method],
            });
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Operation {
    pub(crate) async fn run(&self, handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
        (self.handler)(handle, call).await
    }
}
