//! TLS towards an upstream.

use crate::fields::{Field, Section};
use crate::output::Object;

pub(super) fn read(section: &Section<'_>) -> Object {
    let mut settings = Object::new();
    let Some(mode) = section.get("mode") else {
        section.skip_all();
        return settings;
    };
    match mode.text() {
        Some("DISABLE") | None => section.skip_all(),
        Some("SIMPLE") => settings.set("tls", tls(section)),
        Some("MUTUAL") => settings.set("tls", mutual(section)),
        Some("ISTIO_MUTUAL") => {
            section.skip_all();
            let why = "the certificates of the mesh are its own: requests go on without TLS";
            mode.lost(
                why,
                "\"tls\" of the upstream, with certificates that its endpoints accept",
            );
        }
        Some(_) => {
            section.skip_all();
            mode.lost("an unknown mode: requests go on without TLS", "\"tls\" of the upstream");
        }
    }
    settings
}

/// A path of a file. An absolute path of a proxy's container is taken as it is.
fn file(section: &Section<'_>, name: &str) -> Option<String> {
    section.text(name).map(str::to_owned)
}

fn tls(section: &Section<'_>) -> Object {
    let mut tls = Object::new();
    tls.set_some("ca", file(section, "caCertificates"));
    tls.set_some("server_name", section.text("sni"));
    if section.get("insecureSkipVerify").and_then(|field| field.flag()) == Some(true) {
        tls.set("verify", false);
    }
    let why = "names in the certificate are compared with the server name alone";
    section.lost("subjectAltNames", why, "\"server_name\" of \"tls\"");
    section.lost("caCrl", "revocation lists are not read", "");
    if let Some(field) = section.get("credentialName") {
        field.lost("secrets of Kubernetes are not read", &secret_files(&field));
    }
    tls
}

fn mutual(section: &Section<'_>) -> Object {
    let mut tls = tls(section);
    tls.set_some("cert", file(section, "clientCertificate"));
    tls.set_some("key", file(section, "privateKey"));
    if tls.has("cert") {
        return tls;
    }
    // The place where the files belong is named, so that `check` asks for them instead of a connection without them.
    if let Some(name) = section.text("credentialName") {
        tls.set("cert", format!("{name}/tls.crt"));
        tls.set("key", format!("{name}/tls.key"));
    }
    tls
}

/// How the files of a secret come to the place that gateway.json names.
fn secret_files(field: &Field<'_>) -> String {
    let name = field.shown();
    format!("write the secret's files to {name}/ beside gateway.json; TLS refers to them there")
}
