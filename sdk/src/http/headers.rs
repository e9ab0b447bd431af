//! [`Headers`]: a view of a header map of the host. Each method makes one host call; nothing is copied in advance.

use std::str::FromStr;

use crate::abi::pairs;
use crate::abi::{Map, Status};
use crate::error::{Error, Result};
use crate::host;
use crate::http::cookies;
use crate::http::message::MessageState;
use crate::text;

/// A header map of the request, the response or a callout's response. Names are lower case. The pseudo-headers
/// (`:method`, `:status`, …) are ordinary entries.
#[derive(Debug, Clone, Copy)]
pub struct Headers {
    map: Map,
    /// Whether they were sent on, so that changes have no effect.
    are_sent: bool,
}

impl Headers {
    pub(crate) const fn of(map: Map) -> Headers {
        Headers { map, are_sent: false }
    }

    /// The headers of the message whose hook waits with it.
    pub(crate) fn of_message(map: Map, message: Option<&MessageState>) -> Headers {
        let are_sent = message.is_some_and(|message| message.headers_sent.get());
        Headers { map, are_sent }
    }

    fn open(self) -> Result<()> {
        if self.are_sent { Err(Error::HeadersSent) } else { Ok(()) }
    }

    /// The first value of a header; `None` if it is absent. Invalid UTF-8 is replaced.
    pub fn first(self, name: &str) -> Result<Option<String>> {
        Ok(self.first_bytes(name)?.map(text::lossy))
    }

    /// The first value of a header, as bytes; `None` if it is absent.
    pub fn first_bytes(self, name: &str) -> Result<Option<Vec<u8>>> {
        host::header(self.map, name).map_err(Error::host("proxy_get_header_map_value"))
    }

    /// The first value of a header, parsed as another type such as a number; `None` if it is absent.
    ///
    /// # Errors
    /// [`Error::BadValue`] if the value is not of this type.
    pub fn parsed<T: FromStr>(self, name: &str) -> Result<Option<T>> {
        Error::parsed(name, self.first(name)?.as_deref())
    }

    /// All values of a header, in order.
    pub fn all(self, name: &str) -> Result<Vec<String>> {
        Ok(self
            .list()?
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
            .collect())
    }

    /// All values of a header as bytes, in order. One host call if it is absent, else two: [`Headers::first_bytes`] may return several
    /// values as one.
    pub(crate) fn all_bytes(self, name: &str) -> Result<Vec<Vec<u8>>> {
        if self.first_bytes(name)?.is_none() {
            return Ok(Vec::new());
        }
        let bytes = host::headers(self.map)
            .map_err(Error::host("proxy_get_header_map_pairs"))?
            .unwrap_or_default();
        let pairs = pairs::decode(&bytes).ok_or(Error::Malformed("proxy_get_header_map_pairs"))?;
        let values = pairs.into_iter().filter(|(known, _)| *known == name.as_bytes());
        Ok(values.map(|(_, value)| value.to_vec()).collect())
    }

    /// The first cookie of this name in any `cookie` header; `None` if there is none. Invalid UTF-8 is replaced.
    pub(crate) fn cookie(self, name: &str) -> Result<Option<String>> {
        let lines = self.all_bytes("cookie")?;
        let value = lines.iter().find_map(|line| cookies::value_bytes(line, name));
        Ok(value.map(|value| text::lossy(value.to_vec())))
    }

    /// A copy of the whole map, in one host call: the way to read many headers at once. It is empty if the phase has no
    /// such map. Invalid UTF-8 is replaced.
    pub fn list(self) -> Result<HeaderList> {
        let bytes = host::headers(self.map)
            .map_err(Error::host("proxy_get_header_map_pairs"))?
            .unwrap_or_default();
        HeaderList::decode(&bytes).ok_or(Error::Malformed("proxy_get_header_map_pairs"))
    }

    /// Replaces the whole map.
    ///
    /// # Errors
    /// As [`Headers::set`].
    pub fn replace<N: AsRef<str>, V: AsRef<str>>(self, pairs: &[(N, V)]) -> Result<()> {
        self.open()?;
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        host::set_headers(self.map, &pairs::encode(&pairs)).map_err(Error::host("proxy_set_header_map_pairs"))
    }

    /// Sets a header to this value, in place of all values that it has.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for invalid bytes, and for headers that frame the message: `content-length` and the hop-by-hop
    /// headers. [`Error::HeadersSent`] if the host has sent the headers on.
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.open()?;
        host::set_header(self.map, name, value.as_ref()).map_err(Error::host("proxy_replace_header_map_value"))
    }

    /// Adds a value to a header. Errors as [`Headers::set`].
    pub fn add(self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.open()?;
        host::add_header(self.map, name, value.as_ref()).map_err(Error::host("proxy_add_header_map_value"))
    }

    /// Removes all values of a header. An absent header is no error. Errors as [`Headers::set`].
    pub fn remove(self, name: &str) -> Result<()> {
        self.open()?;
        match host::remove_header(self.map, name) {
            Ok(()) | Err(Status::NotFound) => Ok(()),
            Err(status) => Err(Error::host("proxy_remove_header_map_value")(status)),
        }
    }
}

/// A copy of a header map, in order. It has two buffers, however many headers there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderList {
    /// All names and values, concatenated.
    text: String,
    /// The length of each name and of its value, in bytes.
    lengths: Vec<(usize, usize)>,
}

impl HeaderList {
    fn decode(bytes: &[u8]) -> Option<HeaderList> {
        let pairs = pairs::decode(bytes)?.into_iter();
        Some(HeaderList::of(
            pairs.map(|(name, value)| (text::lossy_str(name), text::lossy_str(value))),
        ))
    }

    /// A list of these headers.
    pub fn of<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> HeaderList {
        let mut list = HeaderList::default();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            list.text.push_str(name);
            list.text.push_str(value);
            list.lengths.push((name.len(), value.len()));
        }
        list
    }

    /// All names with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut rest = self.text.as_str();
        self.lengths.iter().map(move |(name, value)| {
            // The lengths are those of the concatenated texts, so that every split is at a boundary.
            let (this_name, behind) = rest.split_at_checked(*name).unwrap_or(("", ""));
            let (this_value, behind) = behind.split_at_checked(*value).unwrap_or(("", ""));
            rest = behind;
            (this_name, this_value)
        })
    }

    /// The first value of a header; `None` if it is absent.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_returns_the_headers_it_was_made_of() {
        let pairs = [("a", "1"), ("empty", ""), ("a", "zwei – drei")];
        let list = HeaderList::decode(&pairs::encode(&pairs)).expect("a map");
        assert_eq!(list.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(list, HeaderList::of(pairs));
        assert_eq!(list.first("a"), Some("1"));
        assert_eq!(list.first("b"), None);
    }

    #[test]
    fn invalid_utf8_does_not_shift_the_following_headers() {
        let pairs: [(&[u8], &[u8]); 2] = [(b"a", b"\xff\xfe"), (b"b", b"2")];
        let list = HeaderList::decode(&pairs::encode(&pairs)).expect("a map");
        assert_eq!(list.iter().collect::<Vec<_>>(), [("a", "\u{fffd}\u{fffd}"), ("b", "2")]);
    }
}
