//! Limits of responses.

use lockgate_client::ResponseHeadLimits;
use lockgate_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of an upstream's responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseLimits {
    /// Maximum size of a response's header section, status line included. Larger: 502.
    pub header_bytes: Size,
    /// Maximum number of header fields in a response. More: 502.
    #[schemars(range(min = 1, max = 10_000))]
    pub headers: u32,
}

impl Default for ResponseLimits {
    fn default() -> Self {
        Self {
            header_bytes: Size::kib(64),
            headers: 128,
        }
    }
}

impl ResponseLimits {
    pub(crate) fn response_head(&self) -> ResponseHeadLimits {
        ResponseHeadLimits {
            bytes: u32::try_from(self.header_bytes.0).unwrap_or(u32::MAX),
            fields: self.headers,
        }
    }
}
