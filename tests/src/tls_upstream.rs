//! Upstreams behind TLS, each a thread in the test's own process. They tell what they know of a connection in each response.

use crate::Gateway;
use crate::certificates::{Authority, Contents};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What an upstream behind TLS does.
#[derive(Debug, Clone)]
pub struct TlsOptions<'a> {
    /// Name of its certificate's files.
    pub certificate: &'a str,
    /// The protocols that it agrees on.
    pub alpn: &'a [&'a str],
    /// Name of the file of the authority whose certificates clients must have.
    pub client_ca: Option<&'a str>,
    /// Only this version of TLS.
    pub version: Option<&'static SupportedProtocolVersion>,
    /// Connections are closed after this time without a request.
    pub idle: Duration,
}

impl Default for TlsOptions<'_> {
    fn default() -> Self {
        Self {
            certificate: "server",
            alpn: &["h2", "http/1.1"],
            client_ca: None,
            version: None,
            idle: Duration::from_secs(60),
        }
    }
}

/// A listening upstream behind TLS. It stops with the test's process.
#[derive(Debug)]
pub struct TlsUpstream {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl TlsUpstream {
    /// Listens, with the certificates in a folder. It answers with what it knows, as JSON: `version`, `scheme`, `sni`, `client` (a digest of
    /// the certificate), `connection` (its number) and `resumed`.
    ///
    /// # Panics
    /// A file is missing or broken.
    #[must_use]
    pub fn start(folder: &Path, options: &TlsOptions<'_>) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(folder, options)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(AtomicUsize::new(0));
        let (seen, idle) = (requests.clone(), options.idle);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a socket");
                let mut connections = 0;
                while let Ok((socket, _)) = listener.accept().await {
                    connections += 1;
                    tokio::spawn(serve(acceptor.clone(), socket, connections, seen.clone(), idle));
                }
            });
        });
        Self { address, requests }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of requests so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

async fn serve(acceptor: TlsAcceptor, socket: TcpStream, connection: usize, seen: Arc<AtomicUsize>, idle: Duration) {
    let Ok(stream) = acceptor.accept(socket).await else {
        return;
    };
    let session = stream.get_ref().1;
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let known = json!({
        "sni": session.server_name(),
        "client": session.peer_certificates().map(|all| format!("{:x}", digest(&all[0]))),
        "resumed": session.handshake_kind() == Some(HandshakeKind::Resumed),
        "connection": connection,
    });
    let respond = service_fn(move |request: Request<Incoming>| {
        seen.fetch_add(1, SeqCst);
        let mut told = known.clone();
        told["version"] = format!("{:?}", request.version()).into();
        told["scheme"] = request.uri().scheme_str().into();
        async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(told.to_string())))) }
    });
    let io = TokioIo::new(stream);
    if is_h2 {
        let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, respond);
        let _ = served.await;
        return;
    }
    let mut served = std::pin::pin!(hyper::server::conn::http1::Builder::new().serve_connection(io, respond));
    if tokio::time::timeout(idle, served.as_mut()).await.is_err() {
        served.as_mut().graceful_shutdown();
        let _ = served.await;
    }
}

/// Tells certificates apart.
fn digest(certificate: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(certificate);
    hasher.finish()
}

fn config(folder: &Path, options: &TlsOptions<'_>) -> ServerConfig {
    let file = |name: &str, kind: &str| folder.join(format!("{name}.{kind}"));
    let certificates = |name: &str| {
        let all = CertificateDer::pem_file_iter(file(name, "pem")).expect("the file is there");
        all.map(|certificate| certificate.expect("a certificate"))
            .collect::<Vec<_>>()
    };
    let key = PrivateKeyDer::from_pem_file(file(options.certificate, "key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = match options.version {
        Some(version) => builder.with_protocol_versions(&[version]),
        None => builder.with_safe_default_protocol_versions(),
    };
    let builder = builder.expect("versions that the library knows");
    let builder = match options.client_ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(ca));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("an authority"))
        }
        None => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(certificates(options.certificate), key);
    let mut config = config.expect("a certificate and its key");
    config.alpn_protocols = options.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// A folder with an authority `ca`, its certificate `server` for two names, and two for clients.
///
/// # Panics
/// When no folder can be made.
#[must_use]
pub fn folder() -> (TempDir, Authority) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    let authority = Authority::write(folder.path(), "ca");
    let named = |dns| Contents {
        dns,
        ..Contents::default()
    };
    authority.issue(folder.path(), "server", &named(vec!["orders.test", "second.test"]));
    authority.issue(folder.path(), "client", &named(vec!["client.test"]));
    authority.issue(folder.path(), "client2", &named(vec!["client2.test"]));
    (folder, authority)
}

/// A gateway with a route `/NAME` for each upstream: name, address, TLS settings, further settings.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn gateway(folder: TempDir, upstreams: &[(&str, SocketAddr, Value, Value)]) -> Gateway {
    let (mut settings, mut routes) = (Map::new(), Vec::new());
    for (name, address, tls, further) in upstreams {
        let mut all = json!({ "endpoints": [address.to_string()], "tls": tls });
        let members = all.as_object_mut().expect("an object");
        members.extend(further.as_object().expect("an object").clone());
        settings.insert((*name).to_string(), all);
        routes.push(json!({ "name": name, "match": { "path": format!("/{name}") }, "upstream": name }));
    }
    Gateway::start_in(
        folder,
        json!({ "workers": 1, "listeners": { "web": {} }, "upstreams": settings, "routes": routes }),
    )
}

/// What the upstream behind the route `/NAME` knows of the connection.
///
/// # Panics
/// When it does not answer with 200.
#[must_use]
pub fn told(gateway: &Gateway, name: &str) -> Value {
    let response = gateway.get(&format!("/{name}"));
    assert_eq!(response.status(), 200, "{name}: {}", response.text());
    response.json()
}

/// TLS settings for the certificate `server`.
#[must_use]
pub fn orders() -> Value {
    json!({ "ca": "ca.pem", "server_name": "orders.test" })
}
