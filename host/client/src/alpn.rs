//! The HTTP versions that a connection may speak, and how they are agreed on over TLS (ALPN, RFC 7301).

/// The HTTP version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1, or what is no HTTP at all.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The versions that a handshake offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// None: the bytes are not HTTP, as far as is known here.
    Nothing,
    /// HTTP/1.1 alone. An endpoint that does not choose speaks it.
    Http1,
    /// HTTP/2 alone. An endpoint that does not choose it is refused.
    Http2,
    /// Both; the endpoint chooses, and HTTP/2 is preferred.
    Both,
}

impl Offer {
    /// The names of ALPN, in the order of preference.
    pub(crate) fn names(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Nothing => &[],
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
            Self::Both => &[b"h2", b"http/1.1"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}
