//! [`Headers`]: a view of one header map that the host holds. Nothing is copied until it is asked for.

use std::str::FromStr;

use crate::abi::pairs;
use crate::abi::{Map, Status};
use crate::error::{Error, Result};
use crate::host;
use crate::http::message::MessageState;
use crate::text;

/// A header map of the request, the response or a callout's answer. Names are lower case; the pseudo-headers
/// (`:method`, `:status`, …) are ordinary entries.
#[derive(Debug, Clone, Copy)]
pub struct Headers {
    map: Map,
    /// They were sent on, and changing them would change nothing.
    are_sent: bool,
}

impl Headers {
    pub(crate) const fn of(map: Map) -> Headers {
        Headers { map, are_sent: false }
    }

    /// The headers of a message whose hook waits with it.
    pub(crate) fn of_message(map: Map, message: Option<&MessageState>) -> Headers {
        let are_sent = message.is_some_and(|message| message.headers_sent.get());
        Headers { map, are_sent }
    }

    fn open(self) -> Result<()> {
        if self.are_sent { Err(Error::HeadersSent) } else { Ok(()) }
    }

    /// A header's value; the first one when there are several. Bytes that are not UTF-8 are replaced.
    pub fn first(self, name: &str) -> Result<Option<String>> {
        Ok(self.first_bytes(name)?.map(text::lossy))
    }

    /// A header's value as it is; the first one when there are several.
    pub fn first_bytes(self, name: &str) -> Result<Option<Vec<u8>>> {
        host::header(self.map, name).map_err(Error::host("proxy_get_header_map_value"))
    }

    /// A header's value as another type, like a number; the first one when there are several.
    ///
    /// # Errors
    /// [`Error::BadValue`] for one that is not of this type.
    pub fn parsed<T: FromStr>(self, name: &str) -> Result<Option<T>> {
        Error::parsed(name, self.first(name)?.as_deref())
    }

    /// All values of a header, in their order.
    pub fn all(self, name: &str) -> Result<Vec<String>> {
        Ok(self
            .list()?
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
            .collect())
    }

    /// The whole map in one call to the host; the way to look at many headers at once. Empty where the phase has no
    /// such map. Bytes that are not UTF-8 are replaced.
    pub fn list(self) -> Result<HeaderList> {
        let bytes = host::headers(self.map)
            .map_err(Error::host("proxy_get_header_map_pairs"))?
            .unwrap_or_default();
        HeaderList::decode(&bytes).ok_or(Error::Malformed("proxy_get_header_map_pairs"))
    }

    /// Replaces the whole map.
    pub fn replace<N: AsRef<str>, V: AsRef<str>>(self, pairs: &[(N, V)]) -> Result<()> {
        self.open()?;
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        host::set_headers(self.map, &pairs::encode(&pairs)).map_err(Error::host("proxy_set_header_map_pairs"))
    }

    /// Gives a header this value alone.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` for what would break framing: bad bytes, `content-length`, hop-by-hop headers; and
    /// [`Error::HeadersSent`].
    pub fn set(self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.open()?;
        host::set_header(self.map, name, value.as_ref()).map_err(Error::host("proxy_replace_header_map_value"))
    }

    /// Adds a value to those that a header has. Errors as [`Headers::set`].
    pub fn add(self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.open()?;
        host::add_header(self.map, name, value.as_ref()).map_err(Error::host("proxy_add_header_map_value"))
    }

    /// Removes all values of a header; one that is not there is no error.
    pub fn remove(self, name: &str) -> Result<()> {
        self.open()?;
        match host::remove_header(self.map, name) {
            Ok(()) | Err(Status::NotFound) => Ok(()),
            Err(status) => Err(Error::host("proxy_remove_header_map_value")(status)),
        }
    }
}

/// A copy of a header map, in its order. It is one piece of text, however many headers there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderList {
    /// All names and values, one behind the other.
    text: String,
    /// The lengths of each name and its value.
    lengths: Vec<(usize, usize)>,
}

impl HeaderList {
    fn decode(bytes: &[u8]) -> Option<HeaderList> {
        let pairs = pairs::decode(bytes)?.into_iter();
        Some(HeaderList::of(
            pairs.map(|(name, value)| (text::lossy_str(name), text::lossy_str(value))),
        ))
    }

    /// The list of these headers.
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

    /// Every name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let mut rest = self.text.as_str();
        self.lengths.iter().map(move |(name, value)| {
            // The lengths are those of the texts that were put together, so that no split is out of place.
            let (this_name, behind) = rest.split_at_checked(*name).unwrap_or(("", ""));
            let (this_value, behind) = behind.split_at_checked(*value).unwrap_or(("", ""));
            rest = behind;
            (this_name, this_value)
        })
    }

    /// A header's value; the first one when there are several.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_what_was_put_in() {
        let pairs = [("a", "1"), ("empty", ""), ("a", "zwei – drei")];
        let list = HeaderList::decode(&pairs::encode(&pairs)).expect("a map");
        assert_eq!(list.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(list, HeaderList::of(pairs));
        assert_eq!(list.first("a"), Some("1"));
        assert_eq!(list.first("b"), None);
    }

    #[test]
    fn bytes_that_are_no_text_do_not_shift_what_follows() {
        let pairs: [(&[u8], &[u8]); 2] = [(b"a", b"\xff\xfe"), (b"b", b"2")];
        let list = HeaderList::decode(&pairs::encode(&pairs)).expect("a map");
        assert_eq!(list.iter().collect::<Vec<_>>(), [("a", "\u{fffd}\u{fffd}"), ("b", "2")]);
    }
}
