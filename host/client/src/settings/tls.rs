//! The settings of TLS towards endpoints, as they are written in gateway.json.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls_pki_types::ServerName;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// TLS towards the endpoints. `{}`: their certificates are verified by the authorities that the system trusts. Changed files apply to
/// connections from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file of the authorities that may issue the endpoints' certificates, or of a self-signed certificate itself. Absent: the
    /// authorities that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ca.pem", length(min = 1))]
    pub ca: Option<PathBuf>,
    /// Name that the endpoints are asked for (SNI), and that their certificates must be for: a host name, or an IP address, which is not
    /// sent. Absent: the host of each endpoint's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders.internal", length(min = 1))]
    pub server_name: Option<String>,
    /// PEM file of the certificate that endpoints are shown if they ask for one, followed by its chain. Needs `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"client.pem", length(min = 1))]
    pub cert: Option<PathBuf>,
    /// PEM file of the private key of `cert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"client.key", length(min = 1))]
    pub key: Option<PathBuf>,
    /// Whether the endpoints' certificates are verified. `false`: anyone on the way can read and change what is sent. Each start and
    /// reload warns of it.
    #[serde(default = "verified")]
    pub verify: bool,
}

fn verified() -> bool {
    true
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            ca: None,
            server_name: None,
            cert: None,
            key: None,
            verify: true,
        }
    }
}

impl TlsSettings {
    /// The server name as certificates have it; `None` if there is none.
    ///
    /// # Errors
    /// It is neither a host name nor an IP address.
    pub fn parsed_server_name(&self) -> Result<Option<ServerName<'static>>, InvalidServerName> {
        let parse = |name: &String| ServerName::try_from(name.clone()).map_err(|_| InvalidServerName);
        self.server_name.as_ref().map(parse).transpose()
    }

    /// The files that are named, for watching.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.ca, &self.cert, &self.key]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }
}

/// A server name is neither a host name nor an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a host name nor an IP address")]
pub struct InvalidServerName;

/// The forms in which TLS is written.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum TlsForm {
    /// `true`: as `{}`. `false`: clear text.
    Switch(bool),
    /// The settings.
    Settings(TlsSettings),
}

/// Reads `tls`: an object, `true` for an empty one, or `false` for none.
///
/// # Errors
/// It is none of these, or the object has a mistake.
pub fn optional_tls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TlsSettings>, D::Error> {
    struct Form;
    impl<'de> Visitor<'de> for Form {
        type Value = Option<TlsSettings>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("TLS settings: an object, true or false")
        }

        fn visit_bool<E: Error>(self, is_on: bool) -> Result<Self::Value, E> {
            Ok(is_on.then(TlsSettings::default))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            TlsSettings::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(Form)
}
