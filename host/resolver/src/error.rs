//! Why a lookup gave no records.

use std::io;
use std::net::SocketAddr;

/// Why a lookup gave no records.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Neither the configuration nor resolv.conf names a server.
    #[error("there is no DNS server: none in \"resolver\", and none in /etc/resolv.conf")]
    NoServer,
    /// The text is not a DNS name.
    #[error("not a DNS name")]
    Name,
    /// The server did not answer in time.
    #[error("DNS server {0} does not answer")]
    Timeout(SocketAddr),
    /// The server cannot be reached.
    #[error("DNS server {server}: {source}")]
    Io {
        /// The server.
        server: SocketAddr,
        /// The system's failure.
        source: io::Error,
    },
    /// The answer is not a DNS message that can be read.
    #[error("DNS server {0} sent a malformed answer")]
    Malformed(SocketAddr),
    /// The server says that it failed, by this response code.
    #[error("DNS server {server} answered {code}")]
    Code {
        /// The server.
        server: SocketAddr,
        /// The name of the response code, such as SERVFAIL.
        code: String,
    },
    /// The name does not exist (NXDOMAIN).
    #[error("the name does not exist (NXDOMAIN)")]
    NoSuchName,
    /// The other family of addresses had an answer long before.
    #[error("the answer took too long")]
    Late,
    /// The name exists, but has no record of the wanted type.
    #[error("the name has no such record")]
    NoRecord,
    /// The resolver has its maximum number of names already.
    #[error("too many host names are in use")]
    TooManyNames,
    /// The resolver has ended.
    #[error("the resolver has ended")]
    Ended,
}

impl LookupError {
    /// Whether a server has answered that there is no such record, rather than failed.
    pub fn is_negative(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoRecord)
    }
}
