//! The hooks: their names, their parameters, the functions of the hidden trait `Hooks` that call them, and the exports
//! of the module that they need.

use crate::members::{Function, Parameter};

/// A hook of a plugin.
pub(crate) struct Hook {
    pub(crate) name: &'static str,
    pub(crate) interface: &'static str,
    /// The parameters after `self`, in order; any may be omitted.
    pub(crate) takes: &'static [Parameter],
    pub(crate) may_wait: bool,
    /// The function of `Hooks` that calls it, and that function's parameters after the guest.
    pub(crate) glue: &'static str,
    pub(crate) glue_takes: &'static str,
    /// The direction of the stream that it belongs to.
    pub(crate) direction: &'static str,
}

use Parameter::{Body, Chunk, Peer, Queue, Request, Response, State};

const HTTP: &str = "Plugin";
const TCP: &str = "TcpPlugin";

pub(crate) const HOOKS: [Hook; 15] = [
    hook(
        HTTP,
        "on_request",
        &[Request, Body, State],
        "request_headers",
        "id: u32, end: bool",
        "Request",
    )
    .waiting(),
    hook(
        HTTP,
        "on_request_body",
        &[Chunk, State],
        "request_chunk",
        "id: u32, size: usize, end: bool",
        "Request",
    ),
    hook(
        HTTP,
        "on_request_trailers",
        &[Request, State],
        "request_trailers",
        "id: u32",
        "Request",
    ),
    hook(
        HTTP,
        "on_response",
        &[Response, Body, State],
        "response_headers",
        "id: u32, end: bool",
        "Response",
    )
    .waiting(),
    hook(
        HTTP,
        "on_response_body",
        &[Chunk, State],
        "response_chunk",
        "id: u32, size: usize, end: bool",
        "Response",
    ),
    hook(
        HTTP,
        "on_response_trailers",
        &[Response, State],
        "response_trailers",
        "id: u32",
        "Response",
    ),
    hook(
        HTTP,
        "on_log",
        &[Request, Response, State],
        "log",
        "id: u32",
        "Response",
    ),
    hook(HTTP, "on_tick", &[], "tick", "id: u32", "Request").waiting(),
    hook(HTTP, "on_done", &[], "done", "id: u32", "Request").waiting(),
    hook(HTTP, "on_queue", &[Queue], "queue", "id: u32, queue: u32", "Request"),
    hook(TCP, "on_connect", &[State], "connected", "id: u32", "Downstream"),
    hook(
        TCP,
        "on_downstream_data",
        &[Chunk, State],
        "downstream_data",
        "id: u32, size: usize, end: bool",
        "Downstream",
    ),
    hook(
        TCP,
        "on_upstream_data",
        &[Chunk, State],
        "upstream_data",
        "id: u32, size: usize, end: bool",
        "Upstream",
    ),
    hook(
        TCP,
        "on_downstream_close",
        &[Peer, State],
        "downstream_closed",
        "id: u32, peer: u32",
        "Downstream",
    ),
    hook(
        TCP,
        "on_upstream_close",
        &[Peer, State],
        "upstream_closed",
        "id: u32, peer: u32",
        "Upstream",
    ),
];

const fn hook(
    interface: &'static str,
    name: &'static str,
    takes: &'static [Parameter],
    glue: &'static str,
    glue_takes: &'static str,
    direction: &'static str,
) -> Hook {
    Hook {
        name,
        interface,
        takes,
        may_wait: false,
        glue,
        glue_takes,
        direction,
    }
}

impl Hook {
    const fn waiting(mut self) -> Hook {
        self.may_wait = true;
        self
    }

    /// The hook of this name.
    pub(crate) fn find(interface: &str, name: &str) -> Option<&'static Hook> {
        HOOKS.iter().find(|hook| {
            hook.name == name && (hook.interface == interface || matches!(name, "on_tick" | "on_queue" | "on_done"))
        })
    }

    /// The names of all hooks of an interface, for a message.
    pub(crate) fn names(interface: &str) -> String {
        let known = HOOKS.iter().filter(|hook| hook.interface == interface);
        known.map(|hook| hook.name).collect::<Vec<_>>().join(", ")
    }
}

/// An export of the module.
pub(crate) struct Export {
    pub(crate) signature: &'static str,
    pub(crate) call: &'static str,
    needed_by: fn(&Written<'_>) -> bool,
}

/// The hooks that the plugin implements.
pub(crate) struct Written<'a>(pub(crate) Vec<&'a Function>);

impl Written<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|function| function.name == name)
    }

    fn reads_body(&self, name: &str) -> bool {
        let reads = |function: &&Function| function.name == name && function.parameters.contains(&Body);
        self.0.iter().any(reads)
    }

    pub(crate) fn ends(&self) -> bool {
        self.has("on_done")
    }

    pub(crate) fn takes_state(&self) -> bool {
        self.0.iter().any(|function| function.parameters.contains(&State))
    }

    pub(crate) fn waits(&self) -> bool {
        self.0.iter().any(|function| function.is_async)
    }
}

/// All exports. A module has those that its hooks need.
pub(crate) const EXPORTS: [Export; 24] = [
    export(
        "proxy_on_context_create(id: u32, parent: u32)",
        "guest.create(id, parent)",
        |_| true,
    ),
    export(
        "proxy_on_configure(id: u32, size: usize) -> u32",
        "guest.configure(id, size) as u32",
        |_| true,
    ),
    export("proxy_on_delete(id: u32)", "guest.delete(id)", |_| true),
    export(
        "proxy_on_request_headers(id: u32, _headers: usize, end: u32) -> u32",
        "P::request_headers(guest, id, end != 0)",
        |hooks| hooks.has("on_request"),
    ),
    export(
        "proxy_on_request_body(id: u32, size: usize, end: u32) -> u32",
        "guest.request_body(id, size, end != 0)",
        |hooks| hooks.has("on_request_body") || hooks.reads_body("on_request"),
    ),
    export(
        "proxy_on_request_trailers(id: u32, _trailers: usize) -> u32",
        "guest.request_trailers(id)",
        |hooks| hooks.has("on_request_trailers") || hooks.reads_body("on_request"),
    ),
    export(
        "proxy_on_response_headers(id: u32, _headers: usize, end: u32) -> u32",
        "guest.response_headers(id, end != 0)",
        |hooks| hooks.has("on_response"),
    ),
    export(
        "proxy_on_response_body(id: u32, size: usize, end: u32) -> u32",
        "guest.response_body(id, size, end != 0)",
        |hooks| hooks.has("on_response_body") || hooks.reads_body("on_response"),
    ),
    export(
        "proxy_on_response_trailers(id: u32, _trailers: usize) -> u32",
        "guest.response_trailers(id)",
        |hooks| hooks.has("on_response_trailers") || hooks.reads_body("on_response"),
    ),
    export("proxy_on_log(id: u32)", "guest.log(id)", |hooks| hooks.has("on_log")),
    export("proxy_on_tick(id: u32)", "guest.tick(id)", |hooks| {
        hooks.has("on_tick") || hooks.waits()
    }),
    export("proxy_on_done(id: u32) -> u32", "guest.done(id)", |hooks| {
        hooks.has("on_done")
    }),
    export(
        "proxy_on_foreign_function(id: u32, function: u32, _size: usize)",
        "guest.on_foreign_function(id, function)",
        |hooks| hooks.waits(),
    ),
    export(
        "proxy_on_queue_ready(id: u32, queue: u32)",
        "P::queue(guest, id, queue)",
        |hooks| hooks.has("on_queue"),
    ),
    export(
        "proxy_on_http_call_response(id: u32, call: u32, headers: usize, body: usize, trailers: usize)",
        "guest.on_http_call_response(id, call, headers, body, trailers)",
        |hooks| hooks.waits(),
    ),
    export(
        "proxy_on_grpc_receive_initial_metadata(id: u32, call: u32, fields: usize)",
        "guest.on_grpc(id, call, ::lockgate_sdk::guest::GrpcEvent::Initial(fields))",
        |hooks| hooks.waits(),
    ),
    export(
        "proxy_on_grpc_receive(id: u32, call: u32, size: usize)",
        "guest.on_grpc(id, call, ::lockgate_sdk::guest::GrpcEvent::Message(size))",
        |hooks| hooks.waits(),
    ),
    export(
        "proxy_on_grpc_receive_trailing_metadata(id: u32, call: u32, fields: usize)",
        "guest.on_grpc(id, call, ::lockgate_sdk::guest::GrpcEvent::Trailing(fields))",
        |hooks| hooks.waits(),
    ),
    export(
        "proxy_on_grpc_close(id: u32, call: u32, status: u32)",
        "guest.on_grpc(id, call, ::lockgate_sdk::guest::GrpcEvent::Closed(status))",
        |hooks| hooks.waits(),
    ),
    export(
        "proxy_on_new_connection(id: u32) -> u32",
        "P::connected(guest, id)",
        |hooks| hooks.has("on_connect"),
    ),
    export(
        "proxy_on_downstream_data(id: u32, size: usize, end: u32) -> u32",
        "P::downstream_data(guest, id, size, end != 0)",
        |hooks| hooks.has("on_downstream_data"),
    ),
    export(
        "proxy_on_upstream_data(id: u32, size: usize, end: u32) -> u32",
        "P::upstream_data(guest, id, size, end != 0)",
        |hooks| hooks.has("on_upstream_data"),
    ),
    export(
        "proxy_on_downstream_connection_close(id: u32, peer: u32)",
        "P::downstream_closed(guest, id, peer)",
        |hooks| hooks.has("on_downstream_close"),
    ),
    export(
        "proxy_on_upstream_connection_close(id: u32, peer: u32)",
        "P::upstream_closed(guest, id, peer)",
        |hooks| hooks.has("on_upstream_close"),
    ),
];

const fn export(signature: &'static str, call: &'static str, needed_by: fn(&Written<'_>) -> bool) -> Export {
    Export {
        signature,
        call,
        needed_by,
    }
}

impl Export {
    pub(crate) fn is_needed(&self, hooks: &Written<'_>) -> bool {
        (self.needed_by)(hooks)
    }
}
