//! [`MapMut`]: writing header maps, one entry or the whole map.

use http::header::Entry;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lockgate_abi::MapType;
use lockgate_exchange::{Exchange, RequestHead};

use super::checks::{self, HeaderError, MAX_FIELDS};
use super::filter::HeaderFilter;
use super::find;

/// A header map that a guest changes.
pub(crate) struct MapMut<'a> {
    target: Target<'a>,
    filter: &'a HeaderFilter,
}

enum Target<'a> {
    Request(&'a mut RequestHead),
    Response(&'a mut StatusCode, &'a mut HeaderMap),
    Trailers(&'a mut HeaderMap),
}

impl<'a> MapMut<'a> {
    /// A map of an exchange. `None` if it does not exist in this phase, or is read-only.
    pub(crate) fn of(exchange: &'a mut Exchange, map: MapType, filter: &'a HeaderFilter) -> Option<Self> {
        let target = match map {
            MapType::HttpRequestHeaders if exchange.tcp.is_none() => Target::Request(&mut exchange.request),
            MapType::HttpResponseHeaders => {
                let head = exchange.response.as_mut()?;
                Target::Response(&mut head.status, &mut head.headers)
            }
            MapType::HttpRequestTrailers => Target::Trailers(exchange.request_trailers.as_mut()?),
            MapType::HttpResponseTrailers => Target::Trailers(exchange.response_trailers.as_mut()?),
            _ => return None,
        };
        Some(Self { target, filter })
    }

    /// Adds a value. A pseudo-header has one value, so it is replaced.
    pub(crate) fn add(mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        if self.pseudo(name, value)? {
            return Ok(());
        }
        let name = checks::name(name)?;
        let value = checks::value(value)?;
        if checks::is_framing(name.as_str().as_bytes()) {
            return Err(HeaderError::Framing);
        }
        append(self.fields(), name, value)
    }

    /// Replaces all values of a name.
    pub(crate) fn replace(mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        if self.pseudo(name, value)? {
            return Ok(());
        }
        let value = checks::value(value)?;
        let fields = self.fields();
        if checks::is_framing(name) {
            // Writing the same value changes nothing.
            return if find::first(fields, name) == Some(&value) {
                Ok(())
            } else {
                Err(HeaderError::Framing)
            };
        }
        if let Some(known) = find::only_mut(fields, name) {
            *known = value;
            return Ok(());
        }
        // As text, so that an existing name is found without being copied.
        let text = std::str::from_utf8(name).map_err(|_| HeaderError::Name)?;
        let full = fields.len() >= MAX_FIELDS;
        match fields.try_entry(text) {
            Ok(Entry::Occupied(mut entry)) => {
                entry.insert(value);
                Ok(())
            }
            Ok(Entry::Vacant(entry)) if !full => entry.try_insert(value).map(|_| ()).map_err(|_| HeaderError::TooMany),
            Ok(Entry::Vacant(_)) => Err(HeaderError::TooMany),
            Err(_) => Err(HeaderError::Name),
        }
    }

    /// Removes all values of a name. Removing `content-length` leaves the framing to the gateway; plugins do so before they
    /// change a body.
    pub(crate) fn remove(mut self, name: &[u8]) -> Result<(), HeaderError> {
        if !self.filter.allows_writing(name) {
            // What is not there needs no permission to be removed.
            return if self.current(name).is_some() {
                Err(HeaderError::NotPermitted)
            } else {
                Ok(())
            };
        }
        if name.first() == Some(&b':') {
            return Err(HeaderError::Pseudo);
        }
        if matches!(self.target, Target::Request(_)) && name.eq_ignore_ascii_case(b"host") {
            return Err(HeaderError::Pseudo);
        }
        // A name that is invalid is never there, so removing it is no error.
        if let Ok(name) = checks::name(name) {
            self.fields().remove(name);
        }
        Ok(())
    }

    /// Replaces the whole map, or nothing if an entry is refused. Pseudo-headers that are missing stay, and so do headers that
    /// the plugin may not read.
    pub(crate) fn set_all<'p>(
        mut self,
        pairs: impl Iterator<Item = (&'p [u8], &'p [u8])> + Clone,
    ) -> Result<(), HeaderError> {
        let mut fresh = HeaderMap::with_capacity(pairs.size_hint().0.min(MAX_FIELDS));
        let host_is_pseudo = matches!(self.target, Target::Request(_));
        let is_pseudo =
            |name: &[u8]| name.first() == Some(&b':') || (host_is_pseudo && name.eq_ignore_ascii_case(b"host"));
        let written = |name: &[u8]| self.filter.allows_writing(name);
        for (name, value) in pairs.clone().filter(|(name, _)| !is_pseudo(name)) {
            let is_written = written(name);
            let name = checks::name(name)?;
            let value = checks::value(value)?;
            if !is_written {
                // Written back as it was read: it stays. Anything else is a change.
                if self.filter.allows(name.as_str().as_bytes())
                    && self.fields_ref().get_all(&name).iter().any(|known| known == value)
                {
                    continue;
                }
                return Err(HeaderError::NotPermitted);
            }
            if checks::is_framing(name.as_str().as_bytes()) {
                // What is there stays, once, whatever the plugin wrote.
                if !fresh.contains_key(&name) {
                    for known in self.fields_ref().get_all(&name) {
                        append(&mut fresh, name.clone(), known.clone())?;
                    }
                }
                continue;
            }
            append(&mut fresh, name, value)?;
        }
        if !self.filter.is_open() {
            let filter = self.filter;
            for (name, value) in self
                .fields()
                .iter()
                .filter(|(name, _)| !filter.allows_writing(name.as_str().as_bytes()))
            {
                append(&mut fresh, name.clone(), value.clone())?;
            }
        }
        for (name, value) in pairs.clone().filter(|(name, _)| is_pseudo(name)) {
            if !self.holds_pseudo(name, value) {
                self.check_pseudo(name, value)?;
            }
        }
        for (name, value) in pairs.filter(|(name, _)| is_pseudo(name)) {
            if !self.holds_pseudo(name, value) {
                self.pseudo(name, value)?;
            }
        }
        *self.fields() = fresh;
        Ok(())
    }

    fn permit(&self, name: &[u8]) -> Result<(), HeaderError> {
        if self.filter.allows_writing(name) {
            Ok(())
        } else {
            Err(HeaderError::NotPermitted)
        }
    }

    /// Checks a pseudo-header. Other names pass.
    fn check_pseudo(&self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        self.permit(name)?;
        match (&self.target, name) {
            (Target::Request(_), b":path") => checks::path(value).map(drop),
            (Target::Request(_), b":method") => checks::method(value).map(drop),
            (Target::Request(_), b":scheme") => checks::scheme(value).map(drop),
            (Target::Request(_), _) if is_authority(name) => checks::authority(value).map(drop),
            (Target::Response(..), b":status") => checks::status(value).map(drop),
            _ => Err(HeaderError::Pseudo),
        }
    }

    /// Whether a pseudo-header has this value already. It is only used where writing is restricted.
    fn holds_pseudo(&self, name: &[u8], value: &[u8]) -> bool {
        !self.filter.is_open() && self.filter.allows(name) && self.pseudo_value(name) == Some(value)
    }

    /// The value of a pseudo-header.
    fn pseudo_value(&self, name: &[u8]) -> Option<&[u8]> {
        Some(match (&self.target, name) {
            (Target::Request(head), b":path") => head.path.as_str().as_bytes(),
            (Target::Request(head), b":method") => head.method.as_str().as_bytes(),
            (Target::Request(head), b":scheme") => head.scheme.as_str().as_bytes(),
            (Target::Request(head), _) if is_authority(name) => head.authority.as_bytes(),
            (Target::Response(status, _), b":status") => status.as_str().as_bytes(),
            _ => return None,
        })
    }

    /// The first value of a name, whatever the plugin may see: for the host's own use.
    pub(crate) fn current(&self, name: &[u8]) -> Option<&[u8]> {
        let field = || find::first(self.fields_ref(), name).map(HeaderValue::as_bytes);
        self.pseudo_value(name).or_else(field)
    }

    /// Writes a pseudo-header. False for any other name.
    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<bool, HeaderError> {
        self.permit(name)?;
        match &mut self.target {
            Target::Request(head) => match name {
                b":path" => head.path = checks::path(value)?,
                b":method" => head.method = checks::method(value)?,
                b":scheme" => head.scheme = checks::scheme(value)?,
                _ if is_authority(name) => head.authority = checks::authority(value)?,
                [b':', ..] => return Err(HeaderError::Pseudo),
                _ => return Ok(false),
            },
            Target::Response(status, _) if name == b":status" => **status = checks::status(value)?,
            _ if name.first() == Some(&b':') => return Err(HeaderError::Pseudo),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn fields_ref(&self) -> &HeaderMap {
        match &self.target {
            Target::Request(head) => &head.headers,
            Target::Response(_, fields) | Target::Trailers(fields) => fields,
        }
    }

    fn fields(&mut self) -> &mut HeaderMap {
        match &mut self.target {
            Target::Request(head) => &mut head.headers,
            Target::Response(_, fields) | Target::Trailers(fields) => fields,
        }
    }
}

/// `:authority` or `host`, which means the same to plugins, as in Envoy.
pub(super) fn is_authority(name: &[u8]) -> bool {
    name == b":authority" || name.eq_ignore_ascii_case(b"host")
}

pub(super) fn append(fields: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), HeaderError> {
    if fields.len() >= MAX_FIELDS {
        return Err(HeaderError::TooMany);
    }
    fields
        .try_append(name, value)
        .map(drop)
        .map_err(|_| HeaderError::TooMany)
}

/// The headers of a local response. `:status` and framing headers are left out, as in Envoy: a plugin that denies a request must
/// not fail to because of a wrong length.
pub(crate) fn local_headers<'p>(pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Result<HeaderMap, HeaderError> {
    let mut fields = HeaderMap::new();
    for (name, value) in pairs.filter(|(name, _)| *name != b":status" && !checks::is_framing(name)) {
        append(&mut fields, checks::name(name)?, checks::value(value)?)?;
    }
    Ok(fields)
}
