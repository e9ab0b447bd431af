//! Bytes between two connections, in both directions at once: read, through a [`RelayFilter`], written; half-closed where the peer
//! half-closed. TCP connections and tunnels of upgrades are relayed alike.
//!
//! Nothing is read while something waits to be written, so a slow reader slows its sender and memory stays flat. A connection
//! that is idle has no buffer: all of a worker's read into the same one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use lockgate_telemetry::close_reason::CloseReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Size of the read buffer, in bytes.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// The read buffer of all connections of a worker. Never borrowed across a guest call.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client.
    Client,
    /// The upstream.
    Upstream,
}

/// Who counts what a relay moves, and ends it.
pub(crate) trait Watch {
    /// Why the relay is to end now; the task is woken when that changes.
    fn poll_close(&self, cx: &mut Context<'_>) -> Option<CloseReason>;

    /// What ends the relay after bytes have moved.
    fn check(&self) -> Result<(), CloseReason>;

    /// Bytes came from a side; none: it has sent its end.
    fn received(&self, from: Side, count: usize);

    /// A side took bytes.
    fn wrote(&self, to: Side, count: usize);
}

/// What bytes of one direction pass between being read and being written.
pub(crate) trait RelayFilter {
    /// Whether nobody looks at them: they may go from socket to socket.
    fn is_bare(&self) -> bool;

    /// Takes bytes that have come in, or the end.
    fn push(&mut self, data: Bytes, end: bool) -> Result<(), CloseReason>;

    /// Moves on what was held and is released by now; true if there was anything.
    fn resume(&mut self) -> Result<bool, CloseReason>;

    /// Whether what follows stays in the socket for now.
    fn waits(&self) -> bool;

    /// What has passed.
    fn outlet(&mut self) -> &mut Outlet;
}

/// What has passed and is still to be written.
#[derive(Default)]
pub(crate) struct Outlet {
    /// The bytes.
    pub(crate) pieces: VecDeque<Bytes>,
    /// The end has passed, too.
    pub(crate) ended: bool,
}

/// A filter that lets all bytes pass as they are.
#[derive(Default)]
pub(crate) struct NoFilter(Outlet);

impl NoFilter {
    /// A filter that these bytes have passed already.
    pub(crate) fn holding(data: Bytes) -> Self {
        Self(Outlet {
            pieces: (!data.is_empty()).then_some(data).into_iter().collect(),
            ended: false,
        })
    }
}

impl RelayFilter for NoFilter {
    fn is_bare(&self) -> bool {
        true
    }

    fn push(&mut self, data: Bytes, end: bool) -> Result<(), CloseReason> {
        self.0.pieces.extend((!data.is_empty()).then_some(data));
        self.0.ended |= end;
        Ok(())
    }

    fn resume(&mut self) -> Result<bool, CloseReason> {
        Ok(false)
    }

    fn waits(&self) -> bool {
        false
    }

    fn outlet(&mut self) -> &mut Outlet {
        &mut self.0
    }
}

/// Both directions.
pub(crate) struct Relay<P, W> {
    /// From the client to the upstream.
    down: Pipe<P>,
    /// From the upstream to the client.
    up: Pipe<P>,
    watch: W,
}

/// One direction, and the state of its two ends.
struct Pipe<P> {
    filter: P,
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

impl<P: RelayFilter, W: Watch> Relay<P, W> {
    /// A relay that has moved no byte yet, from the client through `down` and from the upstream through `up`.
    pub(crate) fn new(down: P, up: P, watch: W) -> Self {
        let pipe = |filter, source| Pipe {
            filter,
            source,
            drained: false,
            unflushed: false,
            sink: Sink::Open,
        };
        Self {
            down: pipe(down, Side::Client),
            up: pipe(up, Side::Upstream),
            watch,
        }
    }

    /// Moves bytes until it is over, and says why.
    pub(crate) async fn run<C, U>(&mut self, client: &mut C, upstream: &mut U) -> CloseReason
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        poll_fn(|cx| self.poll(cx, client, upstream)).await
    }

    /// Writes what has passed to the client already; used when a plugin has closed the connection.
    pub(crate) async fn flush_to_client<C: AsyncWrite + Unpin>(&mut self, client: &mut C) -> io::Result<()> {
        let Self { up, watch, .. } = self;
        poll_fn(|cx| up.poll_out(cx, client, watch)).await
    }

    fn poll<C, U>(&mut self, cx: &mut Context<'_>, client: &mut C, upstream: &mut U) -> Poll<CloseReason>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        if let Some(ending) = self.watch.poll_close(cx) {
            return Poll::Ready(ending);
        }
        loop {
            if let Err(ending) = self.watch.check() {
                return Poll::Ready(ending);
            }
            match self.poll_pipes(cx, client, upstream) {
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
    fn poll_pipes<C, U>(&mut self, cx: &mut Context<'_>, client: &mut C, upstream: &mut U) -> Result<bool, CloseReason>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let down = self.down.advance(cx, client, upstream, &self.watch)?;
        let up = self.up.advance(cx, upstream, client, &self.watch)?;
        Ok(down || up)
    }
}

impl<P: RelayFilter> Pipe<P> {
    /// Moves what can be moved; true if the filter was called.
    fn advance<R, S, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut S,
        watch: &W,
    ) -> Result<bool, CloseReason>
    where
        R: AsyncRead + Unpin,
        S: AsyncWrite + Unpin,
        W: Watch,
    {
        let mut called = false;
        if !self.filter.is_bare() {
            called |= self.filter.resume()?;
        }
        loop {
            if let Poll::Ready(Err(_)) | Poll::Pending = self.poll_out(cx, to, watch).map_err(|_| self.broken()) {
                return Ok(called);
            }
            if self.drained || self.sink != Sink::Open || self.filter.waits() {
                return Ok(called);
            }
            let Poll::Ready(read) = self.poll_in(cx, from, to, watch) else {
                return Ok(called);
            };
            match read.map_err(|_| self.source_failed())? {
                // It is written already.
                None => {}
                Some(data) => {
                    let end = data.is_empty();
                    self.drained |= end;
                    called |= !self.filter.is_bare();
                    self.filter.push(data, end)?;
                    // A plugin may have left a pending action.
                    if called {
                        self.filter.resume()?;
                        watch.check()?;
                    }
                }
            }
        }
    }

    fn source_failed(&self) -> CloseReason {
        match self.source {
            Side::Client => CloseReason::ClientReset,
            Side::Upstream => CloseReason::UpstreamReset,
        }
    }

    fn sink_side(&self) -> Side {
        match self.source {
            Side::Client => Side::Upstream,
            Side::Upstream => Side::Client,
        }
    }

    fn broken(&mut self) {
        self.sink = Sink::Broken;
        self.filter.outlet().pieces.clear();
    }

    /// Writes what has passed, and the end behind it.
    fn poll_out<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut S,
        watch: &impl Watch,
    ) -> Poll<io::Result<()>> {
        if self.sink != Sink::Open {
            self.filter.outlet().pieces.clear();
            return Poll::Ready(Ok(()));
        }
        while let Some(front) = self.filter.outlet().pieces.front_mut() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, front))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            front.advance(written);
            if front.is_empty() {
                self.filter.outlet().pieces.pop_front();
            }
            self.wrote(written, watch);
        }
        if self.unflushed {
            ready!(Pin::new(&mut *to).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.filter.outlet().ended {
            ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
            self.sink = Sink::Shut;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads. None: what came is written already. Empty: the end.
    fn poll_in<R, S>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut S,
        watch: &impl Watch,
    ) -> Poll<io::Result<Option<Bytes>>>
    where
        R: AsyncRead + Unpin,
        S: AsyncWrite + Unpin,
    {
        BUFFER.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
            let mut came = buffer.filled();
            watch.received(self.source, came.len());
            if came.is_empty() || !self.filter.is_bare() {
                return Poll::Ready(Ok(Some(Bytes::copy_from_slice(came))));
            }
            while let Poll::Ready(Ok(written)) = Pin::new(&mut *to).poll_write(cx, came) {
                self.wrote(written, watch);
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

    fn wrote(&mut self, count: usize, watch: &impl Watch) {
        self.unflushed = true;
        watch.wrote(self.sink_side(), count);
    }
}
