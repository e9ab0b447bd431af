//! Listening sockets: one per listener and worker, all on one port, so that the kernel spreads the connections.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lockgate_exchange::clock;
use lockgate_telemetry::close_reason::CloseReason;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::context::WorkerContext;
use crate::context::descriptors::{self, Pressure};
use crate::context::view::{ListenerView, View};
use crate::downstream::connection::DownstreamConnection;
use crate::{http, tcp};

/// Length of the kernel's accept queue.
const BACKLOG: i32 = 4096;

/// Time for handshakes that are under way when a socket is about to close.
const HANDSHAKES: Duration = Duration::from_millis(200);

/// Pause after a failed accept, as when file descriptors have run out.
const REST: Duration = Duration::from_millis(100);

/// Checks that nobody else listens on an address.
///
/// # Errors
/// Another process listens there, even if it would share the port; or the system refuses it.
pub fn claim(address: SocketAddr) -> io::Result<()> {
    unbound(address)?.bind(&address.into())
}

/// Binds a socket that shares its port with those of the other workers. Clients can connect once it listens: [`listen`].
///
/// # Errors
/// The system's.
pub fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = unbound(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Lets clients connect. They wait in the kernel's queue until a worker accepts them.
///
/// # Errors
/// The system's: another process listens on the address now.
pub fn listen(socket: &StdListener) -> io::Result<()> {
    SockRef::from(socket).listen(BACKLOG)
}

fn unbound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// What a worker accepts on a socket for.
pub(crate) struct Acceptor {
    pub(crate) worker: Rc<WorkerContext>,
    /// The listener's name; a reload may rename it.
    pub(crate) name: RefCell<Arc<str>>,
    /// The listener as it was, once a reload has removed it or moved it: connections that are still in the queue came in by it.
    pub(crate) last: RefCell<Option<(Rc<View>, Rc<ListenerView>)>>,
}

impl Acceptor {
    /// Accepts connections until `stop`; then those that clients had opened by then, and closes.
    pub(crate) async fn run(&self, socket: StdListener, stop: impl Future<Output = ()>) {
        let socket = match TcpListener::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => return tracing::error!(listener = &**self.name.borrow(), %error, "cannot listen"),
        };
        let mut stop = pin!(stop);
        loop {
            let next = poll_fn(|cx| {
                if stop.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                socket.poll_accept(cx).map(Some)
            });
            match next.await {
                None => break,
                Some(Ok((stream, peer))) => self.admit(stream, peer),
                Some(Err(error)) if is_of_the_peer(&error) => {}
                Some(Err(error)) => {
                    tracing::warn!(listener = &**self.name.borrow(), %error, "accept failed; trying again");
                    self.worker.idle_monitor.retire_idle();
                    tokio::time::sleep(REST).await;
                }
            }
        }
        match socket.into_std() {
            Ok(socket) => self.finish(&socket).await,
            Err(error) => tracing::error!(listener = &**self.name.borrow(), %error, "queue of connections lost"),
        }
    }

    /// Accepts what is in the kernel's queue. Whoever connects is established before anybody accepts, and would be reset with the socket. So
    /// new handshakes are turned away first, and those under way have a moment.
    async fn finish(&self, socket: &StdListener) {
        if let Err(error) = refuse_handshakes(socket) {
            tracing::debug!(listener = &**self.name.borrow(), %error, "handshakes cannot be refused before the close");
        }
        let end = clock::now() + HANDSHAKES;
        loop {
            self.accept_queue(socket);
            if clock::now() >= end {
                return;
            }
            tokio::time::sleep(HANDSHAKES / 10).await;
        }
    }

    /// Accepts until the queue is empty. Asks the kernel, not the runtime: the runtime learns of connections later.
    fn accept_queue(&self, socket: &StdListener) {
        loop {
            match socket.accept() {
                Ok((stream, peer)) => {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    match stream {
                        Ok(stream) => self.admit(stream, peer),
                        Err(error) => tracing::warn!(%peer, %error, "accepted connection lost"),
                    }
                }
                Err(error) if is_of_the_peer(&error) => {}
                // Empty; or out of descriptors, and the next turn tries again.
                Err(_) => return,
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let last = self.last.borrow().clone();
        let (view, listener) = match last {
            Some(last) => last,
            None => {
                let view = self.worker.view();
                let Some(listener) = view.listener(&self.name.borrow()).cloned() else {
                    return;
                };
                (view, listener)
            }
        };
        admit(&self.worker, view, listener, stream, peer);
    }
}

/// Drops the first packet of every further handshake; handshakes under way complete. A client whose packet is dropped sends it again a second
/// later: the socket is closed by then, and the client is refused or reaches another one.
fn refuse_handshakes(socket: &StdListener) -> io::Result<()> {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// Offset of the flags in a TCP header (RFC 9293, 3.1), and two of them.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    SockRef::from(socket).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

fn admit(worker: &Rc<WorkerContext>, view: Rc<View>, listener: Rc<ListenerView>, stream: TcpStream, peer: SocketAddr) {
    let name = &listener.settings.name;
    let pressure = descriptors::pressure(&stream);
    if pressure != Pressure::None {
        worker.idle_monitor.retire_idle();
    }
    if pressure == Pressure::Full {
        tracing::warn!(
            listener = &**name,
            "file descriptors run out (RLIMIT_NOFILE); closed a new connection"
        );
        if let Some(forwarding) = &listener.forwarding {
            forwarding.series.record_close(CloseReason::ConnectionLimit);
        }
        return;
    }
    let Some(place) = worker
        .shared
        .connection_limiter
        .acquire(name, listener.settings.limits.connections)
    else {
        tracing::warn!(
            listener = &**name,
            limit = listener.settings.limits.connections,
            "connection limit reached; closed a new connection"
        );
        if let Some(forwarding) = &listener.forwarding {
            forwarding.series.record_close(CloseReason::ConnectionLimit);
        }
        return;
    };
    // Counted from here on: a worker that drains waits for it, though its task has not run yet.
    let downstream = DownstreamConnection::new(worker, &listener);
    if listener.forwarding.is_some() {
        let serving = tcp::serve(downstream, view, stream, peer);
        tokio::task::spawn_local(async move {
            serving.await;
            drop(place);
        });
    } else {
        tokio::task::spawn_local(async move {
            http::serve(downstream, stream, peer).await;
            drop(place);
        });
    }
}

/// True for errors of the one connection that was to be accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
