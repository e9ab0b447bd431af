//! TLS towards the upstreams of the next snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_client::{Security, TlsSettings};
use lockgate_config::model::Model;
use lockgate_json::{Diagnostic, Document};
use lockgate_tls::{ClientTls, SystemRoots};

use super::Attempt;
use super::certificates::RefusedCertificates;

/// TLS of the upstreams that have it, by their names.
pub(super) type UpstreamTls = BTreeMap<Arc<str>, Arc<ClientTls>>;

/// Loads TLS of the upstreams of one configuration.
pub(super) struct UpstreamTlsLoader<'a> {
    /// What the live snapshot uses.
    pub(super) current: &'a UpstreamTls,
    pub(super) attempt: &'a Attempt,
    pub(super) document: &'a Document,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
    pub(super) refused: &'a mut RefusedCertificates,
}

impl UpstreamTlsLoader<'_> {
    /// TLS of every upstream that has it. One with unchanged settings keeps its own, and reads its files again.
    pub(super) fn of(&mut self, model: &Model) -> UpstreamTls {
        let is_there = |name: &Arc<str>| model.upstreams.iter().any(|upstream| upstream.name == *name);
        self.refused.reasons.retain(|name, _| is_there(name));
        let mut system = SystemRoots::default();
        let mut all = UpstreamTls::new();
        for upstream in &model.upstreams {
            let settings = upstream.settings.tls.as_ref();
            let tls = settings.and_then(|settings| self.one(&upstream.name, settings, &mut system));
            all.extend(tls.map(|tls| (upstream.name.clone(), tls)));
        }
        all
    }

    fn one(&mut self, name: &Arc<str>, settings: &TlsSettings, system: &mut SystemRoots) -> Option<Arc<ClientTls>> {
        if let Some(known) = self.current.get(name).filter(|known| known.settings() == settings) {
            if settings.files().any(|file| self.attempt.half_written.contains(file)) {
                return Some(known.clone());
            }
            match known.reload(system) {
                Ok(()) => drop(self.refused.reasons.remove(name)),
                Err(error) if self.refused.is_news(name, error.to_string(), self.attempt) => {
                    tracing::error!(
                        upstream = &**name,
                        "new certificates refused, the previous ones stay in use: {error}"
                    );
                }
                Err(_) => {}
            }
            return Some(known.clone());
        }
        self.refused.reasons.remove(name);
        match ClientTls::load(settings, system) {
            Ok(tls) => Some(Arc::new(tls)),
            Err(error) => {
                let setting = error.upstream_setting().map(|name| format!("/{name}"));
                let pointer = format!("/upstreams/{name}/tls{}", setting.unwrap_or_default());
                let mistake = self.document.diagnostic(&pointer, error.to_string(), None, None);
                self.diagnostics.push(mistake);
                None
            }
        }
    }
}

/// How connections to an upstream of this name are secured.
pub(super) fn security(tls: &UpstreamTls, name: &str) -> Security {
    match tls.get(name) {
        Some(tls) => Security::Tls(tls.client().clone()),
        None => Security::ClearText,
    }
}
