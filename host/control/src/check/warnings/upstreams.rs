//! Upstreams over TLS whose certificates are not verified, or not valid for long.

use std::time::SystemTime;

use lockgate_config::model::Model;
use lockgate_json::{Diagnostic, Document};

use super::certificates::problem;
use super::escaped;

pub(super) fn warnings(model: &Model, document: &Document) -> Vec<Diagnostic> {
    let mut warnings = unverified(model, document);
    let now = SystemTime::now();
    for upstream in &model.upstreams {
        let Some(tls) = &upstream.settings.tls else { continue };
        for (key, file) in [("ca", &tls.ca), ("cert", &tls.cert)] {
            let text = file.as_ref().and_then(|file| problem(file, now));
            let pointer = format!("/upstreams/{}/tls/{key}", escaped(&upstream.name));
            warnings.extend(text.map(|text| document.diagnostic(&pointer, text, None, None)));
        }
    }
    warnings
}

/// A warning for each upstream whose certificates are not verified.
pub(crate) fn unverified(model: &Model, document: &Document) -> Vec<Diagnostic> {
    let all = model.upstreams.iter();
    all.filter(|upstream| upstream.settings.tls.as_ref().is_some_and(|tls| !tls.verify))
        .map(|upstream| {
            let pointer = format!("/upstreams/{}/tls/verify", escaped(&upstream.name));
            document.diagnostic(
                &pointer,
                format!(
                    "certificates of upstream \"{}\" are not verified: anyone on the way can read and change what is sent",
                    upstream.name
                ),
                None,
                Some("name the endpoints' authority in \"ca\", and remove \"verify\"".into()),
            )
        })
        .collect()
}
