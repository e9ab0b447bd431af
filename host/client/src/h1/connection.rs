//! [`H1Connection`]: one HTTP/1.1 connection to a target and the exchanges on it, one after the other.
//!
//! There is no task per connection. Whoever waits for a response or its body polls the connection, so that an exchange
//! costs no wake-up between tasks, and backpressure is simply not polling. An idle connection rests in the pool.

mod uses;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::io::AsyncReadExt;

use super::chunked::{ChunkedDecoder, Decoded};
use super::failure::Failure;
use super::head_reader::HeadReader;
use super::pool::Pool;
use super::request::{H1Request, WriteError};
use super::response_head::{Framing, ParsedHead, RequestKind};
use crate::connect::Connected;
use crate::error::{BodyFailure, ConnectionError};
use crate::head_limits::{HeadError, ResponseHeadLimits};
use crate::interim::Interim;
use crate::pool_settings::KeepAlive;
use crate::resolve::HostRecord;
use crate::socket::Socket;
use crate::target::Target;
use crate::tls::TlsFailure;

/// Room for reading at first, and what an idle connection keeps of it, in bytes.
const MIN_ROOM: usize = 4 * 1024;
/// Room for reading long bodies, in bytes.
const MAX_ROOM: usize = 64 * 1024;
/// Room is made when less than this is left, in bytes.
const MIN_SPARE: usize = 1024;
/// The largest piece of a body that is copied, which leaves the room for reading whole; in bytes.
const MAX_COPIED: usize = 2048;

/// An open connection.
pub(crate) struct H1Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    socket: Socket,
    /// What was read and is not passed on yet.
    incoming: BytesMut,
    room: usize,
    /// The request, until it has been written and the head of its response has come.
    request: Option<Box<H1Request<B>>>,
    /// Nothing more of the request is to be written.
    is_sent: bool,
    /// The head of the response, until it is taken. It would be copied at every return on its way otherwise.
    head: Option<ParsedHead>,
    remaining: Remaining,
    /// The connection ends with this exchange.
    is_last: bool,
    pool: Weak<Pool<Self>>,
    target: Target,
    /// The addresses of the host name that was connected to.
    host: Option<Arc<HostRecord>>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// The settings of its last user.
    pub(crate) keep_alive: KeepAlive,
}

/// What is still to come of a response's body.
enum Remaining {
    Length(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
    /// There is no body: the connection speaks another protocol.
    Tunnel,
}

impl<B> H1Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Speaks HTTP/1.1 on a fresh connection to `target`. At the clean end of an exchange the connection goes to `pool`.
    pub(crate) fn new(connected: Connected, target: Target, keep_alive: KeepAlive, pool: &Rc<Pool<Self>>) -> Box<Self> {
        Box::new(Self {
            socket: connected.socket,
            incoming: BytesMut::new(),
            room: MIN_ROOM,
            request: None,
            is_sent: true,
            head: None,
            remaining: Remaining::Length(0),
            is_last: false,
            pool: Rc::downgrade(pool),
            target,
            host: connected.host,
            peer: connected.peer,
            local: connected.local,
            keep_alive,
        })
    }

    /// Sends the request and waits for the head of its response, which stays here until it is taken.
    pub(crate) fn exchange(
        &mut self,
        request: Box<H1Request<B>>,
        limits: ResponseHeadLimits,
    ) -> impl Future<Output = Result<(), Failure<B>>> {
        let kind = RequestKind {
            is_head: request.is_head,
            asks_for_upgrade: request.upgrade.is_some(),
        };
        let mut reader = HeadReader::new(kind, limits);
        self.request = Some(request);
        self.is_sent = false;
        poll_fn(move |context| self.poll_head(&mut reader, context))
    }

    /// Why the endpoint has ended the connection instead of accepting it, if it has.
    pub(crate) fn refusal(&self) -> Option<&TlsFailure> {
        self.socket.refusal()
    }

    /// The head of the response, after an exchange that succeeded.
    pub(crate) fn take_head(&mut self) -> ParsedHead {
        self.head.take().expect("a successful exchange has brought a head")
    }

    /// Reads first: that a pooled connection has been closed shows before anything is written to it.
    fn poll_head(&mut self, reader: &mut HeadReader, context: &mut Context<'_>) -> Poll<Result<(), Failure<B>>> {
        if let Poll::Ready(outcome) = self.poll_read_head(reader, context) {
            return Poll::Ready(outcome);
        }
        if self.is_sent {
            return Poll::Pending;
        }
        match self.poll_write(context) {
            Poll::Ready(Err(WriteError::Body(error))) => Poll::Ready(Err(Failure::Body(error))),
            Poll::Ready(Err(WriteError::Connection(error))) => Poll::Ready(self.read_last_words(reader, error)),
            // Nothing can have come meanwhile, and the read has registered the waker.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Reads what came before the connection broke: an upstream that refuses an upload answers and closes, and the close undoes the
    /// upload, not the answer.
    fn read_last_words(&mut self, reader: &mut HeadReader, broken: io::Error) -> Result<(), Failure<B>> {
        let has_started = self.request.as_ref().is_some_and(|request| request.has_started());
        while has_started && self.socket.read_now(&mut self.incoming).is_ok_and(|read| read > 0) {
            match self.read_from(reader) {
                Ok(None) => {}
                Ok(Some(head)) => return self.begin_body(head),
                Err(error) => return Err(Failure::Failed(error.into())),
            }
        }
        Err(self.failure(reader, broken.into()))
    }

    fn poll_read_head(&mut self, reader: &mut HeadReader, context: &mut Context<'_>) -> Poll<Result<(), Failure<B>>> {
        loop {
            let read = ready!(self.poll_read(context));
            let outcome = match read {
                Ok(0) => Err(self.ended(reader)),
                // TLS that ended without saying so: no response is cut short.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.ended(reader)),
                Err(error) => Err(self.failure(reader, error.into())),
                Ok(_) if self.request.as_ref().is_some_and(|request| !request.has_started()) => {
                    let reason = "bytes before the request was sent";
                    Err(self.failure(reader, ConnectionError::Malformed(reason)))
                }
                Ok(_) => match self.read_from(reader) {
                    Ok(None) => continue,
                    Ok(Some(head)) => self.begin_body(head),
                    Err(error) => Err(Failure::Failed(error.into())),
                },
            };
            return Poll::Ready(outcome);
        }
    }

    fn read_from(&mut self, reader: &mut HeadReader) -> Result<Option<ParsedHead>, HeadError> {
        let nobody = Interim::default();
        let interim = self.request.as_ref().map_or(&nobody, |request| &request.interim);
        reader.read(&mut self.incoming, interim)
    }

    fn begin_body(&mut self, head: ParsedHead) -> Result<(), Failure<B>> {
        self.is_last |= !head.keeps_alive;
        self.remaining = match head.framing {
            Framing::Length(length) => Remaining::Length(length),
            Framing::Chunked => Remaining::Chunked(ChunkedDecoder::default()),
            Framing::UntilClose => Remaining::UntilClose,
            Framing::Tunnel => {
                self.begin_tunnel(&head)
                    .map_err(|reason| Failure::Failed(ConnectionError::Malformed(reason)))?;
                Remaining::Tunnel
            }
        };
        if self.is_sent {
            self.request = None;
        }
        self.head = Some(head);
        Ok(())
    }

    /// Checks a 101: the connection never goes back to the pool.
    #[cold]
    fn begin_tunnel(&mut self, head: &ParsedHead) -> Result<(), &'static str> {
        self.is_last = true;
        let offer = self.request.as_ref().and_then(|request| request.upgrade.as_ref());
        match offer {
            Some(offer) if self.is_sent => offer.check(&head.headers),
            _ => Err("101 before the request was sent"),
        }
    }

    /// The connection was closed in the place of a response, perhaps before the request had reached the upstream.
    fn ended(&mut self, reader: &HeadReader) -> Failure<B> {
        let error = ConnectionError::Ended;
        match self.request.take_if(|request| match request.only_write() {
            Some(length) => !reader.has_begun() && self.socket.has_refused(length),
            None => false,
        }) {
            Some(request) => Failure::Unread { error, request },
            None => self.failure(reader, error),
        }
    }

    fn failure(&mut self, reader: &HeadReader, error: ConnectionError) -> Failure<B> {
        match self.request.take() {
            Some(request) if !request.has_started() => Failure::Unsent { error, request },
            Some(request) if !reader.has_begun() => Failure::Unanswered { error, request },
            _ => Failure::Failed(error),
        }
    }

    /// Writes what there is of the request. Ready after its last byte, and when the connection takes no more.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        let Some(request) = &mut self.request else {
            return Poll::Ready(Ok(()));
        };
        let outcome = ready!(request.poll_write(&mut self.socket, context));
        self.is_sent = true;
        self.is_last |= outcome.is_err();
        Poll::Ready(outcome)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.incoming.capacity() - self.incoming.len() < MIN_SPARE {
            self.incoming.reserve(self.room);
        }
        let spare = self.incoming.capacity() - self.incoming.len();
        let read = ready!(pin!(self.socket.read_buf(&mut self.incoming)).poll(context))?;
        if read == spare {
            self.room = (self.room * 2).min(MAX_ROOM);
        }
        Poll::Ready(Ok(read))
    }

    /// The next piece of the body, from what has been read already.
    fn next(&mut self) -> Result<Next, ConnectionError> {
        let read = self.incoming.len();
        let length = match &mut self.remaining {
            Remaining::Length(0) | Remaining::Tunnel => return Ok(Next::End),
            _ if read == 0 => return Ok(Next::Read),
            Remaining::Length(left) => {
                let length = read.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                length
            }
            Remaining::UntilClose => read,
            Remaining::Chunked(decoder) => {
                match decoder.next(&mut self.incoming).map_err(ConnectionError::Malformed)? {
                    Decoded::Incomplete => return Ok(Next::Read),
                    Decoded::Data(length) => {
                        decoder.consume(length);
                        length
                    }
                    Decoded::End(trailers) => {
                        self.remaining = Remaining::Length(0);
                        return Ok(trailers.map_or(Next::End, |trailers| Next::Frame(Frame::trailers(trailers))));
                    }
                }
            }
        };
        Ok(Next::Frame(Frame::data(self.take(length))))
    }

    fn take(&mut self, length: usize) -> Bytes {
        if length > MAX_COPIED {
            return self.incoming.split_to(length).freeze();
        }
        let data = Bytes::copy_from_slice(&self.incoming[..length]);
        self.incoming.advance(length);
        data
    }

    /// The whole body, if it has come with the head.
    pub(crate) fn take_whole_body(&mut self) -> Option<Bytes> {
        let Remaining::Length(length) = self.remaining else {
            return None;
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.incoming.len())?;
        self.remaining = Remaining::Length(0);
        Some(self.take(length))
    }
}

/// The outcome of [`H1Connection::next`].
enum Next {
    Frame(Frame<Bytes>),
    End,
    /// More has to be read.
    Read,
}
