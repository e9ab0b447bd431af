//! Certificates that are not valid now, or not for long.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lockgate_config::model::Model;
use lockgate_json::{Diagnostic, Document};
use lockgate_tls::validity;

use super::escaped;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A certificate that ends sooner is worth a warning: automatic renewal has happened by then.
const SOON: Duration = Duration::from_secs(21 * 24 * 60 * 60);

pub(super) fn warnings(model: &Model, document: &Document) -> Vec<Diagnostic> {
    let now = SystemTime::now();
    let mut warnings = Vec::new();
    for listener in &model.listeners {
        let Some(tls) = &listener.tls else { continue };
        let pointer = format!("/listeners/{}/tls", escaped(&listener.name));
        let mut check = |pointer: String, file: &Path| {
            let text = problem(file, now);
            warnings.extend(text.map(|text| document.diagnostic(&pointer, text, None, None)));
        };
        for (index, files) in tls.certificates.iter().enumerate() {
            check(format!("{pointer}/certificates/{index}/cert"), &files.cert);
        }
        if let Some(clients) = &tls.clients {
            check(format!("{pointer}/client_ca"), &clients.ca);
        }
    }
    warnings
}

/// What is wrong with the validity of a file's certificates.
pub(super) fn problem(file: &Path, now: SystemTime) -> Option<String> {
    let validity = validity(file)?;
    let days = |duration: Duration| duration.as_secs() / DAY.as_secs();
    if let Ok(ago) = now.duration_since(validity.until) {
        return Some(match days(ago) {
            0 => "a certificate of this file has expired today".to_owned(),
            1 => "a certificate of this file expired 1 day ago".to_owned(),
            days => format!("a certificate of this file expired {days} days ago"),
        });
    }
    if validity.from > now {
        return Some("a certificate of this file is not valid yet".to_owned());
    }
    let left = validity.until.duration_since(now).unwrap_or_default();
    (left < SOON).then(|| match days(left) {
        0 => "a certificate of this file expires in less than a day".to_owned(),
        1 => "a certificate of this file expires in 1 day".to_owned(),
        days => format!("a certificate of this file expires in {days} days"),
    })
}
