//! Bytes between two sockets, in both directions at once: read, through the plugins, written; half-closed where the peer half-closed.
//!
//! Nothing is read while something waits to be written, so a slow reader slows its sender and memory stays flat. A connection
//! that is idle has no buffer: all of a worker's read into the same one.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use lockgate_telemetry::close_reason::CloseReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::flow::Flow;
use crate::chain::Stop;
use crate::tcp::recorder::ConnectionRecorder;

/// Size of the read buffer, in bytes.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// The read buffer of all connections of a worker. Never borrowed across a guest call.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// The side that a pipe reads from; for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Upstream,
}

/// Both directions.
pub(super) struct Relay {
    down: Pipe,
    up: Pipe,
    recorder: Rc<ConnectionRecorder>,
}

/// One direction, and the state of its two ends.
struct Pipe {
    flow: Flow,
    source: Side,
    /// The source sends nothing more.
    drained: bool,
    /// Something was written that may still be in a buffer of the sink's.
    unflushed: bool,
    sink: Sink,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sink {
    Open,
    /// It has got the end of the bytes.
    Shut,
    /// It takes nothing more. What it still sends is read.
    Broken,
}

/// Why a pipe cannot go on.
enum Break {
    BodySource,
    Stopped(Stop),
}

impl From<Stop> for Break {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl Relay {
    /// A relay that has moved no byte yet.
    pub(super) fn new(down: Flow, up: Flow, recorder: Rc<ConnectionRecorder>) -> Self {
        let pipe = |flow, source| Pipe {
            flow,
            source,
            drained: false,
            unflushed: false,
            sink: Sink::Open,
        };
        Self {
            down: pipe(down, Side::Client),
            up: pipe(up, Side::Upstream),
            recorder,
        }
    }

    /// Runs until both sides are done, one breaks off, or the connection is closed.
    pub(super) async fn run<C, U>(&mut self, client: &mut C, upstream: &mut U) -> CloseReason
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        poll_fn(|cx| self.poll(cx, client, upstream)).await
    }

    /// Writes what has passed the plugins already; used when one of them has closed the connection.
    pub(super) async fn flush_to_client<C: AsyncWrite + Unpin>(&mut self, client: &mut C) -> io::Result<()> {
        let Self { up, recorder, .. } = self;
        poll_fn(|cx| up.poll_out(cx, client, recorder)).await
    }

    fn poll<C, U>(&mut self, cx: &mut Context<'_>, client: &mut C, upstream: &mut U) -> Poll<CloseReason>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let recorder = self.recorder.clone();
        if let Some(ending) = recorder.poll_close(cx) {
            return Poll::Ready(ending);
        }
        recorder.register(cx);
        loop {
            if let Err(stop) = recorder.check_pending() {
                return Poll::Ready(stop.into());
            }
            match self.poll_pipes(cx, client, upstream, &recorder) {
                Ok(true) => {}
                Ok(false) => break,
                Err(ending) => return Poll::Ready(ending),
            }
        }
        match (self.down.sink, self.up.sink) {
            (Sink::Shut, Sink::Shut) => Poll::Ready(CloseReason::Complete),
            // The other direction went on as long as it could.
            (Sink::Broken, Sink::Shut) => Poll::Ready(CloseReason::UpstreamClosed),
            (Sink::Broken, Sink::Broken) => Poll::Ready(CloseReason::UpstreamReset),
            (Sink::Shut, Sink::Broken) => Poll::Ready(CloseReason::ClientReset),
            _ => Poll::Pending,
        }
    }

    /// Moves both ways what can be moved; true if plugins may have something new to say.
    fn poll_pipes<C, U>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        upstream: &mut U,
        recorder: &ConnectionRecorder,
    ) -> Result<bool, CloseReason>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let down = self
            .down
            .advance(cx, client, upstream, recorder)
            .map_err(|broken| match broken {
                Break::BodySource => CloseReason::ClientReset,
                Break::Stopped(stop) => stop.into(),
            })?;
        let up = self
            .up
            .advance(cx, upstream, client, recorder)
            .map_err(|broken| match broken {
                Break::BodySource => CloseReason::UpstreamReset,
                Break::Stopped(stop) => stop.into(),
            })?;
        Ok(down || up)
    }
}

impl Pipe {
    /// Moves what can be moved; true if a plugin was called.
    fn advance<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        recorder: &ConnectionRecorder,
    ) -> Result<bool, Break>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut called = false;
        if !self.flow.is_bare() {
            called |= self.flow.resume()?;
        }
        loop {
            if let Poll::Ready(Err(_)) | Poll::Pending = self.poll_out(cx, to, recorder).map_err(|_| self.broken()) {
                return Ok(called);
            }
            if self.drained || self.sink != Sink::Open || self.flow.waits() {
                return Ok(called);
            }
            let Poll::Ready(read) = self.poll_in(cx, from, to, recorder) else {
                return Ok(called);
            };
            match read.map_err(|_| Break::BodySource)? {
                // It is written already.
                None => {}
                Some(data) => {
                    let end = data.is_empty();
                    self.drained |= end;
                    called |= !self.flow.is_bare();
                    self.flow.push(data, end)?;
                    // The plugin may have left a pending action.
                    if called {
                        self.flow.resume()?;
                        recorder.check_pending()?;
                    }
                }
            }
        }
    }

    fn broken(&mut self) {
        self.sink = Sink::Broken;
        self.flow.out.clear();
    }

    /// Writes what has passed the plugins, and the end behind it.
    fn poll_out<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        recorder: &ConnectionRecorder,
    ) -> Poll<io::Result<()>> {
        if self.sink != Sink::Open {
            self.flow.out.clear();
            return Poll::Ready(Ok(()));
        }
        while let Some(front) = self.flow.out.front_mut() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, front))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            front.advance(written);
            if front.is_empty() {
                self.flow.out.pop_front();
            }
            self.wrote(written, recorder);
        }
        if self.unflushed {
            ready!(Pin::new(&mut *to).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.flow.ended {
            ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
            self.sink = Sink::Shut;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads. None: what came is written already. Empty: the end.
    fn poll_in<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        recorder: &ConnectionRecorder,
    ) -> Poll<io::Result<Option<Bytes>>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        BUFFER.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
            let mut came = buffer.filled();
            recorder.received(self.source == Side::Client, came.len());
            if came.is_empty() || !self.flow.is_bare() {
                return Poll::Ready(Ok(Some(Bytes::copy_from_slice(came))));
            }
            while let Poll::Ready(Ok(written)) = Pin::new(&mut *to).poll_write(cx, came) {
                self.wrote(written, recorder);
                came = &came[written..];
                if came.is_empty() {
                    return Poll::Ready(Ok(None));
                }
                if written == 0 {
                    break;
                }
            }
            // The rest is written later; an error shows itself again then.
            Poll::Ready(Ok(Some(Bytes::copy_from_slice(came))))
        })
    }

    fn wrote(&mut self, count: usize, recorder: &ConnectionRecorder) {
        self.unflushed = true;
        recorder.wrote(self.source == Side::Upstream, count);
    }
}
