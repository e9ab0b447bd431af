//! A connection as its pool and the reader of a body use it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::{H1Connection, MIN_ROOM, Next, Remaining};
use crate::body::BodySource;
use crate::error::{BodyFailure, ConnectionError};
use crate::h1::pool::Pooled;
use crate::h1::request::WriteError;
use crate::pool_settings::KeepAlive;
use crate::resolve::HostRecord;
use crate::target::Target;
use crate::upgrade::Tunnel;

impl<B> Pooled for H1Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn target(&self) -> &Target {
        &self.target
    }

    fn keep_alive(&self) -> KeepAlive {
        self.keep_alive
    }

    /// Whatever comes on an idle connection, the connection is of no use any more.
    fn is_idle(&mut self) -> bool {
        !self.socket.is_outdated() && self.poll_read(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    fn is_usable(&mut self) -> bool {
        let is_current = |host: &Arc<HostRecord>| host.contains(self.peer.ip());
        self.host.as_ref().is_none_or(is_current) && self.socket.is_silent()
    }
}

impl<B> BodySource for H1Connection<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        if !self.is_sent
            && let Poll::Ready(Err(WriteError::Body(error))) = self.poll_write(context)
        {
            return Poll::Ready(Some(Err(ConnectionError::RequestBody(error))));
        }
        loop {
            match self.next()? {
                Next::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                Next::End => return Poll::Ready(None),
                Next::Read => {}
            }
            match ready!(self.poll_read(context))? {
                0 if matches!(self.remaining, Remaining::UntilClose) => self.remaining = Remaining::Length(0),
                0 => return Poll::Ready(Some(Err(ConnectionError::Ended))),
                _ => {}
            }
        }
    }

    fn remaining(&self) -> Option<u64> {
        match self.remaining {
            Remaining::Length(left) => Some(left),
            Remaining::Tunnel => Some(0),
            Remaining::Chunked(_) | Remaining::UntilClose => None,
        }
    }

    fn into_tunnel(self: Box<Self>) -> Option<Tunnel> {
        matches!(self.remaining, Remaining::Tunnel).then(|| Tunnel {
            socket: self.socket,
            received: self.incoming.freeze(),
            lease: None,
        })
    }

    fn release(mut self: Box<Self>) {
        // The request's body may not be sent yet, and surplus bytes must not become the next response.
        if !self.is_sent || self.is_last || !self.incoming.is_empty() {
            return;
        }
        if let Some(pool) = self.pool.upgrade() {
            self.request = None;
            if self.incoming.capacity() > 2 * MIN_ROOM {
                self.incoming = BytesMut::new();
                self.room = MIN_ROOM;
            }
            pool.put(self);
        }
    }
}
