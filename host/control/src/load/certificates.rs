//! The certificates of TLS listeners in the next snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_config::model::{Listener, ListenerProtocol, Model};
use lockgate_gateway::Snapshot;
use lockgate_json::{Diagnostic, Document};
use lockgate_tls::{ServerTls, ServerTlsSettings};

use super::Attempt;

/// Loads the certificates of one configuration.
pub(super) struct Certificates<'a> {
    /// The snapshot whose stores are reused.
    pub(super) current: Option<&'a Snapshot>,
    pub(super) attempt: &'a Attempt,
    pub(super) document: &'a Document,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
    pub(super) refused: &'a mut RefusedCertificates,
}

/// New certificates that were refused, while the previous ones stay in use.
#[derive(Default)]
pub(super) struct RefusedCertificates {
    /// Number of refusals so far.
    pub(super) count: u64,
    /// Why those of a listener, or of an upstream, are refused now.
    pub(super) reasons: BTreeMap<Arc<str>, String>,
}

impl RefusedCertificates {
    /// Notes and counts a refusal, unless it is the last one again.
    pub(super) fn is_news(&mut self, name: &Arc<str>, reason: String, attempt: &Attempt) -> bool {
        let is_known = attempt.is_retry && self.reasons.get(name) == Some(&reason);
        self.reasons.insert(name.clone(), reason);
        self.count += u64::from(!is_known);
        !is_known
    }
}

impl Certificates<'_> {
    /// The certificates of every listener. A listener with unchanged TLS settings keeps its store, and reads its files again.
    pub(super) fn of(&mut self, model: &Model) -> Vec<Option<Arc<ServerTls>>> {
        let is_there = |name: &Arc<str>| model.listeners.iter().any(|listener| listener.name == *name);
        self.refused.reasons.retain(|name, _| is_there(name));
        model
            .listeners
            .iter()
            .map(|listener| self.store(listener, listener.tls.as_ref()?))
            .collect()
    }

    fn store(&mut self, listener: &Listener, tls: &ServerTlsSettings) -> Option<Arc<ServerTls>> {
        if let Some(known) = current_store(listener, self.current) {
            if tls.files().any(|file| self.attempt.half_written.contains(file)) {
                return Some(known);
            }
            match known.reload() {
                Ok(()) => drop(self.refused.reasons.remove(&listener.name)),
                Err(error) => self.refuse(listener, error.to_string()),
            }
            return Some(known);
        }
        self.refused.reasons.remove(&listener.name);
        match ServerTls::load(tls, listener.protocol == ListenerProtocol::Http) {
            Ok(store) => Some(Arc::new(store)),
            Err(error) => {
                let pointer = format!("/listeners/{}/tls/{}", listener.name, error.setting());
                let mistake = self.document.diagnostic(&pointer, error.to_string(), None, None);
                self.diagnostics.push(mistake);
                None
            }
        }
    }

    fn refuse(&mut self, listener: &Listener, reason: String) {
        if self.refused.is_news(&listener.name, reason.clone(), self.attempt) {
            tracing::error!(
                listener = &*listener.name,
                "new certificates refused, the previous ones stay in use: {reason}"
            );
        }
    }
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
