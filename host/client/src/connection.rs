//! [`Connection`]: one HTTP/1.1 connection to an endpoint and the exchanges on it, one after the other.
//!
//! There is no task per connection. Whoever waits for an answer or its body polls the connection along, so that an
//! exchange costs no wake-up between tasks, and backpressure is simply not polling. Idle, it rests in the `pool`.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::io::AsyncReadExt;

use crate::address::Address;
use crate::answer::{Framing, Head};
use crate::chunks::{Chunks, Piece};
use crate::connect::Socket;
use crate::error::{BodyFailure, ConnectionError};
use crate::keep::Keep;
use crate::message::{Fault, Message};
use crate::pool::{Pool, Reusable};
use crate::reading::Reading;

/// Room for reading at first, and what an idle connection keeps of it.
const LEAST_ROOM: usize = 4 * 1024;
/// And while bodies are long.
const MOST_ROOM: usize = 64 * 1024;
/// Room is made when less than this is left.
const LEAST_SPARE: usize = 1024;
/// A piece of a body up to this size is copied, which leaves the room for reading whole.
const SMALL: usize = 2048;

/// An open connection.
pub struct Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    socket: Socket,
    /// What was read and is not handed on.
    incoming: BytesMut,
    room: usize,
    /// The request, until it has been written and its answer's head has come.
    message: Option<Box<Message<B>>>,
    /// Nothing more of the request is to be written.
    is_sent: bool,
    rest: Rest,
    /// After this exchange comes no other.
    is_last: bool,
    pool: Weak<Pool<Self>>,
    address: Address,
    /// The address at its other end.
    pub peer: SocketAddr,
    /// This side's address.
    pub local: SocketAddr,
    /// How its last user wanted it kept.
    pub keep: Keep,
}

/// What is still to come of an answer's body.
enum Rest {
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// Why an exchange brought no answer.
pub enum Failure<B> {
    /// Not one byte of the request was written.
    Unsent {
        /// What the connection saw.
        error: ConnectionError,
        /// The request.
        message: Box<Message<B>>,
    },
    /// The connection ended before a byte of an answer came, and after it took some of the request.
    Unanswered {
        /// What the connection saw.
        error: ConnectionError,
        /// The request.
        message: Box<Message<B>>,
    },
    /// The connection ended within the answer's head, or what came is none.
    Failed(ConnectionError),
    /// The request's body failed.
    Body(BodyFailure),
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Speaks HTTP/1.1 on a fresh connection to `address`. On its clean end the connection goes to `pool`.
    pub fn new(socket: Socket, address: Address, keep: Keep, pool: &Rc<Pool<Self>>) -> io::Result<Box<Self>> {
        let (peer, local) = socket.ends()?;
        Ok(Box::new(Self {
            socket,
            incoming: BytesMut::new(),
            room: LEAST_ROOM,
            message: None,
            is_sent: true,
            rest: Rest::Length(0),
            is_last: false,
            pool: Rc::downgrade(pool),
            address,
            peer,
            local,
            keep,
        }))
    }

    /// Sends the request and waits for the head of its answer.
    pub async fn exchange(&mut self, message: Box<Message<B>>) -> Result<Head, Failure<B>> {
        let bodiless = message.wants_head_only;
        self.message = Some(message);
        self.is_sent = false;
        let mut reading = Reading::new(bodiless);
        let head = poll_fn(|context| self.poll_head(&mut reading, context)).await?;
        self.is_last |= !head.keeps_alive;
        self.rest = match head.framing {
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunked(Chunks::default()),
            Framing::UntilClose => Rest::UntilClose,
        };
        if self.is_sent {
            self.message = None;
        }
        Ok(head)
    }

    /// Reads first: that a kept connection has been closed shows before anything is written to it.
    fn poll_head(&mut self, reading: &mut Reading, context: &mut Context<'_>) -> Poll<Result<Head, Failure<B>>> {
        if let Poll::Ready(outcome) = self.poll_read_head(reading, context) {
            return Poll::Ready(outcome);
        }
        if self.is_sent {
            return Poll::Pending;
        }
        match self.poll_send(context) {
            Poll::Ready(Err(Fault::Body(error))) => Poll::Ready(Err(Failure::Body(error))),
            // What the upstream had to say it may have said before.
            Poll::Ready(Err(Fault::Connection(error))) => match self.poll_read_head(reading, context) {
                Poll::Ready(outcome) => Poll::Ready(outcome),
                Poll::Pending => Poll::Ready(Err(self.failed(reading, error.into()))),
            },
            // Nothing can have come meanwhile, and whoever waits for it has been noted.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_read_head(&mut self, reading: &mut Reading, context: &mut Context<'_>) -> Poll<Result<Head, Failure<B>>> {
        loop {
            let read = ready!(self.poll_read(context));
            let outcome = match read {
                Ok(0) => Err(self.failed(reading, ConnectionError::Ended)),
                Err(error) => Err(self.failed(reading, error.into())),
                Ok(_) if self.message.as_ref().is_some_and(|message| !message.is_touched()) => {
                    let reason = "it speaks before it is asked";
                    Err(self.failed(reading, ConnectionError::Malformed(reason)))
                }
                Ok(_) => match reading.head(&mut self.incoming) {
                    Ok(None) => continue,
                    Ok(Some(head)) => Ok(head),
                    Err(reason) => Err(Failure::Failed(ConnectionError::Malformed(reason))),
                },
            };
            return Poll::Ready(outcome);
        }
    }

    fn failed(&mut self, reading: &Reading, error: ConnectionError) -> Failure<B> {
        match self.message.take() {
            Some(message) if !message.is_touched() => Failure::Unsent { error, message },
            Some(message) if !reading.has_begun() => Failure::Unanswered { error, message },
            _ => Failure::Failed(error),
        }
    }

    /// Moves the request on. After its last byte, or when the connection takes no more, nothing is left to be moved.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Some(message) = &mut self.message else {
            return Poll::Ready(Ok(()));
        };
        let outcome = ready!(message.poll_send(&mut self.socket, context));
        self.is_sent = true;
        self.is_last |= outcome.is_err();
        Poll::Ready(outcome)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.incoming.capacity() - self.incoming.len() < LEAST_SPARE {
            self.incoming.reserve(self.room);
        }
        let spare = self.incoming.capacity() - self.incoming.len();
        let read = ready!(pin!(self.socket.read_buf(&mut self.incoming)).poll(context))?;
        if read == spare {
            self.room = (self.room * 2).min(MOST_ROOM);
        }
        Poll::Ready(Ok(read))
    }

    /// What of the body has been read already.
    fn piece(&mut self) -> Result<Next, ConnectionError> {
        let read = self.incoming.len();
        let length = match &mut self.rest {
            Rest::Length(0) => return Ok(Next::End),
            _ if read == 0 => return Ok(Next::Read),
            Rest::Length(left) => {
                let length = read.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                length
            }
            Rest::UntilClose => read,
            Rest::Chunked(chunks) => match chunks.next(&mut self.incoming).map_err(ConnectionError::Malformed)? {
                Piece::Nothing => return Ok(Next::Read),
                Piece::Data(length) => {
                    chunks.took(length);
                    length
                }
                Piece::End(trailers) => {
                    self.rest = Rest::Length(0);
                    return Ok(trailers.map_or(Next::End, |trailers| Next::Frame(Frame::trailers(trailers))));
                }
            },
        };
        Ok(Next::Frame(Frame::data(self.take(length))))
    }

    fn take(&mut self, length: usize) -> Bytes {
        if length > SMALL {
            return self.incoming.split_to(length).freeze();
        }
        let piece = Bytes::copy_from_slice(&self.incoming[..length]);
        self.incoming.advance(length);
        piece
    }

    /// The whole body, if it has come with the head.
    pub fn whole(&mut self) -> Option<Bytes> {
        let Rest::Length(length) = self.rest else { return None };
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.incoming.len())?;
        self.rest = Rest::Length(0);
        Some(self.take(length))
    }
}

/// What [`Connection::piece`] comes to.
enum Next {
    Frame(Frame<Bytes>),
    End,
    /// More has to be read.
    Read,
}

impl<B> Reusable for Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn address(&self) -> &Address {
        &self.address
    }

    fn keep(&self) -> Keep {
        self.keep
    }

    /// Whatever an idle connection has to say, it is of no use any more.
    fn is_idle(&mut self) -> bool {
        self.poll_read(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

/// A connection as the body of a response holds it, whatever the type of the request's body was.
pub trait Held {
    /// The next piece of the answer's body. What is left of the request is moved on as well.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>>;
    /// How much of the body is still to come, if that is known.
    fn remaining(&self) -> Option<u64>;
    /// The exchange is over: back to the pool, if the connection can be used again.
    fn give_back(self: Box<Self>);
}

impl<B> Held for Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        if !self.is_sent
            && let Poll::Ready(Err(Fault::Body(error))) = self.poll_send(context)
        {
            return Poll::Ready(Some(Err(ConnectionError::RequestBody(error))));
        }
        loop {
            match self.piece()? {
                Next::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                Next::End => return Poll::Ready(None),
                Next::Read => {}
            }
            match ready!(self.poll_read(context))? {
                0 if matches!(self.rest, Rest::UntilClose) => self.rest = Rest::Length(0),
                0 => return Poll::Ready(Some(Err(ConnectionError::Ended))),
                _ => {}
            }
        }
    }

    fn remaining(&self) -> Option<u64> {
        match self.rest {
            Rest::Length(left) => Some(left),
            Rest::Chunked(_) | Rest::UntilClose => None,
        }
    }

    fn give_back(mut self: Box<Self>) {
        // The request's body may still be on its way, and what came unasked must not become the next answer.
        if !self.is_sent || self.is_last || !self.incoming.is_empty() {
            return;
        }
        if let Some(pool) = self.pool.upgrade() {
            self.message = None;
            if self.incoming.capacity() > 2 * LEAST_ROOM {
                self.incoming = BytesMut::new();
                self.room = LEAST_ROOM;
            }
            pool.put(self);
        }
    }
}
