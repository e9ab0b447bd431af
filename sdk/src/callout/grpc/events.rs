//! gRPC events of the host, dispatched to calls and streams. Both register their listener with the first call or
//! stream, so that a module without them does not contain their code.

use std::cell::Cell;

use crate::abi::{Buffer, Map};
use crate::error::{Error, Result};
use crate::host;
use crate::http::headers::{HeaderList, Headers};
use crate::text;

/// An event of a gRPC call or stream. Its data are in the host, and can be read only during the callback.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// Initial metadata have arrived: the number of fields.
    Initial(usize),
    /// A message has arrived: the number of bytes.
    Message(usize),
    /// Trailing metadata have arrived: the number of fields.
    Trailing(usize),
    /// The call or stream has ended with this status.
    Closed(u32),
}

type Listener = Cell<Option<fn(u32, Event)>>;

thread_local! {
    /// The listener for calls.
    pub(super) static CALL_LISTENER: Listener = const { Cell::new(None) };
    /// The listener for streams.
    pub(super) static STREAM_LISTENER: Listener = const { Cell::new(None) };
}

/// Dispatches an event of the call or stream with this id. A listener ignores ids that it does not know.
pub(crate) fn dispatch(id: u32, event: Event) {
    for listener in [CALL_LISTENER.get(), STREAM_LISTENER.get()].into_iter().flatten() {
        listener(id, event);
    }
}

/// The message that has arrived.
pub(super) fn message(size: usize) -> Result<Vec<u8>> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let bytes = host::buffer(Buffer::GrpcMessage, 0, size).map_err(Error::host("proxy_get_buffer_bytes"))?;
    Ok(bytes.unwrap_or_default())
}

/// The metadata that have arrived.
pub(super) fn metadata(map: Map, count: usize) -> Result<HeaderList> {
    match count {
        0 => Ok(HeaderList::default()),
        _ => Headers::of(map).list(),
    }
}

/// The message that belongs to a status; empty if the host has none.
pub(super) fn reason() -> String {
    host::call_status().map_or_else(|_| String::new(), |(_, message)| text::lossy(message))
}
