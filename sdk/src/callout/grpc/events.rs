//! What the host tells of gRPC, on its way to who waits. Calls and streams say what is to be done as soon as there is one: a
//! module without them does not carry it.

use std::cell::Cell;

use crate::abi::{Buffer, Map};
use crate::error::{Error, Result};
use crate::host;
use crate::http::headers::{HeaderList, Headers};
use crate::text;

/// What has happened. What comes with it lies in the host, and can be read only now.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// So many fields of metadata have come, before any message.
    Initial(usize),
    /// A message of so many bytes has come.
    Message(usize),
    /// So many fields of metadata have come, behind all messages.
    Trailing(usize),
    /// It is over, with this status.
    Closed(u32),
}

type Listener = Cell<Option<fn(u32, Event)>>;

thread_local! {
    /// What calls do with their events.
    pub(super) static CALL_LISTENER: Listener = const { Cell::new(None) };
    /// What streams do with theirs.
    pub(super) static STREAM_LISTENER: Listener = const { Cell::new(None) };
}

/// Something has happened on the call or stream of this number. Nobody listens for a number that is not theirs.
pub(crate) fn dispatch(id: u32, event: Event) {
    for listener in [CALL_LISTENER.get(), STREAM_LISTENER.get()].into_iter().flatten() {
        listener(id, event);
    }
}

/// The message that has come.
pub(super) fn message(size: usize) -> Result<Vec<u8>> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let bytes = host::buffer(Buffer::GrpcMessage, 0, size).map_err(Error::host("proxy_get_buffer_bytes"))?;
    Ok(bytes.unwrap_or_default())
}

/// The metadata that have come.
pub(super) fn metadata(map: Map, count: usize) -> Result<HeaderList> {
    match count {
        0 => Ok(HeaderList::default()),
        _ => Headers::of(map).list(),
    }
}

/// What the host has to say about an end. Without its words the status says enough.
pub(super) fn reason() -> String {
    host::call_status().map_or_else(|_| String::new(), |(_, message)| text::lossy(message))
}
