//! The host of native builds: the same functions as `ffi`, on the data of this thread. With it, plugins link and can be
//! tested without wasm; `testing` is its interface. It simulates no limits and no other plugins.

mod callouts;
pub(crate) mod kv;
mod metrics;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

pub(crate) use callouts::{
    CallKind, SentCallout, StreamAction, call_status, grpc_call, grpc_cancel, grpc_close, grpc_send, grpc_stream,
    http_call,
};

pub(crate) use metrics::{define_metric, increment_metric, metric, record_metric};

use crate::abi::{Buffer, Direction, LogLevel, Map, MetricKind, Status};

/// The implementation of a foreign function in a test.
pub(crate) type Foreign = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Status>>;

/// A header map.
pub(crate) type Pairs = Vec<(String, Vec<u8>)>;

/// A local response that the plugin has sent.
#[derive(Debug, Clone)]
pub(crate) struct LocalResponse {
    pub(crate) status: u32,
    pub(crate) details: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The state of one direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct DirectionState {
    /// The chunks of the body that the plugin has not seen yet; the last one ends the stream.
    pub(crate) incoming: VecDeque<Vec<u8>>,
    /// Whether the plugin holds the headers.
    pub(crate) headers_held: bool,
    /// Whether the plugin holds the body.
    pub(crate) body_held: bool,
    /// Whether the plugin has resumed the stream.
    pub(crate) resumed: bool,
    /// The number of bytes that the plugin was shown.
    pub(crate) received_bytes: usize,
    /// The bytes that were forwarded.
    pub(crate) forwarded_bytes: Vec<u8>,
    /// Whether the plugin has seen the end of the stream.
    pub(crate) ended: bool,
}

/// The state of one context.
#[derive(Debug, Default)]
pub(crate) struct ContextState {
    pub(crate) maps: BTreeMap<u32, Pairs>,
    pub(crate) buffers: BTreeMap<u32, Vec<u8>>,
    pub(crate) properties: BTreeMap<String, Vec<u8>>,
    pub(crate) local_response: Option<LocalResponse>,
    pub(crate) directions: [DirectionState; 2],
    pub(crate) is_deleted: bool,
    /// Whether the plugin has closed the connection.
    pub(crate) closed: bool,
}

/// All state of the host.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) log: Vec<(LogLevel, String)>,
    pub(crate) contexts: BTreeMap<u32, ContextState>,
    pub(crate) effective: u32,
    pub(crate) shared: BTreeMap<String, (Vec<u8>, u32)>,
    pub(crate) metrics: Vec<(MetricKind, String, u64)>,
    pub(crate) queues: Vec<(String, VecDeque<Vec<u8>>)>,
    pub(crate) foreign: BTreeMap<String, Foreign>,
    pub(crate) callouts: Vec<SentCallout>,
    /// The headers and the body of the callout's response that is being delivered.
    pub(crate) callout_response: (Pairs, Vec<u8>),
    /// The status of that callout, and its message.
    pub(crate) call_status: (u32, Vec<u8>),
    pub(crate) configuration: Vec<u8>,
    pub(crate) tick: u32,
    pub(crate) nanoseconds: u64,
    pub(crate) next_tick: u64,
    pub(crate) random: u64,
    /// The host calls that fail, by their names in the ABI, each with its status.
    pub(crate) faults: BTreeMap<&'static str, Status>,
    /// Whether the plugin has called `proxy_done`.
    pub(crate) is_done: bool,
    pub(crate) kv: kv::Values,
}

impl Memory {
    /// The state of the effective context.
    pub(crate) fn current(&mut self) -> &mut ContextState {
        self.contexts.entry(self.effective).or_default()
    }

    fn map(&mut self, map: Map) -> Option<&mut Pairs> {
        match map {
            Map::CallHeaders | Map::GrpcInitial | Map::GrpcTrailing => Some(&mut self.callout_response.0),
            Map::CallTrailers => None,
            other => self.current().maps.get_mut(&(other as u32)),
        }
    }

    fn bytes(&mut self, kind: Buffer) -> Option<&mut Vec<u8>> {
        match kind {
            Buffer::CallBody | Buffer::GrpcMessage => Some(&mut self.callout_response.1),
            Buffer::Configuration => Some(&mut self.configuration),
            other => self.current().buffers.get_mut(&(other as u32)),
        }
    }
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Reads or changes the state of the host. Calls must not be nested.
pub(crate) fn with<T>(look: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with_borrow_mut(look)
}

/// One host call: it fails if a fault is set for it.
fn call<T>(name: &str, run: impl FnOnce(&mut Memory) -> Result<T, Status>) -> Result<T, Status> {
    with(|memory| match memory.faults.get(name) {
        Some(status) => Err(*status),
        None => run(memory),
    })
}

/// As [`call`]; `NOT_FOUND` is `None`.
fn find<T>(name: &str, run: impl FnOnce(&mut Memory) -> Option<T>) -> Result<Option<T>, Status> {
    match call(name, |memory| Ok(run(memory))) {
        Err(Status::NotFound) => Ok(None),
        result => result,
    }
}

/// Decodes a header map from the plugin.
///
/// # Errors
/// Malformed bytes show an error in the SDK itself.
fn owned_pairs(bytes: &[u8]) -> Result<Vec<(String, String)>, Status> {
    let pairs = crate::abi::pairs::decode(bytes).ok_or(Status::ParseFailure)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect())
}

pub(crate) fn log(level: LogLevel, message: &str) {
    // An error is ignored, as there is nowhere to log it.
    let _ = call("proxy_log", |memory| {
        memory.log.push((level, message.to_owned()));
        Ok(())
    });
}

pub(crate) fn log_level() -> Result<u32, Status> {
    call("proxy_get_log_level", |_| Ok(0))
}

pub(crate) fn time_nanoseconds() -> Result<u64, Status> {
    call("proxy_get_current_time_nanoseconds", |memory| Ok(memory.nanoseconds))
}

pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), Status> {
    call("proxy_set_tick_period_milliseconds", |memory| {
        memory.tick = milliseconds;
        memory.next_tick = memory.nanoseconds + u64::from(milliseconds) * 1_000_000;
        Ok(())
    })
}

pub(crate) fn buffer(kind: Buffer, start: usize, max: usize) -> Result<Option<Vec<u8>>, Status> {
    find("proxy_get_buffer_bytes", |memory| {
        let bytes = memory.bytes(kind)?;
        let rest = bytes.get(start..).unwrap_or_default();
        Some(rest[..rest.len().min(max)].to_vec())
    })
}

pub(crate) fn set_buffer(kind: Buffer, start: usize, size: usize, bytes: &[u8]) -> Result<(), Status> {
    call("proxy_set_buffer_bytes", |memory| {
        let body = memory.bytes(kind).ok_or(Status::NotFound)?;
        let start = start.min(body.len());
        let end = start.saturating_add(size).min(body.len());
        body.splice(start..end, bytes.iter().copied());
        Ok(())
    })
}

pub(crate) fn headers(map: Map) -> Result<Option<Vec<u8>>, Status> {
    find("proxy_get_header_map_pairs", |memory| {
        memory.map(map).map(|map| crate::abi::pairs::encode(map))
    })
}

pub(crate) fn set_headers(map: Map, pairs: &[u8]) -> Result<(), Status> {
    call("proxy_set_header_map_pairs", |memory| {
        let pairs = owned_pairs(pairs)?;
        *memory.map(map).ok_or(Status::BadArgument)? = pairs
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes()))
            .collect();
        Ok(())
    })
}

pub(crate) fn header(map: Map, name: &str) -> Result<Option<Vec<u8>>, Status> {
    find("proxy_get_header_map_value", |memory| {
        let map = memory.map(map)?;
        map.iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    })
}

pub(crate) fn add_header(map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
    call("proxy_add_header_map_value", |memory| {
        let map = memory.map(map).ok_or(Status::BadArgument)?;
        map.push((name.to_ascii_lowercase(), value.to_vec()));
        Ok(())
    })
}

pub(crate) fn set_header(map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
    call("proxy_replace_header_map_value", |memory| {
        let map = memory.map(map).ok_or(Status::BadArgument)?;
        map.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        map.push((name.to_ascii_lowercase(), value.to_vec()));
        Ok(())
    })
}

pub(crate) fn remove_header(map: Map, name: &str) -> Result<(), Status> {
    call("proxy_remove_header_map_value", |memory| {
        let map = memory.map(map).ok_or(Status::BadArgument)?;
        map.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        Ok(())
    })
}

pub(crate) fn continue_stream(direction: Direction) -> Result<(), Status> {
    call("proxy_continue_stream", |memory| {
        memory.current().directions[direction as usize & 1].resumed = true;
        Ok(())
    })
}

pub(crate) fn close_stream(_direction: Direction) -> Result<(), Status> {
    call("proxy_close_stream", |memory| {
        memory.current().closed = true;
        Ok(())
    })
}

pub(crate) fn send_local_response(
    status: u32,
    details: &str,
    headers: &[u8],
    body: &[u8],
    _grpc_status: i32,
) -> Result<(), Status> {
    call("proxy_send_local_response", |memory| {
        let headers = owned_pairs(headers)?;
        memory.current().local_response.get_or_insert(LocalResponse {
            status,
            details: details.to_owned(),
            headers,
            body: body.to_vec(),
        });
        Ok(())
    })
}

pub(crate) fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, Status> {
    find("proxy_get_shared_data", |memory| memory.shared.get(key).cloned())
}

pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
    call("proxy_set_shared_data", |memory| {
        let known = memory.shared.get(key).map(|(_, cas)| *cas);
        if known.is_some_and(|known| cas != 0 && cas != known) {
            return Err(Status::CasMismatch);
        }
        let version = known.unwrap_or(0) + 1;
        memory.shared.insert(key.to_owned(), (value.to_vec(), version));
        Ok(())
    })
}

pub(crate) fn property(path: &str) -> Result<Option<Vec<u8>>, Status> {
    find("proxy_get_property", |memory| {
        memory.current().properties.get(path).cloned()
    })
}

pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), Status> {
    call("proxy_set_property", |memory| {
        memory.current().properties.insert(path.to_owned(), value.to_vec());
        Ok(())
    })
}

pub(crate) fn call_foreign_function(name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
    let fault = with(|memory| memory.faults.get("proxy_call_foreign_function").copied());
    if let Some(status) = fault {
        return Err(status);
    }
    if name == "lockgate.kv" && with(|memory| !memory.foreign.contains_key(name)) {
        return with(|memory| kv::call(memory, argument));
    }
    // It is removed from the table while it runs, so that it can read the state of the host.
    let mut function = with(|memory| memory.foreign.remove(name)).ok_or(Status::NotFound)?;
    let response = function(argument);
    with(|memory| memory.foreign.insert(name.to_owned(), function));
    response
}

pub(crate) fn set_effective_context(id: u32) -> Result<(), Status> {
    call("proxy_set_effective_context", |memory| {
        if !memory.contexts.contains_key(&id) {
            return Err(Status::BadArgument);
        }
        memory.effective = id;
        Ok(())
    })
}

pub(crate) fn done() -> Result<(), Status> {
    call("proxy_done", |memory| {
        memory.is_done = true;
        Ok(())
    })
}

pub(crate) fn register_queue(name: &str) -> Result<u32, Status> {
    call("proxy_register_shared_queue", |memory| {
        if let Some(known) = memory.queues.iter().position(|(other, _)| other == name) {
            return Ok(known as u32);
        }
        memory.queues.push((name.to_owned(), VecDeque::new()));
        Ok(memory.queues.len() as u32 - 1)
    })
}

pub(crate) fn resolve_queue(_vm: &str, name: &str) -> Result<u32, Status> {
    call("proxy_resolve_shared_queue", |memory| {
        let known = memory.queues.iter().position(|(other, _)| other == name);
        known.map(|id| id as u32).ok_or(Status::NotFound)
    })
}

pub(crate) fn enqueue(id: u32, message: &[u8]) -> Result<(), Status> {
    call("proxy_enqueue_shared_queue", |memory| {
        let (_, queue) = memory.queues.get_mut(id as usize).ok_or(Status::NotFound)?;
        queue.push_back(message.to_vec());
        Ok(())
    })
}

pub(crate) fn dequeue(id: u32) -> Result<Vec<u8>, Status> {
    call("proxy_dequeue_shared_queue", |memory| {
        let (_, queue) = memory.queues.get_mut(id as usize).ok_or(Status::NotFound)?;
        queue.pop_front().ok_or(Status::Empty)
    })
}

/// The same numbers in each test: a linear congruential generator, mixed. The tests of the crate use it, too.
pub(crate) fn random() -> Result<u64, Status> {
    call("random_get", |memory| {
        memory.random = memory.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Ok(memory.random ^ memory.random >> 29)
    })
}
