//! TLS. `server`: the side towards clients. `client`: the side towards upstreams. The rest (settings, PEM files, facts of certificates, DER) is independent of the side.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod certificate_info;
mod client;
pub mod der;
mod error;
mod pem_files;
mod server;
mod settings;
mod validity;

pub use client::{ClientTls, SystemRoots};
pub use error::TlsError;
pub use server::ServerTls;
pub use settings::{CertificateFiles, ClientAuthority, ClientCertificates, ServerTlsSettings};
pub use validity::{Validity, validity};
