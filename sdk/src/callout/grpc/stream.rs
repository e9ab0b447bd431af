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
use crate::host::id_table::Table;
use crate::http::headers::HeaderList;

/// So many bytes of messages may have come that nobody has asked for.
const UNREAD: usize = 4 << 20;

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
        events::OF_STREAMS.set(Some(note));
        let target = (&*self.upstream, &*self.service, &*self.method);
        let id = host::grpc_stream(target, &pairs::encode(&self.metadata));
        let id = id.map_err(Error::host("proxy_grpc_stream"))?;
        LINES.with_borrow_mut(|lines| lines.insert(id, Line::default()));
        Ok(GrpcStream {
            id,
            sending: Sending::Open,
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
    sending: Sending,
    metadata: HeaderList,
    trailers: HeaderList,
    end: Option<Result<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
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
        self.say(message, Sending::Open)
    }

    /// Sends a message and then nothing more.
    ///
    /// # Errors
    /// As [`GrpcStream::send`].
    pub fn send_last(&mut self, message: &[u8]) -> Result<()> {
        self.say(message, Sending::Ended)
    }

    fn say(&mut self, message: &[u8], then: Sending) -> Result<()> {
        let sent = match self.sending {
            _ if is_over(self.id) => Err(Status::NotFound),
            Sending::Ended => Err(Status::BadArgument),
            Sending::Open => host::grpc_send(self.id, message, then == Sending::Ended),
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
        if self.sending == Sending::Open && !is_over(self.id) {
            host::grpc_close(self.id).map_err(Error::host("proxy_grpc_close"))?;
            self.sending = Sending::Ended;
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
                Heard::Initial(metadata) => self.metadata = metadata,
                Heard::Message(message) => return Poll::Ready(Ok(Some(message))),
                Heard::Trailing(trailers) => self.trailers = trailers,
                Heard::Closed(GrpcStatus::OK, _) => self.end = Some(Ok(())),
                Heard::Closed(status, message) => self.end = Some(Err(Error::Grpc { status, message })),
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
        let line = LINES.with_borrow_mut(|lines| lines.remove(self.id));
        // A host that fails here keeps a stream that nobody listens to.
        let _ = match line.map_or(Over::Cancelled, |line| line.over) {
            Over::No => host::grpc_cancel(self.id),
            // Envoy keeps a stream until both sides have closed it.
            Over::Ended if self.sending == Sending::Open => host::grpc_close(self.id),
            Over::Ended | Over::Cancelled => Ok(()),
        };
    }
}

/// What has come of one stream.
#[derive(Default)]
struct Line {
    waker: Option<Waker>,
    heard: VecDeque<Result<Heard>>,
    unread: usize,
    over: Over,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Over {
    #[default]
    No,
    Ended,
    Cancelled,
}

enum Heard {
    Initial(HeaderList),
    Message(Vec<u8>),
    Trailing(HeaderList),
    Closed(GrpcStatus, String),
}

thread_local! {
    static LINES: RefCell<Table<Line>> = const { RefCell::new(Table::new()) };
}

/// Whether nothing more comes of it.
fn is_over(id: u32) -> bool {
    LINES.with_borrow(|lines| lines.find(id).is_none_or(|line| line.over != Over::No))
}

/// The next thing that has come, or somebody waits for it.
fn next(id: u32, waker: &Waker) -> Option<Result<Heard>> {
    LINES.with_borrow_mut(|lines| {
        let line = lines.find_mut(id)?;
        let next = line.heard.pop_front();
        match &next {
            Some(Ok(Heard::Message(message))) => line.unread -= message.len(),
            Some(_) => {}
            None => line.waker = Some(waker.clone()),
        }
        next
    })
}

/// Reads what the host tells of a stream and wakes who waits.
fn note(id: u32, event: Event) {
    if is_over(id) {
        return;
    }
    let heard = match event {
        Event::Initial(count) => events::metadata(Map::GrpcInitial, count).map(Heard::Initial),
        Event::Message(size) => events::message(size).map(Heard::Message),
        Event::Trailing(count) => events::metadata(Map::GrpcTrailing, count).map(Heard::Trailing),
        Event::Closed(status) => Ok(Heard::Closed(GrpcStatus(status), events::reason())),
    };
    LINES.with_borrow_mut(|lines| {
        let Some(line) = lines.find_mut(id) else { return };
        match &heard {
            Ok(Heard::Message(message)) if line.unread + message.len() > UNREAD => return line.give_up(id),
            Ok(Heard::Message(message)) => line.unread += message.len(),
            Ok(Heard::Closed(..)) => line.over = Over::Ended,
            _ => {}
        }
        line.tell(heard);
    });
}

impl Line {
    fn tell(&mut self, heard: Result<Heard>) {
        self.heard.push_back(heard);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// More has come than is kept. The waker runs nothing, so that calling the host here is calling it from the callback.
    fn give_up(&mut self, id: u32) {
        let _ = host::grpc_cancel(id);
        self.over = Over::Cancelled;
        let message = "too much has come that was not read".to_owned();
        self.tell(Ok(Heard::Closed(GrpcStatus::RESOURCE_EXHAUSTED, message)));
    }
}

/// In native tests: a new gateway starts with no streams.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn reset() {
    LINES.replace(Table::new());
}
