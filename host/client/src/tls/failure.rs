//! [`TlsFailure`]: why there is no TLS connection, in words for operators.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error};
use rustls_pki_types::ServerName;

use super::TlsMaterial;
use crate::alpn::Offer;

/// Why there is no TLS connection. The text is a clause about the endpoint: "its certificate has expired …".
#[derive(Clone, Debug)]
pub struct TlsFailure {
    /// What kind of failure it is.
    pub kind: TlsFailureKind,
    words: Box<str>,
}

/// What a TLS handshake fails for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailureKind {
    /// No trusted authority has issued the endpoint's certificate.
    UnknownAuthority,
    /// The endpoint's certificate is for another name.
    WrongName,
    /// The endpoint's certificate has expired.
    Expired,
    /// The endpoint's certificate is not valid yet.
    NotValidYet,
    /// The endpoint's certificate is unusable for another reason.
    InvalidCertificate,
    /// The endpoint wants another client certificate, or one at all.
    ClientCertificate,
    /// The endpoint does not speak TLS.
    NoTls,
    /// The endpoint does not agree on the HTTP version.
    Alpn,
    /// Any other reason, such as a connection that was closed during the handshake.
    Handshake,
}

impl TlsFailureKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::UnknownAuthority,
        Self::WrongName,
        Self::Expired,
        Self::NotValidYet,
        Self::InvalidCertificate,
        Self::ClientCertificate,
        Self::NoTls,
        Self::Alpn,
        Self::Handshake,
    ];

    /// The name of the kind, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownAuthority => "unknown_authority",
            Self::WrongName => "wrong_name",
            Self::Expired => "expired",
            Self::NotValidYet => "not_valid_yet",
            Self::InvalidCertificate => "invalid_certificate",
            Self::ClientCertificate => "client_certificate",
            Self::NoTls => "no_tls",
            Self::Alpn => "alpn",
            Self::Handshake => "handshake",
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words)
    }
}

impl std::error::Error for TlsFailure {}

impl TlsFailure {
    /// The failure of a handshake that asked for `server_name` and made this offer.
    pub(super) fn new(error: Error, material: &TlsMaterial, server_name: &ServerName<'_>, offer: Offer) -> Self {
        match error {
            Error::InvalidCertificate(error) => certificate(&error, server_name),
            Error::AlertReceived(alert) => of_alert(alert, material, offer),
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
                fail(TlsFailureKind::NoTls, "it does not speak TLS")
            }
            Error::PeerIncompatible(reason) => fail(
                TlsFailureKind::Handshake,
                format!("it offers nothing that TLS 1.2 or 1.3 is spoken with here: {reason:?}"),
            ),
            other => fail(TlsFailureKind::Handshake, other.to_string()),
        }
    }

    pub(super) fn of_handshake(
        error: io::Error,
        material: &TlsMaterial,
        server_name: &ServerName<'_>,
        offer: Offer,
    ) -> Self {
        if let Some(error) = tls_error(&error) {
            return Self::new(error.clone(), material, server_name, offer);
        }
        let words = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it closed the connection during the handshake".to_owned(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "it reset the connection during the handshake".to_owned()
            }
            _ => format!("the connection broke during the handshake: {error}"),
        };
        fail(TlsFailureKind::Handshake, words)
    }

    /// The failure of a connection that the endpoint has ended by an alert; `None` if it broke for another reason.
    pub(super) fn of_refusal(error: &io::Error, material: &TlsMaterial) -> Option<Self> {
        match tls_error(error) {
            Some(Error::AlertReceived(alert)) => Some(of_alert(*alert, material, Offer::Nothing)),
            _ => None,
        }
    }

    pub(super) fn no_name() -> Self {
        let words = "no certificate can be for the host of its address; `tls.server_name` can say whom to ask for";
        fail(TlsFailureKind::WrongName, words)
    }

    pub(super) fn no_http2() -> Self {
        let words = "it does not agree on HTTP/2 (ALPN h2), which the upstream's `protocol` asks for";
        fail(TlsFailureKind::Alpn, words)
    }
}

fn fail(kind: TlsFailureKind, words: impl Into<Box<str>>) -> TlsFailure {
    let words = words.into();
    TlsFailure { kind, words }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with an endpoint's certificate.
fn certificate(error: &CertificateError, server_name: &ServerName<'_>) -> TlsFailure {
    use TlsFailureKind as Kind;
    let wanted = server_name.to_str();
    match error {
        CertificateError::UnknownIssuer => fail(
            Kind::UnknownAuthority,
            "its certificate is from an authority that is not trusted; `tls.ca` names a file of those that are",
        ),
        CertificateError::BadSignature => fail(
            Kind::UnknownAuthority,
            "its certificate is not signed by the trusted authority of that name; `tls.ca` names a file of those that are trusted",
        ),
        CertificateError::NotValidForName => fail(Kind::WrongName, format!("its certificate is not for \"{wanted}\"")),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let names = match names.is_empty() {
                true => "no name".to_owned(),
                false => format!("\"{}\"", names.join("\", \"")),
            };
            let words = format!(
                "its certificate is for {names}, not for \"{wanted}\"; `tls.server_name` can ask for another name"
            );
            fail(Kind::WrongName, words)
        }
        CertificateError::Expired => fail(Kind::Expired, "its certificate has expired"),
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            fail(Kind::Expired, format!("its certificate expired {} ago", rough(ago)))
        }
        CertificateError::NotValidYet => fail(Kind::NotValidYet, "its certificate is not valid yet"),
        CertificateError::NotValidYetContext { time, not_before } => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            let words = format!("its certificate is not valid yet, for another {}", rough(left));
            fail(Kind::NotValidYet, words)
        }
        other => fail(
            Kind::InvalidCertificate,
            format!("its certificate is unusable: {}", reason(other)),
        ),
    }
}

/// The library's word for a mistake in a certificate; some of its words are names of variants.
fn reason(error: &CertificateError) -> String {
    let words = match error {
        CertificateError::Other(other) => other.to_string(),
        other => other.to_string(),
    };
    match &*words {
        "CaUsedAsEndEntity" => "it is an authority's, which may not be a server's unless `tls.ca` has it".to_owned(),
        "UnsupportedCertVersion" => "it is of X.509 version 1, and a server's must be of version 3".to_owned(),
        _ => words,
    }
}

/// The name in `DnsName("orders.internal")` or `IpAddress(127.0.0.1)`.
fn bare(presented: &str) -> &str {
    let inside = presented.split_once('(').map_or(presented, |(_, inside)| inside);
    inside.trim_end_matches(')').trim_matches('"')
}

/// A time in its largest unit.
fn rough(seconds: u64) -> String {
    let (count, unit) = match Duration::from_secs(seconds).as_secs() {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// An alert that the endpoint has sent.
fn of_alert(alert: AlertDescription, material: &TlsMaterial, offer: Offer) -> TlsFailure {
    use AlertDescription as Alert;
    use TlsFailureKind as Kind;
    let none = "it requires a client certificate, and none is configured; `tls.cert` and `tls.key` name one";
    match alert {
        Alert::CertificateRequired if !material.has_certificate => fail(Kind::ClientCertificate, none),
        Alert::CertificateRequired
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError
            if material.has_certificate =>
        {
            fail(
                Kind::ClientCertificate,
                format!("it refuses the client certificate: {}", meaning(alert)),
            )
        }
        Alert::HandshakeFailure if !material.has_certificate => fail(
            Kind::Handshake,
            "it refuses the handshake: no TLS version or cipher in common, or it requires a client certificate, and none is configured",
        ),
        Alert::NoApplicationProtocol => {
            let names = match offer {
                Offer::Http2 => "h2",
                Offer::Http1 => "http/1.1",
                Offer::Nothing | Offer::Both => "h2 or http/1.1",
            };
            fail(Kind::Alpn, format!("it does not agree on the protocol {names} (ALPN)"))
        }
        Alert::UnrecognisedName => fail(
            Kind::WrongName,
            "it does not know the name that it is asked for; `tls.server_name` can ask for another",
        ),
        other => fail(Kind::Handshake, format!("it refuses the handshake: {}", meaning(other))),
    }
}

/// The meaning of an alert (RFC 8446, section 6.2).
fn meaning(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let words = match alert {
        Alert::BadCertificate => "the certificate is corrupt or not signed as it should be",
        Alert::UnsupportedCertificate => "certificates of this type are not supported",
        Alert::CertificateRevoked => "the certificate is revoked",
        Alert::CertificateExpired => "the certificate has expired",
        Alert::CertificateUnknown => "the certificate is not acceptable",
        Alert::CertificateRequired => "it got none that it accepts",
        Alert::DecryptError => "it is not signed as it should be",
        Alert::UnknownCA => "its authority is unknown there",
        Alert::AccessDenied => "it is valid, and access is denied",
        Alert::HandshakeFailure => "no TLS version or cipher in common",
        Alert::ProtocolVersion => "neither TLS 1.2 nor TLS 1.3 is supported there",
        Alert::InsufficientSecurity => "it wants stronger ciphers",
        Alert::InternalError => "an internal error there",
        other => return format!("alert {other:?}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_are_told_as_people_write_them() {
        assert_eq!(bare("DnsName(\"orders.internal\")"), "orders.internal");
        assert_eq!(bare("IpAddress(127.0.0.1)"), "127.0.0.1");
        for (seconds, expected) in [
            (1, "1 second"),
            (119, "119 seconds"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (86_400 * 30, "30 days"),
        ] {
            assert_eq!(rough(seconds), expected);
        }
    }
}
