//! Activation of a snapshot: binds the sockets of new listeners, and hands snapshot and sockets to every worker.

use std::sync::Arc;

use lockgate_config::model::Listener;
use lockgate_gateway::worker::{Command, NewSocket, Worker};
use lockgate_gateway::{Snapshot, listener};
use tokio::sync::oneshot;

use crate::error::RunError;
use crate::log_lines;

/// Makes `next` the snapshot of every worker, and waits until all have it. `current` is the one that they have.
///
/// # Errors
/// A new listener cannot be bound. No worker has changed then.
pub(crate) async fn activate(
    workers: &[Worker],
    current: Option<&Snapshot>,
    next: &Arc<Snapshot>,
) -> Result<(), RunError> {
    let address = |name: &str, snapshot: Option<&Snapshot>| {
        snapshot
            .and_then(|s| s.model.listeners.iter().find(|l| &*l.name == name))
            .map(|l| l.listen)
    };
    let added: Vec<&Listener> = next
        .model
        .listeners
        .iter()
        .filter(|l| address(&l.name, current) != Some(l.listen))
        .collect();
    let closed: Vec<Arc<str>> = current
        .iter()
        .flat_map(|current| &current.model.listeners)
        .filter(|l| address(&l.name, Some(next)) != Some(l.listen))
        .map(|l| l.name.clone())
        .collect();
    let mut sockets: Vec<Vec<NewSocket>> = workers.iter().map(|_| Vec::new()).collect();
    let is_ours = |port: u16| {
        let mut listeners = current.iter().flat_map(|current| &current.model.listeners);
        port == 0 || listeners.any(|known| known.listen.port() == port)
    };
    for listener in added {
        bind(listener, is_ours(listener.listen.port()), &mut sockets)?;
    }
    warn_of_restart_settings(current, next);
    let mut replies = Vec::with_capacity(workers.len());
    for (worker, sockets) in workers.iter().zip(sockets) {
        let (done, reply) = oneshot::channel();
        let command = Command::Adopt {
            snapshot: next.clone(),
            sockets,
            closed: closed.clone(),
            done,
        };
        if worker.commands.send(command).is_ok() {
            replies.push(reply);
        }
    }
    for reply in replies {
        // A worker that panicked does not reply; its thread has logged why.
        let _ = reply.await;
    }
    Ok(())
}

/// Binds a socket for every worker, all on the address of the first one. Unless the port is ours already, no other process may use it:
/// the kernel would let two gateways share it, and the other one would answer half of the requests.
fn bind(listener: &Listener, is_ours: bool, sockets: &mut [Vec<NewSocket>]) -> Result<(), RunError> {
    let refused = |reason| RunError::Listen {
        listener: listener.name.to_string(),
        address: listener.listen,
        reason,
    };
    if !is_ours {
        listener::claim(listener.listen).map_err(refused)?;
    }
    let mut address = listener.listen;
    for sockets in sockets {
        let socket = listener::bind(address).map_err(refused)?;
        if address.port() == 0 {
            address = socket.local_addr().map_err(refused)?;
        }
        sockets.push(NewSocket {
            listener: listener.name.clone(),
            socket,
        });
    }
    tracing::info!(listener = &*listener.name, %address, tls = listener.tls.is_some(), "{}", log_lines::LISTENING);
    Ok(())
}

/// Warns of changed settings that take effect at the next start.
fn warn_of_restart_settings(current: Option<&Snapshot>, next: &Snapshot) {
    let Some(current) = current else { return };
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
}
