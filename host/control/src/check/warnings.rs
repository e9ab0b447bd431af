//! Warnings of a configuration that is valid and likely a mistake.

mod certificates;
mod chains;
mod destinations;
mod routes;
mod upstreams;

use std::sync::Arc;

use lockgate_gateway::{LoadedPlugin, Snapshot};
use lockgate_json::{Diagnostic, Document};

pub(crate) use upstreams::unverified;

/// All warnings, in the order of the text.
pub(super) fn warnings(snapshot: &Snapshot, document: &Document) -> Vec<Diagnostic> {
    let mut all = routes::warnings(&snapshot.model, document);
    all.extend(destinations::warnings(&snapshot.model, &snapshot.routes, document));
    all.extend(chains::warnings(snapshot, document));
    all.extend(certificates::warnings(&snapshot.model, document));
    all.extend(upstreams::warnings(&snapshot.model, document));
    let of_module = |loaded: &Arc<LoadedPlugin>| {
        lockgate_modules::warnings::of(&loaded.identity.model, &loaded.plugin.spec().module, document)
    };
    all.extend(snapshot.plugins.iter().flat_map(of_module));
    all.sort_by(|one, other| {
        let key = |warning: &Diagnostic| (warning.line, warning.column);
        key(one).cmp(&key(other)).then_with(|| one.message.cmp(&other.message))
    });
    // Routes share chains, and listeners certificates.
    all.dedup();
    all
}

/// A part of a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
