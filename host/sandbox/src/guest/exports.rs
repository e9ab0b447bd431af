//! The guest's side of the ABI as typed functions, looked up once per instance.
//!
//! Types were checked when the module was compiled, so a look-up finds the function or its absence, never a surprise.

use std::rc::Rc;

use wasmtime::{Instance, Memory, Module, ModuleExport, Store, TypedFunc, WasmParams, WasmResults};

use crate::state::State;

/// A header callback: 0.1.0 has no `end_of_stream`.
pub(crate) enum HeadersHook {
    Short(TypedFunc<(u32, u32), u32>),
    Full(TypedFunc<(u32, u32, u32), u32>),
}

/// Root, call, and the numbers of headers, body bytes and trailers.
type Answered = TypedFunc<(u32, u32, u32, u32, u32), ()>;
/// Root, call, and a number of entries or bytes, or a status.
type OfGrpc = TypedFunc<(u32, u32, u32), ()>;
type Event = TypedFunc<u32, ()>;
type Counted = TypedFunc<(u32, u32), u32>;
type Body = TypedFunc<(u32, u32, u32), u32>;
type Close = TypedFunc<(u32, u32), ()>;

/// The callbacks of an instance. What is absent costs a look at an `Option`.
pub(crate) struct Exports {
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) vm_start: Option<Counted>,
    pub(crate) configure: Option<Counted>,
    pub(crate) tick: Option<Event>,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) log: Option<Event>,
    pub(crate) delete: Option<Event>,
    pub(crate) request_headers: Option<HeadersHook>,
    pub(crate) request_body: Option<Body>,
    pub(crate) request_trailers: Option<Counted>,
    pub(crate) response_headers: Option<HeadersHook>,
    pub(crate) response_body: Option<Body>,
    pub(crate) response_trailers: Option<Counted>,
    pub(crate) new_connection: Option<TypedFunc<u32, u32>>,
    pub(crate) downstream_data: Option<Body>,
    pub(crate) upstream_data: Option<Body>,
    pub(crate) downstream_close: Option<Close>,
    pub(crate) upstream_close: Option<Close>,
    pub(crate) http_call_response: Option<Answered>,
    pub(crate) grpc_initial_metadata: Option<OfGrpc>,
    pub(crate) grpc_receive: Option<OfGrpc>,
    pub(crate) grpc_trailing_metadata: Option<OfGrpc>,
    pub(crate) grpc_close: Option<OfGrpc>,
    pub(crate) queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) initialise: Initialise,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<Rc<TypedFunc<u32, u32>>>,
    /// Where the guest takes small results without having to allocate.
    pub(crate) scratch: Option<TypedFunc<(), u32>>,
}

/// How a guest comes up.
pub(crate) enum Initialise {
    /// `_initialize`, and then `main` if there is one.
    Reactor(TypedFunc<(), ()>, Option<TypedFunc<(u32, u32), u32>>),
    /// `_start`.
    Command(TypedFunc<(), ()>),
    /// Nothing to be called.
    Nothing,
}

/// Where a module keeps its exports: found by name once per plugin, by position for every instance.
pub(crate) struct ExportIndices(Vec<(&'static str, ModuleExport)>);

pub(crate) const NAMES: &[&str] = &[
    "memory",
    "proxy_on_memory_allocate",
    "malloc",
    "lockgate_scratch",
    "_initialize",
    "main",
    "_start",
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_upstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_connection_close",
    "proxy_on_http_call_response",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
    "proxy_on_queue_ready",
];

impl ExportIndices {
    pub(crate) fn of(code: &Module) -> Self {
        Self(
            NAMES
                .iter()
                .filter_map(|&name| Some((name, code.get_export_index(name)?)))
                .collect(),
        )
    }

    /// Looks everything up in a fresh instance.
    pub(crate) fn exports(&self, instance: &Instance, store: &mut Store<State>) -> Exports {
        let mut found = Found {
            indices: &self.0,
            instance,
            store,
        };
        let initialise = match (found.function("_initialize"), found.function("_start")) {
            (Some(initialise), _) => Initialise::Reactor(initialise, found.function("main")),
            (None, Some(start)) => Initialise::Command(start),
            (None, None) => Initialise::Nothing,
        };
        Exports {
            context_create: found.function("proxy_on_context_create"),
            vm_start: found.function("proxy_on_vm_start"),
            configure: found.function("proxy_on_configure"),
            tick: found.function("proxy_on_tick"),
            done: found.function("proxy_on_done"),
            log: found.function("proxy_on_log"),
            delete: found.function("proxy_on_delete"),
            request_headers: found.headers("proxy_on_request_headers"),
            request_body: found.function("proxy_on_request_body"),
            request_trailers: found.function("proxy_on_request_trailers"),
            response_headers: found.headers("proxy_on_response_headers"),
            response_body: found.function("proxy_on_response_body"),
            response_trailers: found.function("proxy_on_response_trailers"),
            new_connection: found.function("proxy_on_new_connection"),
            downstream_data: found.function("proxy_on_downstream_data"),
            upstream_data: found.function("proxy_on_upstream_data"),
            downstream_close: found.function("proxy_on_downstream_connection_close"),
            upstream_close: found.function("proxy_on_upstream_connection_close"),
            http_call_response: found.function("proxy_on_http_call_response"),
            grpc_initial_metadata: found.function("proxy_on_grpc_receive_initial_metadata"),
            grpc_receive: found.function("proxy_on_grpc_receive"),
            grpc_trailing_metadata: found.function("proxy_on_grpc_receive_trailing_metadata"),
            grpc_close: found.function("proxy_on_grpc_close"),
            queue_ready: found.function("proxy_on_queue_ready"),
            initialise,
            memory: found.memory(),
            allocate: found
                .function("proxy_on_memory_allocate")
                .or_else(|| found.function("malloc"))
                .map(Rc::new),
            scratch: found.function("lockgate_scratch"),
        }
    }
}

struct Found<'a> {
    indices: &'a [(&'static str, ModuleExport)],
    instance: &'a Instance,
    store: &'a mut Store<State>,
}

impl Found<'_> {
    fn export(&mut self, name: &str) -> Option<wasmtime::Extern> {
        let (_, index) = self.indices.iter().find(|entry| entry.0 == name)?;
        self.instance.get_module_export(&mut *self.store, index)
    }

    fn function<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> Option<TypedFunc<P, R>> {
        self.export(name)?.into_func()?.typed(&*self.store).ok()
    }

    fn headers(&mut self, name: &str) -> Option<HeadersHook> {
        self.function(name)
            .map(HeadersHook::Full)
            .or_else(|| self.function(name).map(HeadersHook::Short))
    }

    fn memory(&mut self) -> Option<Memory> {
        self.export("memory")?.into_memory()
    }
}
