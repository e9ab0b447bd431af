//! Retries of a route.

use crate::durations::written;
use crate::fields::{Field, Section};
use crate::output::Object;

/// Conditions of Envoy with those of gateway.json. Envoy makes a gateway error of what breaks before a response.
const CONDITIONS: [(&str, &[&str]); 7] = [
    ("5xx", &["5xx", "connect", "reset", "refused-stream", "timeout"]),
    ("gateway-error", &["gateway-error", "connect", "reset", "timeout"]),
    ("reset", &["reset", "timeout"]),
    ("reset-before-request", &["connect"]),
    ("connect-failure", &["connect"]),
    ("refused-stream", &["refused-stream"]),
    ("retriable-4xx", &["409"]),
];
/// What Istio retries where nothing is said.
const DEFAULT: [&str; 3] = ["connect", "refused-stream", "503"];
/// Maximum attempts in gateway.json.
const MAX_ATTEMPTS: u64 = 10;

/// Adds `retry`, and the time of one try.
pub(super) fn read(section: &Section<'_>, out: &mut Object) {
    let why = "endpoints are not chosen by where they are";
    section.lost("retryRemoteLocalities", why, "");
    // A retry goes to another endpoint anyway.
    section.skip(&["retryIgnorePreviousHosts"]);
    let mut retry = Object::new();
    if let Some(field) = section.get("attempts") {
        let attempts = field.number();
        if attempts > Some(MAX_ATTEMPTS) {
            field.changed("a request is retried at most ten times", "");
        }
        retry.set_some("attempts", attempts.map(|attempts| attempts.min(MAX_ATTEMPTS)));
    }
    let on = match section.get("retryOn") {
        Some(field) => conditions(&field),
        None => DEFAULT.map(str::to_owned).to_vec(),
    };
    // Envoy repeats requests of all methods.
    retry.set_filled("on", on);
    retry.set("methods", vec!["idempotent", "POST", "PATCH"]);
    let backoff = section.get("backoff").and_then(|field| field.duration());
    retry.set_some("backoff", backoff.map(written));
    out.set("retry", retry);
    let per_try = section.get("perTryTimeout").and_then(|field| field.duration());
    if let Some(per_try) = per_try.filter(|per_try| !per_try.is_zero()) {
        out.set("timeouts", Object::new().with("try", written(per_try)));
    }
}

fn conditions(field: &Field<'_>) -> Vec<String> {
    let mut on: Vec<String> = Vec::new();
    let text = field.text().unwrap_or_default();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let is_status = name.len() == 3 && name.parse().is_ok_and(|status: u16| (400..=599).contains(&status));
        let settings: Vec<&str> = match CONDITIONS.iter().find(|(known, _)| *known == name) {
            Some((_, settings)) => settings.to_vec(),
            None if is_status => vec![name],
            // The statuses stand beside it.
            None if name == "retriable-status-codes" => Vec::new(),
            None => {
                field.lost(&format!("{name} is not a condition of retries here"), "");
                Vec::new()
            }
        };
        for setting in settings {
            if !on.iter().any(|known| known == setting) {
                on.push(setting.to_owned());
            }
        }
    }
    on
}
