//! [`GrpcStream`]: a bidirectional gRPC stream.
//!
//! Messages are read in the callback that announces them, as they can be read only there, and queued until the plugin
//! receives them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use super::events::{self, Event};
use crate::abi::grpc_status::GrpcStatus;
use crate::abi::pairs;
use crate::abi::{Map, Status};
use crate::callout::Upstream;
use crate::error::{Error, Result};
use crate::host;
use crate::host::id_table::IdTable;
use crate::http::headers::HeaderList;

/// The maximum size of all received messages that the plugin has not read, in bytes.
const MAX_UNREAD: usize = 4 << 20;

impl Upstream {
    /// A stream of a method, like `grpc_stream("routeguide.RouteGuide", "RouteChat")`. The upstream must use HTTP/2.
    pub fn grpc_stream(&self, service: &str, method: &str) -> GrpcOpening {
        GrpcOpening {
            upstream: self.name().to_owned(),
            service: service.to_owned(),
            method: method.to_owned(),
            metadata: Vec::new(),
        }
    }
}

/// A gRPC stream that is not open yet.
#[derive(Debug, Clone)]
#[must_use = "a stream exists once it is opened"]
pub struct GrpcOpening {
    upstream: String,
    service: String,
    method: String,
    metadata: Vec<(String, String)>,
}

impl GrpcOpening {
    /// Adds a field to the initial metadata.
    pub fn metadata(mut self, name: &str, value: impl Into<String>) -> GrpcOpening {
        self.metadata.push((name.to_owned(), value.into()));
        self
    }

    /// Opens the stream. Whether the upstream can be reached shows in [`GrpcStream::recv`].
    ///
    /// # Errors
    /// `PARSE_FAILURE` for an unknown upstream; in Lockgate, `INTERNAL_FAILURE` for one without HTTP/2.
    pub fn open(self) -> Result<GrpcStream> {
        events::STREAM_LISTENER.set(Some(on_event));
        let target = (&*self.upstream, &*self.service, &*self.method);
        let id = host::grpc_stream(target, &pairs::encode(&self.metadata));
        let id = id.map_err(Error::host("proxy_grpc_stream"))?;
        STREAMS.with_borrow_mut(|streams| streams.insert(id, StreamState::default()));
        Ok(GrpcStream {
            id,
            sending: SendState::Open,
            metadata: HeaderList::default(),
            trailers: HeaderList::default(),
            end: None,
        })
    }
}

/// An open gRPC stream. It belongs to the request that opened it, and ends with it. Opened in `on_tick` or
/// [`spawn`](crate::spawn), it belongs to the plugin. Dropping it before its end cancels it.
///
/// It has no timeout of its own: [`timeout`](crate::timeout) around [`GrpcStream::recv`] limits the wait for one
/// message.
#[derive(Debug)]
pub struct GrpcStream {
    id: u32,
    sending: SendState,
    metadata: HeaderList,
    trailers: HeaderList,
    end: Option<Result<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendState {
    Open,
    Ended,
}

impl GrpcStream {
    /// Sends an encoded message.
    ///
    /// # Errors
    /// `NOT_FOUND` after the end of the stream. `BAD_ARGUMENT` after [`GrpcStream::close_send`]; in Lockgate also if
    /// too many bytes wait to be sent.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        self.send_message(message, SendState::Open)
    }

    /// Sends an encoded message, and ends this direction of the stream.
    ///
    /// # Errors
    /// As [`GrpcStream::send`].
    pub fn send_last(&mut self, message: &[u8]) -> Result<()> {
        self.send_message(message, SendState::Ended)
    }

    fn send_message(&mut self, message: &[u8], then: SendState) -> Result<()> {
        let sent = match self.sending {
            _ if has_ended(self.id) => Err(Status::NotFound),
            SendState::Ended => Err(Status::BadArgument),
            SendState::Open => host::grpc_send(self.id, message, then == SendState::Ended),
        };
        sent.map_err(Error::host("proxy_grpc_send"))?;
        self.sending = then;
        Ok(())
    }

    /// Ends this direction of the stream; the upstream may still send. It does nothing if this direction or the stream
    /// has ended already.
    ///
    /// # Errors
    /// [`Error::Host`] if the host fails.
    pub fn close_send(&mut self) -> Result<()> {
        if self.sending == SendState::Open && !has_ended(self.id) {
            host::grpc_close(self.id).map_err(Error::host("proxy_grpc_close"))?;
            self.sending = SendState::Ended;
        }
        Ok(())
    }

    /// Receives the next encoded message; `None` after the stream has ended with the status `OK`. Dropping this future,
    /// as [`timeout`](crate::timeout) does, loses no message. After the end of the stream, each call returns the same
    /// result.
    ///
    /// # Errors
    /// [`Error::Grpc`] if the stream has ended with another status than `OK`, also if the upstream could not be
    /// reached. With more than 4 MiB of messages that were not received by the plugin, the stream ends with
    /// `RESOURCE_EXHAUSTED`.
    pub async fn recv(&mut self) -> Result<Option<Vec<u8>>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>>> {
        loop {
            if let Some(end) = &self.end {
                return Poll::Ready(end.clone().map(|()| None));
            }
            let Some(next) = next(self.id, cx.waker()) else {
                return Poll::Pending;
            };
            match next? {
                Received::Initial(metadata) => self.metadata = metadata,
                Received::Message(message) => return Poll::Ready(Ok(Some(message))),
                Received::Trailing(trailers) => self.trailers = trailers,
                Received::Closed(GrpcStatus::OK, _) => self.end = Some(Ok(())),
                Received::Closed(status, message) => self.end = Some(Err(Error::Grpc { status, message })),
            }
        }
    }

    /// The initial metadata of the upstream; empty until [`GrpcStream::recv`] has returned.
    pub fn metadata(&self) -> &HeaderList {
        &self.metadata
    }

    /// The trailing metadata of the upstream; empty until [`GrpcStream::recv`] has returned the end.
    pub fn trailers(&self) -> &HeaderList {
        &self.trailers
    }
}

impl Drop for GrpcStream {
    fn drop(&mut self) {
        let stream = STREAMS.with_borrow_mut(|streams| streams.remove(self.id));
        // If the host fails here, its stream stays open, and its events are ignored.
        let _ = match stream.map_or(Completion::Cancelled, |stream| stream.completion) {
            Completion::Open => host::grpc_cancel(self.id),
            // Envoy keeps a stream open until both sides have closed it.
            Completion::Ended if self.sending == SendState::Open => host::grpc_close(self.id),
            Completion::Ended | Completion::Cancelled => Ok(()),
        };
    }
}

/// The state of a stream, shared with the host's callbacks.
#[derive(Default)]
struct StreamState {
    waker: Option<Waker>,
    received: VecDeque<Result<Received>>,
    unread: usize,
    completion: Completion,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Completion {
    #[default]
    Open,
    Ended,
    Cancelled,
}

enum Received {
    Initial(HeaderList),
    Message(Vec<u8>),
    Trailing(HeaderList),
    Closed(GrpcStatus, String),
}

thread_local! {
    static STREAMS: RefCell<IdTable<StreamState>> = const { RefCell::new(IdTable::new()) };
}

/// Whether the stream has ended or is unknown.
fn has_ended(id: u32) -> bool {
    STREAMS.with_borrow(|streams| {
        streams
            .find(id)
            .is_none_or(|stream| stream.completion != Completion::Open)
    })
}

/// The next received event; if there is none, the waker is stored.
fn next(id: u32, waker: &Waker) -> Option<Result<Received>> {
    STREAMS.with_borrow_mut(|streams| {
        let stream = streams.find_mut(id)?;
        let next = stream.received.pop_front();
        match &next {
            Some(Ok(Received::Message(message))) => stream.unread -= message.len(),
            Some(_) => {}
            None => stream.waker = Some(waker.clone()),
        }
        next
    })
}

/// Reads the data of an event and wakes the future that waits for it.
fn on_event(id: u32, event: Event) {
    if has_ended(id) {
        return;
    }
    let received = match event {
        Event::Initial(count) => events::metadata(Map::GrpcInitial, count).map(Received::Initial),
        Event::Message(size) => events::message(size).map(Received::Message),
        Event::Trailing(count) => events::metadata(Map::GrpcTrailing, count).map(Received::Trailing),
        Event::Closed(status) => Ok(Received::Closed(GrpcStatus(status), events::reason())),
    };
    STREAMS.with_borrow_mut(|streams| {
        let Some(stream) = streams.find_mut(id) else { return };
        match &received {
            Ok(Received::Message(message)) if stream.unread + message.len() > MAX_UNREAD => {
                return stream.cancel_overflowed(id);
            }
            Ok(Received::Message(message)) => stream.unread += message.len(),
            Ok(Received::Closed(..)) => stream.completion = Completion::Ended,
            _ => {}
        }
        stream.push(received);
    });
}

impl StreamState {
    fn push(&mut self, received: Result<Received>) {
        self.received.push_back(received);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Cancels the stream, as its unread messages exceed the limit. Wakers run no code, so that this host call is made
    /// in the context of the callback.
    fn cancel_overflowed(&mut self, id: u32) {
        let _ = host::grpc_cancel(id);
        self.completion = Completion::Cancelled;
        let message = "too many bytes of messages are unread".to_owned();
        self.push(Ok(Received::Closed(GrpcStatus::RESOURCE_EXHAUSTED, message)));
    }
}

/// Removes all streams, for the next native test of this thread.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn reset() {
    STREAMS.replace(IdTable::new());
}
