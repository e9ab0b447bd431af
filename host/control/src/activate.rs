//! Activation of a snapshot: binds the sockets of new addresses, and hands snapshot and sockets to every worker.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use lockgate_config::model::Listener;
use lockgate_gateway::worker::{Command, NewSocket, RenamedListener};
use lockgate_gateway::{Snapshot, listener};
use lockgate_sandbox::StartMode;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::error::RunError;
use crate::log_lines;
use crate::upstreams::Upstreams;

/// Makes `next` the snapshot of every worker, and waits until all have it. `current` is the one that they have. `upstreams` lays the overlay
/// over its endpoints.
///
/// # Errors
/// A new listener cannot be bound. No worker has changed then.
pub(crate) async fn activate(
    workers: &[UnboundedSender<Command>],
    upstreams: &Upstreams,
    current: Option<&Snapshot>,
    next: &Arc<Snapshot>,
) -> Result<(), RunError> {
    let Listeners { added, renamed, closed } = Listeners::compare(current, next);
    let is_ours = |port: u16| {
        let mut listeners = current.iter().flat_map(|current| &current.model.listeners);
        port == 0 || listeners.any(|known| known.listen.port() == port)
    };
    let mut bound = Vec::with_capacity(added.len());
    for listener in added {
        let sockets = bind(listener, is_ours(listener.listen.port()), workers.len());
        bound.push((listener, sockets.map_err(refused(listener))?));
    }
    // Only when all are bound: clients that have connected to the first would be reset if the last one failed.
    for (listener, sockets) in &bound {
        sockets
            .iter()
            .try_for_each(listener::listen)
            .map_err(refused(listener))?;
    }
    for listener in next
        .model
        .listeners
        .iter()
        .filter(|listener| renamed.iter().any(|name| name.to == listener.name))
    {
        log_listening(listener, listener.listen);
    }
    let mut sockets: Vec<Vec<NewSocket>> = workers.iter().map(|_| Vec::new()).collect();
    for (listener, of_listener) in bound {
        let address = of_listener.first().and_then(|socket| socket.local_addr().ok());
        log_listening(listener, address.unwrap_or(listener.listen));
        for (sockets, socket) in sockets.iter_mut().zip(of_listener) {
            sockets.push(NewSocket {
                listener: listener.name.clone(),
                socket,
            });
        }
    }
    warn_of_restart_settings(current, next);
    // Nothing can fail from here on. Requests of the previous snapshot follow the endpoints, too.
    next.publish_upstreams();
    upstreams.activate(next);
    // A guest that has to run its own start keeps its worker busy. So the others serve meanwhile.
    let is_known =
        |plugin| current.is_some_and(|current| current.plugins.iter().any(|known| Arc::ptr_eq(known, plugin)));
    let mut new = next.plugins.iter().filter(|plugin| !is_known(plugin));
    let runs_starts = new.any(|loaded| loaded.plugin.start_mode() != StartMode::Image);
    let mut replies = Vec::with_capacity(workers.len());
    for (worker, sockets) in workers.iter().zip(sockets) {
        let (done, reply) = oneshot::channel();
        let command = Command::Adopt {
            snapshot: next.clone(),
            sockets,
            renamed: renamed.clone(),
            closed: closed.clone(),
            done,
        };
        if worker.send(command).is_ok() {
            replies.push(reply);
        }
        if runs_starts {
            wait(&mut replies).await;
        }
    }
    wait(&mut replies).await;
    Ok(())
}

async fn wait(replies: &mut Vec<oneshot::Receiver<()>>) {
    for reply in replies.drain(..) {
        // A worker that panicked does not reply; its thread has logged why.
        let _ = reply.await;
    }
}

/// Binds a socket for every worker, all on the address of the first one. Unless the port is ours already, no other process may use it:
/// the kernel would let two gateways share it, and the other one would answer half of the requests.
fn bind(listener: &Listener, is_ours: bool, workers: usize) -> io::Result<Vec<TcpListener>> {
    if !is_ours {
        listener::claim(listener.listen)?;
    }
    let mut address = listener.listen;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = listener::bind(address)?;
        if address.port() == 0 {
            address = socket.local_addr()?;
        }
        sockets.push(socket);
    }
    Ok(sockets)
}

fn log_listening(listener: &Listener, address: SocketAddr) {
    tracing::info!(listener = &*listener.name, %address, tls = listener.tls.is_some(), "{}", log_lines::LISTENING);
}

fn refused(listener: &Listener) -> impl FnOnce(io::Error) -> RunError {
    let (name, address) = (listener.name.to_string(), listener.listen);
    move |reason| RunError::Listen {
        listener: name,
        address,
        reason,
    }
}

/// What becomes of the listeners between two snapshots. A socket stays as long as its address does, whatever the listener is called, so that
/// no connection is lost that waits in its queue.
struct Listeners<'a> {
    added: Vec<&'a Listener>,
    renamed: Vec<RenamedListener>,
    closed: Vec<Arc<str>>,
}

impl<'a> Listeners<'a> {
    fn compare(current: Option<&Snapshot>, next: &'a Snapshot) -> Self {
        let current = current.map_or(&[][..], |snapshot| &snapshot.model.listeners);
        let next = &next.model.listeners[..];
        let stays = |listener: &Listener, others: &[Listener]| {
            let is_same = |other: &Listener| other.name == listener.name && other.listen == listener.listen;
            others.iter().any(is_same)
        };
        let mut changes = Self {
            added: Vec::new(),
            renamed: Vec::new(),
            closed: Vec::new(),
        };
        let mut leaving: Vec<&Listener> = current.iter().filter(|known| !stays(known, next)).collect();
        for listener in next.iter().filter(|listener| !stays(listener, current)) {
            // Port 0 is another port each time.
            let is_same = |known: &&Listener| known.listen == listener.listen && listener.listen.port() != 0;
            match leaving.iter().position(is_same) {
                Some(index) => changes.renamed.push(RenamedListener {
                    from: leaving.swap_remove(index).name.clone(),
                    to: listener.name.clone(),
                }),
                None => changes.added.push(listener),
            }
        }
        changes.closed = leaving.iter().map(|known| known.name.clone()).collect();
        changes
    }
}

/// Warns of changed settings that take effect at the next start.
fn warn_of_restart_settings(current: Option<&Snapshot>, next: &Snapshot) {
    let Some(current) = current else { return };
    if current.model.state_dir != next.model.state_dir {
        tracing::warn!("change of \"state_dir\" takes effect at the next start");
    }
    if current.model.workers != next.model.workers {
        tracing::warn!("change of \"workers\" takes effect at the next start");
    }
    let admin = |snapshot: &Snapshot| {
        snapshot
            .model
            .admin
            .as_ref()
            .map(|admin| (admin.listen, admin.token.clone()))
    };
    if admin(current) != admin(next) {
        tracing::warn!("change of \"admin\" takes effect at the next start");
    }
    if current.model.access_log != next.model.access_log {
        tracing::warn!("change of \"access_log\" takes effect at the next start");
    }
    if current.model.cache != next.model.cache {
        tracing::warn!("change of \"cache\" takes effect at the next start");
    }
    if current.model.kv != next.model.kv {
        tracing::warn!("change of \"kv\" takes effect at the next start");
    }
}
