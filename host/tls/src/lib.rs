//! TLS towards clients: certificates from files, chosen by the name that the client asks for, replaced without a restart; and
//! certificates of clients, where a listener asks for them.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod der;
pub mod server;
pub mod settings;

pub use server::{CertificateStore, TlsError};
pub use settings::{CertificateFiles, ClientAuthority, ClientCertificates, TlsSettings};
