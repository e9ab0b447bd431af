//! [`GrpcStream`]: as many messages each way as both sides like.
//!
//! What comes is read in the callback that tells of it, as it can be read only there, and kept until the plugin asks.

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

/// So many bytes of messages may have come that nobody has asked for.
const MAX_UNREAD: usize = 4 << 20;

impl Upstream {
    /// A stream of a method, like `grpc_stream("routeguide.RouteGuide", "RouteChat")`. The upstream speaks HTTP/2.
    pub fn grpc_stream(&self, service: &str, method: &str) -> GrpcOpening {
        GrpcOpening {
            upstream: self.name().to_owned(),
            service: service.to_owned(),
            method: method.to_owned(),
            metadata: Vec::new(),
        }
    }
}

/// A gRPC stream that is to be opened.
#[derive(Debug, Clone)]
#[must_use = "a stream is there when it is opened"]
pub struct GrpcOpening {
    upstream: String,
    service: String,
    method: String,
    metadata: Vec<(String, String)>,
}

impl GrpcOpening {
    /// Adds a field of the initial metadata.
    pub fn metadata(mut self, name: &str, value: impl Into<String>) -> GrpcOpening {
        self.metadata.push((name.to_owned(), value.into()));
        self
    }

    /// Opens the stream. Whether the upstream can be reached shows when it is read.
    ///
    /// # Errors
    /// `PARSE_FAILURE` for an upstream that does not exist, in Lockgate `INTERNAL_FAILURE` for one that does not speak HTTP/2.
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

/// An open gRPC stream. It belongs to the request (or, opened by `on_tick` or [`spawn`](crate::spawn), to the plugin) that has
/// opened it, and ends with it. Dropping it before its end cancels it.
///
/// It has no time limit of its own: [`timeout`](crate::timeout) around [`GrpcStream::recv`] bounds the wait for one message.
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
    /// Sends a message, encoded.
    ///
    /// # Errors
    /// `NOT_FOUND` once the stream is over, `BAD_ARGUMENT` once this side of it is, and in Lockgate also when too much waits to
    /// be sent.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        self.send_message(message, SendState::Open)
    }

    /// Sends a message and then nothing more.
    ///
    /// # Errors
    /// As [`GrpcStream::send`].
    pub fn send_last(&mut self, message: &[u8]) -> Result<()> {
        self.send_message(message, SendState::Ended)
    }

    fn send_message(&mut self, message: &[u8], then: SendState) -> Result<()> {
        let sent = match self.sending {
            _ if is_over(self.id) => Err(Status::NotFound),
            SendState::Ended => Err(Status::BadArgument),
            SendState::Open => host::grpc_send(self.id, message, then == SendState::Ended),
        };
        sent.map_err(Error::host("proxy_grpc_send"))?;
        self.sending = then;
        Ok(())
    }

    /// Says that nothing more will be sent; the other side may go on. Nothing happens where that is said already, or where the
    /// stream is over.
    ///
    /// # Errors
    /// What the host answers.
    pub fn close_send(&mut self) -> Result<()> {
        if self.sending == SendState::Open && !is_over(self.id) {
            host::grpc_close(self.id).map_err(Error::host("proxy_grpc_close"))?;
            self.sending = SendState::Ended;
        }
        Ok(())
    }

    /// The next message, encoded; `None` when the stream has ended well. Giving up the wait, as by [`timeout`](crate::timeout),
    /// loses no message.
    ///
    /// # Errors
    /// [`Error::Grpc`] when it has ended with another status than `OK`, also where the upstream could not be reached. So it ends
    /// (`RESOURCE_EXHAUSTED`) when messages of more than 4 MiB have come that were not asked for. After its end it says the same
    /// again.
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

    /// The initial metadata that the upstream has sent; empty until [`GrpcStream::recv`] has yielded something.
    pub fn metadata(&self) -> &HeaderList {
        &self.metadata
    }

    /// The trailing metadata; empty until [`GrpcStream::recv`] has told the end.
    pub fn trailers(&self) -> &HeaderList {
        &self.trailers
    }
}

impl Drop for GrpcStream {
    fn drop(&mut self) {
        let stream = STREAMS.with_borrow_mut(|streams| streams.remove(self.id));
        // A host that fails here keeps a stream that nobody listens to.
        let _ = match stream.map_or(Completion::Cancelled, |stream| stream.completion) {
            Completion::Open => host::grpc_cancel(self.id),
            // Envoy keeps a stream until both sides have closed it.
            Completion::Ended if self.sending == SendState::Open => host::grpc_close(self.id),
            Completion::Ended | Completion::Cancelled => Ok(()),
        };
    }
}

/// What has come of one stream.
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

/// Whether nothing more comes of it.
fn is_over(id: u32) -> bool {
    STREAMS.with_borrow(|streams| {
        streams
            .find(id)
            .is_none_or(|stream| stream.completion != Completion::Open)
    })
}

/// The next thing that has come, or somebody waits for it.
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

/// Reads what the host tells of a stream and wakes who waits.
fn on_event(id: u32, event: Event) {
    if is_over(id) {
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

    /// More has come than is kept. The waker runs nothing, so that calling the host here is calling it from the callback.
    fn cancel_overflowed(&mut self, id: u32) {
        let _ = host::grpc_cancel(id);
        self.completion = Completion::Cancelled;
        let message = "too much has come that was not read".to_owned();
        self.push(Ok(Received::Closed(GrpcStatus::RESOURCE_EXHAUSTED, message)));
    }
}

/// In native tests: a new gateway starts with no streams.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn reset() {
    STREAMS.replace(IdTable::new());
}
