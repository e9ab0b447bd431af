//! Errors of TLS settings.

use std::path::PathBuf;

use rustls_pki_types::pem;

/// Why certificates are refused. The texts name files: they are for operators, never for clients.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or it holds no such PEM section.
    #[error("{}: {}", .0.display(), pem_reason(.1))]
    File(PathBuf, pem::Error),
    /// The key's file cannot be read, or it holds no key.
    #[error("{}: {}", .0.display(), pem_reason(.1))]
    Key(PathBuf, pem::Error),
    /// The private key needs a passphrase.
    #[error(
        "{}: the private key is encrypted, and nobody could enter its passphrase at a start; `openssl pkey -in {} -out plain.key` decrypts it",
        .0.display(),
        .0.display()
    )]
    EncryptedKey(PathBuf),
    /// The server's certificate is of X.509 version 1.
    #[error(
        "{}: it is an X.509 version 1 certificate, which TLS libraries do not accept for a server, expected version 3: issue it with \
         extensions such as subjectAltName",
        .0.display()
    )]
    Version1(PathBuf),
    /// The certificate for upstreams is of X.509 version 1.
    #[error(
        "{}: it is an X.509 version 1 certificate, which many servers do not accept, expected version 3: issue it with extensions such as \
         extendedKeyUsage",
        .0.display()
    )]
    ClientVersion1(PathBuf),
    /// The key is not the certificate's, or one of them is unusable.
    #[error("{} with {}: {}", .cert.display(), .key.display(), pair_reason(.source))]
    Pair {
        /// The certificate chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The file of authorities for clients cannot be read, or it holds no certificate.
    #[error("{}: {}", .0.display(), pem_reason(.1))]
    ClientCa(PathBuf, pem::Error),
    /// A certificate in that file is not an authority's.
    #[error("{}: {}", .0.display(), .1)]
    Authority(PathBuf, String),
    /// The file of authorities for endpoints cannot be read, or it holds no certificate.
    #[error("{}: {}", .0.display(), pem_reason(.1))]
    Ca(PathBuf, pem::Error),
    /// A certificate in that file is unusable.
    #[error("{}: {}", .0.display(), .1)]
    CaCertificate(PathBuf, String),
    /// The system trusts no authority, as far as is known.
    #[error(
        "the system's trusted authorities are not found, at none of {}; install them (Debian: `apt-get install ca-certificates`), or name a \
         file in `ca`",
        places(.0)
    )]
    NoSystemRoots(Vec<PathBuf>),
    /// The name that endpoints are asked for is none.
    #[error("neither a host name nor an IP address")]
    ServerName,
    /// No certificate is configured.
    #[error("no certificate is given")]
    Empty,
    /// The library has no random numbers, or no protocol version.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

impl TlsError {
    /// The setting of a listener's `tls` that caused the error.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        match self {
            Self::ClientCa(..) | Self::Authority(..) => "client_ca",
            Self::File(..)
            | Self::Key(..)
            | Self::EncryptedKey(_)
            | Self::Version1(_)
            | Self::ClientVersion1(_)
            | Self::Ca(..)
            | Self::CaCertificate(..)
            | Self::NoSystemRoots(_)
            | Self::ServerName
            | Self::Pair { .. }
            | Self::Empty
            | Self::Setup(_) => "certificates",
        }
    }
}

impl TlsError {
    /// The setting of an upstream's `tls` that caused the error; none: all of it.
    #[must_use]
    pub fn upstream_setting(&self) -> Option<&'static str> {
        match self {
            Self::File(..) | Self::ClientVersion1(_) | Self::Version1(_) => Some("cert"),
            Self::Key(..) | Self::EncryptedKey(_) | Self::Pair { .. } => Some("key"),
            Self::Ca(..) | Self::CaCertificate(..) => Some("ca"),
            Self::ServerName => Some("server_name"),
            Self::ClientCa(..) | Self::Authority(..) | Self::NoSystemRoots(_) | Self::Empty | Self::Setup(_) => None,
        }
    }
}

fn places(files: &[PathBuf]) -> String {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    files.join(", ")
}

fn pem_reason(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => {
            "no certificate or key found, expected PEM: -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn pair_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the key does not match the certificate; the server's own certificate must come first in the file"
                .to_owned()
        }
        other => other.to_string(),
    }
}
