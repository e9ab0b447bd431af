//! [`Headers`]: a view of one header map that the host holds. Nothing is copied until it is asked for.

use crate::error::{Error, Result};
use crate::host;
use crate::wire::{self, Map, Status};

/// A header map of the request, the response or a callout's answer. Names are lower case; the pseudo-headers
/// (`:method`, `:status`, …) are ordinary entries.
#[derive(Debug, Clone, Copy)]
pub struct Headers {
    map: Map,
}

impl Headers {
    pub(crate) const fn of(map: Map) -> Headers {
        Headers { map }
    }

    /// A header's value; the first one when there are several. Bytes that are not UTF-8 are replaced.
    pub fn first(self, name: &str) -> Result<Option<String>> {
        Ok(self.first_bytes(name)?.map(wire::text))
    }

    /// A header's value as it is; the first one when there are several.
    pub fn first_bytes(self, name: &str) -> Result<Option<Vec<u8>>> {
        host::header(self.map, name).map_err(Error::host("proxy_get_header_map_value"))
    }

    /// All values of a header, in their order.
    pub fn all(self, name: &str) -> Result<Vec<String>> {
        Ok(self
            .pairs()?
            .into_iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value)
            .collect())
    }

    /// The whole map in one call to the host; the way to look at many headers at once. Empty where the phase has no
    /// such map.
    pub fn pairs(self) -> Result<Vec<(String, String)>> {
        let bytes = host::headers(self.map)
            .map_err(Error::host("proxy_get_header_map_pairs"))?
            .unwrap_or_default();
        let pairs = wire::decode_pairs(&bytes).ok_or(Error::Malformed("proxy_get_header_map_pairs"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(pairs
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect())
    }

    /// Replaces the whole map.
    pub fn replace<N: AsRef<str>, V: AsRef<str>>(self, pairs: &[(N, V)]) -> Result<()> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        host::set_headers(self.map, &wire::encode_pairs(&pairs)).map_err(Error::host("proxy_set_header_map_pairs"))
    }

    /// Gives a header this value alone.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for what would break framing: bad bytes, `content-length`, hop-by-hop headers.
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        host::set_header(self.map, name, value.as_ref()).map_err(Error::host("proxy_replace_header_map_value"))
    }

    /// Adds a value to those that a header has. Errors as [`Headers::set`].
    pub fn add(self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        host::add_header(self.map, name, value.as_ref()).map_err(Error::host("proxy_add_header_map_value"))
    }

    /// Removes all values of a header; one that is not there is no error.
    pub fn remove(self, name: &str) -> Result<()> {
        match host::remove_header(self.map, name) {
            Ok(()) | Err(Status::NotFound) => Ok(()),
            Err(status) => Err(Error::host("proxy_remove_header_map_value")(status)),
        }
    }
}
