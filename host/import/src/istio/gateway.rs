//! Gateway: servers, which become listeners.

use super::resources::Identity;
use crate::fields::{Field, Section};
use crate::losses::Spot;
use crate::output::Object;

/// A set of servers.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    pub(super) identity: Identity,
    pub(super) servers: Vec<Server>,
    pub(super) spot: Spot,
}

/// A port with the hosts that it accepts.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) name: String,
    /// An IP address to bind to.
    pub(super) bind: Option<String>,
    pub(super) is_tcp: bool,
    /// Without the namespace before them, in lower case.
    pub(super) hosts: Vec<String>,
    /// A certificate, and the settings of client certificates.
    pub(super) tls: Option<Object>,
    /// The certificate of `tls`.
    pub(super) certificate: Option<Object>,
    pub(super) redirects_to_https: bool,
    pub(super) spot: Spot,
}

/// Reads one.
pub(super) fn read(spec: &Section<'_>, identity: Identity) -> Gateway {
    // It selects the pods of a gateway; this gateway is the one.
    spec.skip(&["selector"]);
    Gateway {
        identity,
        servers: spec.sections("servers").iter().filter_map(server).collect(),
        spot: spec.field().spot(),
    }
}

fn server(section: &Section<'_>) -> Option<Server> {
    section.skip(&["name", "defaultEndpoint"]);
    let port = section.section("port")?;
    port.skip(&["targetPort"]);
    let hosts = section.items("hosts");
    let hosts = hosts.iter().filter_map(Field::text).map(|host| {
        let host = host.split_once('/').map_or(host, |(_, host)| host);
        host.to_ascii_lowercase()
    });
    let hosts: Vec<String> = hosts.collect();
    let tls = section.section("tls");
    let protocol = port.get("protocol")?;
    let name = protocol.text()?.to_ascii_uppercase();
    let mut server = Server {
        port: port.get("number")?.port()?,
        name: port.text("name").unwrap_or_default().to_owned(),
        bind: bind(section),
        is_tcp: matches!(name.as_str(), "TCP" | "TLS" | "MONGO"),
        hosts,
        tls: None,
        certificate: None,
        redirects_to_https: false,
        spot: section.field().spot(),
    };
    if !matches!(
        name.as_str(),
        "HTTP" | "HTTP2" | "GRPC" | "HTTPS" | "TCP" | "TLS" | "MONGO"
    ) {
        section.skip_all();
        protocol.lost("an unknown protocol: the server is left out", "");
        return None;
    }
    if let Some(tls) = &tls {
        server.redirects_to_https = tls.get("httpsRedirect").and_then(|field| field.flag()) == Some(true);
        read_tls(tls, &mut server)?;
    }
    let wants_tls = matches!(name.as_str(), "HTTPS" | "TLS");
    if wants_tls && server.tls.is_none() {
        protocol.lost("the server has no certificate, and is left out", "");
        return None;
    }
    Some(server)
}

fn bind(section: &Section<'_>) -> Option<String> {
    let field = section.get("bind")?;
    let text = field.text()?;
    if text.parse::<std::net::IpAddr>().is_err() {
        field.lost("a listener has an IP address", "\"listen\" of the listener");
        return None;
    }
    Some(text.to_owned())
}

/// Reads TLS into the server. None: the server cannot be kept, which is reported.
fn read_tls(tls: &Section<'_>, server: &mut Server) -> Option<()> {
    let why = "a listener takes the versions and cipher suites of TLS that are safe today";
    for name in ["minProtocolVersion", "maxProtocolVersion", "cipherSuites"] {
        tls.lost(name, why, "");
    }
    let why = "a client certificate is verified by its authority alone";
    for name in [
        "subjectAltNames",
        "verifyCertificateSpki",
        "verifyCertificateHash",
        "caCrl",
    ] {
        tls.lost(
            name,
            why,
            "a plugin that reads the property connection.sha256_peer_certificate_digest or uri_san_peer_certificate",
        );
    }
    let Some(mode) = tls.get("mode") else {
        tls.skip_all();
        return Some(());
    };
    let name = mode.text()?;
    let is_mutual = match name {
        "SIMPLE" => false,
        "MUTUAL" | "OPTIONAL_MUTUAL" => true,
        _ => {
            tls.skip_all();
            let why = "TLS ends at the listener: the server is left out";
            mode.lost(why, "a certificate of its own for the listener");
            return None;
        }
    };
    let (certificate, mut settings) = tls_files(tls, is_mutual);
    if !(certificate.has("cert") && certificate.has("key")) || is_mutual && !settings.has("client_ca") {
        tls.skip_all();
        mode.lost("certificate, key or authority is missing: the server is left out", "");
        return None;
    }
    if name == "OPTIONAL_MUTUAL" {
        settings.set("client_certificates", "optional");
    }
    server.tls = Some(settings);
    server.certificate = Some(certificate);
    Some(())
}

/// The certificate's files and the authority of clients: those that are named, or the place for those of a secret.
fn tls_files(tls: &Section<'_>, is_mutual: bool) -> (Object, Object) {
    let credential = tls.get("credentialName").or_else(|| {
        let names = tls.get("credentialNames")?;
        names.items().into_iter().next()
    });
    let mut certificate = Object::new();
    let mut settings = Object::new();
    match credential.as_ref().and_then(|field| Some((field, field.text()?))) {
        Some((field, name)) => {
            certificate.set("cert", format!("{name}/tls.crt"));
            certificate.set("key", format!("{name}/tls.key"));
            let instead =
                format!("write the secret's files to {name}/ beside gateway.json, where the listener looks for them");
            field.lost("secrets of Kubernetes are not read", &instead);
            if is_mutual {
                settings.set("client_ca", format!("{name}/ca.crt"));
            }
        }
        None => {
            certificate.set_some("cert", tls.text("serverCertificate"));
            certificate.set_some("key", tls.text("privateKey"));
            settings.set_some("client_ca", tls.text("caCertificates").filter(|_| is_mutual));
        }
    }
    tls.skip(&["serverCertificate", "privateKey", "caCertificates"]);
    (certificate, settings)
}
