//! Listening sockets: one per listener and worker, all on one port, so that the kernel spreads the connections.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lockgate_telemetry::close_reason::CloseReason;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::context::WorkerContext;
use crate::{http, tcp};

/// Length of the kernel's accept queue.
const BACKLOG: i32 = 4096;

/// Pause after a failed accept, as when file descriptors have run out.
const REST: Duration = Duration::from_millis(100);

/// Checks that nobody else listens on an address.
///
/// # Errors
/// Another process listens there, even if it would share the port; or the system refuses it.
pub fn claim(address: SocketAddr) -> io::Result<()> {
    unbound(address)?.bind(&address.into())
}

/// Binds a socket that shares its port with those of the other workers.
pub fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = unbound(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn unbound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// Accepts connections for the listener called `name` until `stop`; then those that the kernel has already accepted.
pub(crate) async fn accept(
    worker: Rc<WorkerContext>,
    name: Arc<str>,
    socket: StdListener,
    stop: impl Future<Output = ()>,
) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(listener = &*name, %error, "cannot listen"),
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
            Some(Ok((stream, peer))) => admit(&worker, &name, stream, peer),
            Some(Err(error)) if is_of_the_peer(&error) => {}
            Some(Err(error)) => {
                tracing::warn!(listener = &*name, %error, "accept failed; trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }
    // Their TCP handshake is done: to their clients they are open.
    poll_fn(|cx| {
        while let Poll::Ready(Ok((stream, peer))) = socket.poll_accept(cx) {
            admit(&worker, &name, stream, peer);
        }
        Poll::Ready(())
    })
    .await;
}

fn admit(worker: &Rc<WorkerContext>, name: &Arc<str>, stream: TcpStream, peer: SocketAddr) {
    let view = worker.view();
    let Some(listener) = view.listener(name) else { return };
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
    let (worker, listener) = (worker.clone(), listener.clone());
    if listener.forwarding.is_some() {
        let serving = tcp::serve(worker, view, listener, stream, peer);
        tokio::task::spawn_local(async move {
            serving.await;
            drop(place);
        });
    } else {
        tokio::task::spawn_local(async move {
            http::serve(worker, listener, stream, peer).await;
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
