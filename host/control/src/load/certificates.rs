//! The certificates of TLS listeners in the next snapshot.

use std::sync::Arc;

use lockgate_config::model::{Listener, ListenerProtocol, Model};
use lockgate_gateway::Snapshot;
use lockgate_json::{Diagnostic, Document};
use lockgate_tls::ServerTls;

/// The certificates of every listener. A listener with unchanged TLS settings keeps its store, and reads its files again.
pub(super) fn certificates(
    model: &Model,
    document: &Document,
    current: Option<&Snapshot>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Option<Arc<ServerTls>>> {
    let mut stores = Vec::with_capacity(model.listeners.len());
    for listener in &model.listeners {
        let Some(tls) = &listener.tls else {
            stores.push(None);
            continue;
        };
        if let Some(known) = current_store(listener, current) {
            if let Err(error) = known.reload() {
                tracing::error!(
                    listener = &*listener.name,
                    "new certificates refused, the previous ones stay in use: {error}"
                );
            }
            stores.push(Some(known));
            continue;
        }
        match ServerTls::load(tls, listener.protocol == ListenerProtocol::Http) {
            Ok(store) => stores.push(Some(Arc::new(store))),
            Err(error) => {
                let pointer = format!("/listeners/{}/tls/{}", listener.name, error.setting());
                diagnostics.push(document.diagnostic(&pointer, error.to_string(), None, None));
            }
        }
    }
    stores
}

/// The store of a listener whose TLS settings did not change.
fn current_store(listener: &Listener, current: Option<&Snapshot>) -> Option<Arc<ServerTls>> {
    let snapshot = current?;
    let index = snapshot.model.listeners.iter().position(|known| {
        let speaks_http = |listener: &Listener| listener.protocol == ListenerProtocol::Http;
        known.name == listener.name && known.tls == listener.tls && speaks_http(known) == speaks_http(listener)
    })?;
    snapshot.certificates[index].clone()
}
