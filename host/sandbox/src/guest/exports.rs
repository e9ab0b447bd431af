//! The guest's exports as typed functions, looked up once per instance.
//!
//! Their types were checked when the module was compiled.

use std::rc::Rc;

use wasmtime::{Global, Instance, Memory, Module, ModuleExport, Store, TypedFunc, WasmParams, WasmResults};

use crate::module::ImageExports;
use crate::state::State;

/// A header callback. In ABI 0.1.0 it has no `end_of_stream`.
pub(crate) enum HeadersHook {
    Short(TypedFunc<(u32, u32), u32>),
    Full(TypedFunc<(u32, u32, u32), u32>),
}

/// Root context, callout, number of headers, body bytes, number of trailers.
type HttpCallResponse = TypedFunc<(u32, u32, u32, u32, u32), ()>;
/// Root context, call, and a number of entries or bytes, or a status.
type GrpcCallback = TypedFunc<(u32, u32, u32), ()>;
type Notification = TypedFunc<u32, ()>;
type SizedCallback = TypedFunc<(u32, u32), u32>;
type DataCallback = TypedFunc<(u32, u32, u32), u32>;
type CloseCallback = TypedFunc<(u32, u32), ()>;

/// The exports of an instance. An absent callback costs one check of an `Option`.
#[derive(Default)]
pub(crate) struct Exports {
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) vm_start: Option<SizedCallback>,
    pub(crate) configure: Option<SizedCallback>,
    pub(crate) tick: Option<Notification>,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) log: Option<Notification>,
    pub(crate) delete: Option<Notification>,
    pub(crate) request_headers: Option<HeadersHook>,
    pub(crate) request_body: Option<DataCallback>,
    pub(crate) request_trailers: Option<SizedCallback>,
    pub(crate) response_headers: Option<HeadersHook>,
    pub(crate) response_body: Option<DataCallback>,
    pub(crate) response_trailers: Option<SizedCallback>,
    pub(crate) new_connection: Option<TypedFunc<u32, u32>>,
    pub(crate) downstream_data: Option<DataCallback>,
    pub(crate) upstream_data: Option<DataCallback>,
    pub(crate) downstream_close: Option<CloseCallback>,
    pub(crate) upstream_close: Option<CloseCallback>,
    pub(crate) http_call_response: Option<HttpCallResponse>,
    pub(crate) grpc_initial_metadata: Option<GrpcCallback>,
    pub(crate) grpc_receive: Option<GrpcCallback>,
    pub(crate) grpc_trailing_metadata: Option<GrpcCallback>,
    pub(crate) grpc_close: Option<GrpcCallback>,
    pub(crate) queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) foreign_function: Option<TypedFunc<(u32, u32, u32), ()>>,
    pub(crate) initialise: Initialise,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<Rc<TypedFunc<u32, u32>>>,
    /// The address for small results, which need no allocation then.
    pub(crate) scratch: Option<TypedFunc<(), u32>>,
}

/// The initialisation of a guest.
#[derive(Default)]
pub(crate) enum Initialise {
    /// `_initialize`, then `main` if it is exported.
    Reactor(TypedFunc<(), ()>, Option<TypedFunc<(u32, u32), u32>>),
    /// `_start`.
    Command(TypedFunc<(), ()>),
    /// None.
    #[default]
    Nothing,
}

/// The exports of a module: found by name once per plugin, by index in every instance.
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
    "proxy_on_foreign_function",
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

    /// Looks up the exports of a new instance.
    pub(crate) fn exports(&self, instance: &Instance, store: &mut Store<State>) -> Exports {
        let mut lookup = Lookup {
            indices: &self.0,
            instance,
            store,
        };
        let initialise = match (lookup.function("_initialize"), lookup.function("_start")) {
            (Some(initialise), _) => Initialise::Reactor(initialise, lookup.function("main")),
            (None, Some(start)) => Initialise::Command(start),
            (None, None) => Initialise::Nothing,
        };
        Exports {
            context_create: lookup.function("proxy_on_context_create"),
            vm_start: lookup.function("proxy_on_vm_start"),
            configure: lookup.function("proxy_on_configure"),
            tick: lookup.function("proxy_on_tick"),
            done: lookup.function("proxy_on_done"),
            log: lookup.function("proxy_on_log"),
            delete: lookup.function("proxy_on_delete"),
            request_headers: lookup.headers("proxy_on_request_headers"),
            request_body: lookup.function("proxy_on_request_body"),
            request_trailers: lookup.function("proxy_on_request_trailers"),
            response_headers: lookup.headers("proxy_on_response_headers"),
            response_body: lookup.function("proxy_on_response_body"),
            response_trailers: lookup.function("proxy_on_response_trailers"),
            new_connection: lookup.function("proxy_on_new_connection"),
            downstream_data: lookup.function("proxy_on_downstream_data"),
            upstream_data: lookup.function("proxy_on_upstream_data"),
            downstream_close: lookup.function("proxy_on_downstream_connection_close"),
            upstream_close: lookup.function("proxy_on_upstream_connection_close"),
            http_call_response: lookup.function("proxy_on_http_call_response"),
            grpc_initial_metadata: lookup.function("proxy_on_grpc_receive_initial_metadata"),
            grpc_receive: lookup.function("proxy_on_grpc_receive"),
            grpc_trailing_metadata: lookup.function("proxy_on_grpc_receive_trailing_metadata"),
            grpc_close: lookup.function("proxy_on_grpc_close"),
            queue_ready: lookup.function("proxy_on_queue_ready"),
            foreign_function: lookup.function("proxy_on_foreign_function"),
            initialise,
            memory: lookup.memory(),
            allocate: lookup
                .function("proxy_on_memory_allocate")
                .or_else(|| lookup.function("malloc"))
                .map(Rc::new),
            scratch: lookup.function("lockgate_scratch"),
        }
    }
}

/// The reserved exports of a module, by index.
pub(crate) struct ReservedIndices {
    globals: Vec<ModuleExport>,
    start: Option<ModuleExport>,
}

impl ReservedIndices {
    pub(crate) fn of(code: &Module, names: &ImageExports) -> Self {
        let index = |name: &str| code.get_export_index(name);
        Self {
            globals: names.globals.iter().filter_map(|name| index(name)).collect(),
            start: names.start.and_then(index),
        }
    }

    /// The mutable globals of a new instance.
    pub(crate) fn globals(&self, instance: &Instance, store: &mut Store<State>) -> Vec<Global> {
        let global = |index| instance.get_module_export(&mut *store, index)?.into_global();
        self.globals.iter().filter_map(global).collect()
    }

    /// The start function of a new instance.
    pub(crate) fn start(&self, instance: &Instance, store: &mut Store<State>) -> Option<TypedFunc<(), ()>> {
        let start = instance.get_module_export(&mut *store, self.start.as_ref()?)?;
        start.into_func()?.typed(&*store).ok()
    }
}

struct Lookup<'a> {
    indices: &'a [(&'static str, ModuleExport)],
    instance: &'a Instance,
    store: &'a mut Store<State>,
}

impl Lookup<'_> {
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
