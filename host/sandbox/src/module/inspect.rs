//! The exports of a module: ABI version, callbacks, types.
//!
//! They are read once, when the module is compiled. An absent callback costs nothing later.

use lockgate_abi::AbiVersion;
use wasmtime::{ExternType, FuncType, ValType};

use crate::report::LoadError;

/// The callbacks that a module exports. The chain skips a plugin in phases for which it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `proxy_on_request_headers`.
    pub request_headers: bool,
    /// `proxy_on_request_body`.
    pub request_body: bool,
    /// `proxy_on_request_trailers`.
    pub request_trailers: bool,
    /// `proxy_on_response_headers`.
    pub response_headers: bool,
    /// `proxy_on_response_body`.
    pub response_body: bool,
    /// `proxy_on_response_trailers`.
    pub response_trailers: bool,
    /// `proxy_on_new_connection`.
    pub new_connection: bool,
    /// `proxy_on_downstream_data`.
    pub downstream_data: bool,
    /// `proxy_on_upstream_data`.
    pub upstream_data: bool,
    /// `proxy_on_downstream_connection_close`.
    pub downstream_close: bool,
    /// `proxy_on_upstream_connection_close`.
    pub upstream_close: bool,
    /// `proxy_on_done` or `proxy_on_log`.
    pub finish: bool,
    /// `proxy_on_delete`, called for streams.
    pub delete: bool,
}

impl Hooks {
    /// Whether there is a callback for requests and responses.
    #[must_use]
    pub fn speaks_http(&self) -> bool {
        self.request_headers
            || self.request_body
            || self.request_trailers
            || self.response_headers
            || self.response_body
            || self.response_trailers
    }

    /// Whether there is a callback for TCP connections.
    #[must_use]
    pub fn speaks_tcp(&self) -> bool {
        self.new_connection
            || self.downstream_data
            || self.upstream_data
            || self.downstream_close
            || self.upstream_close
    }
}

/// The result of [`inspect`].
pub(crate) struct ModuleInfo {
    pub(crate) abi: AbiVersion,
    pub(crate) hooks: Hooks,
    /// Initial linear memory, in bytes.
    pub(crate) initial_memory: u64,
}

/// Exports of the ABI: name, number of `i32` parameters, whether it returns an `i32`.
const SIGNATURES: &[(&str, usize, bool)] = &[
    ("_initialize", 0, false),
    ("_start", 0, false),
    ("main", 2, true),
    ("proxy_on_memory_allocate", 1, true),
    ("malloc", 1, true),
    ("lockgate_scratch", 0, true),
    ("proxy_on_context_create", 2, false),
    ("proxy_on_vm_start", 2, true),
    ("proxy_on_configure", 2, true),
    ("proxy_on_tick", 1, false),
    ("proxy_on_done", 1, true),
    ("proxy_on_log", 1, false),
    ("proxy_on_delete", 1, false),
    ("proxy_on_request_headers", 3, true),
    ("proxy_on_request_body", 3, true),
    ("proxy_on_request_trailers", 2, true),
    ("proxy_on_response_headers", 3, true),
    ("proxy_on_response_body", 3, true),
    ("proxy_on_response_trailers", 2, true),
    ("proxy_on_new_connection", 1, true),
    ("proxy_on_downstream_data", 3, true),
    ("proxy_on_upstream_data", 3, true),
    ("proxy_on_downstream_connection_close", 2, false),
    ("proxy_on_upstream_connection_close", 2, false),
    ("proxy_on_http_call_response", 5, false),
    ("proxy_on_grpc_receive_initial_metadata", 3, false),
    ("proxy_on_grpc_receive", 3, false),
    ("proxy_on_grpc_receive_trailing_metadata", 3, false),
    ("proxy_on_grpc_close", 3, false),
    ("proxy_on_queue_ready", 2, false),
    ("proxy_on_foreign_function", 3, false),
];

/// Reads a module's exports.
///
/// # Errors
/// [`LoadError::NoAbiVersion`] and [`LoadError::Signatures`].
pub(crate) fn inspect(module: &wasmtime::Module) -> Result<ModuleInfo, LoadError> {
    let abi = abi_version(module)?;
    let mut wrong = Vec::new();
    for &(name, params, returns) in SIGNATURES {
        let params = expected_params(abi, name, params);
        match module.get_export(name) {
            None => {}
            Some(ExternType::Func(found)) if fits(&found, params, returns) => {}
            Some(found) => wrong.push(mismatch(name, params, returns, &found)),
        }
    }
    let initial_memory = match module.get_export("memory") {
        Some(ExternType::Memory(memory)) => memory.minimum().saturating_mul(memory.page_size()),
        _ => {
            wrong.push("no memory named \"memory\"".to_owned());
            0
        }
    };
    if !wrong.is_empty() {
        return Err(LoadError::Signatures(wrong));
    }
    Ok(ModuleInfo {
        abi,
        hooks: hooks(module),
        initial_memory,
    })
}

fn abi_version(module: &wasmtime::Module) -> Result<AbiVersion, LoadError> {
    let found = AbiVersion::ALL
        .into_iter()
        .find(|version| module.get_export_index(version.export()).is_some());
    found.ok_or_else(|| {
        let unknown = module
            .exports()
            .map(|export| export.name())
            .filter(|name| name.starts_with("proxy_abi_version_"));
        LoadError::NoAbiVersion {
            exports: unknown.take(4).map(str::to_owned).collect(),
        }
    })
}

/// In ABI 0.1.0, header callbacks have no `end_of_stream`.
fn expected_params(abi: AbiVersion, name: &str, params: usize) -> usize {
    let short = abi == AbiVersion::V0_1_0 && name.ends_with("_headers");
    if short { params - 1 } else { params }
}

fn fits(found: &FuncType, params: usize, returns: bool) -> bool {
    found.params().len() == params
        && found.results().len() == usize::from(returns)
        && found
            .params()
            .chain(found.results())
            .all(|kind| matches!(kind, ValType::I32))
}

fn mismatch(name: &str, params: usize, returns: bool, found: &ExternType) -> String {
    let result = if returns { " -> i32" } else { "" };
    let found = match found {
        ExternType::Func(func) => {
            let list = |kinds: Vec<ValType>| kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let results = list(func.results().collect());
            let arrow = if results.is_empty() { "" } else { " -> " };
            format!("({}){arrow}{results}", list(func.params().collect()))
        }
        _ => "something other than a function".to_owned(),
    };
    format!(
        "{name} as {found} instead of ({}){result}",
        vec!["i32"; params].join(", ")
    )
}

fn hooks(module: &wasmtime::Module) -> Hooks {
    let has = |name| module.get_export_index(name).is_some();
    Hooks {
        request_headers: has("proxy_on_request_headers"),
        request_body: has("proxy_on_request_body"),
        request_trailers: has("proxy_on_request_trailers"),
        response_headers: has("proxy_on_response_headers"),
        response_body: has("proxy_on_response_body"),
        response_trailers: has("proxy_on_response_trailers"),
        new_connection: has("proxy_on_new_connection"),
        downstream_data: has("proxy_on_downstream_data"),
        upstream_data: has("proxy_on_upstream_data"),
        downstream_close: has("proxy_on_downstream_connection_close"),
        upstream_close: has("proxy_on_upstream_connection_close"),
        finish: has("proxy_on_done") || has("proxy_on_log"),
        delete: has("proxy_on_delete"),
    }
}
