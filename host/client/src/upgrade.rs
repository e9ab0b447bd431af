//! [`UpgradeOffer`]: what a request offers to speak instead of HTTP, and [`Tunnel`]: the connection once the upstream has agreed.

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderMap, HeaderValue};

use crate::lease::Lease;
use crate::socket::Socket;

/// What a request offers to speak instead of HTTP.
#[derive(Clone, Debug)]
pub struct UpgradeOffer {
    /// The protocols, as the request's `upgrade` has them.
    pub protocols: HeaderValue,
    /// The `sec-websocket-accept` that the response must have, if the key was made by the gateway.
    pub accept: Option<HeaderValue>,
}

/// A connection to an endpoint that speaks another protocol from now on.
pub struct Tunnel {
    /// The connection.
    pub socket: Socket,
    /// What was read behind the head of the response.
    pub received: Bytes,
    /// Given back when the tunnel has ended: its endpoint is in use until then.
    pub lease: Option<Lease>,
}

impl UpgradeOffer {
    /// Checks the headers of a 101.
    ///
    /// # Errors
    /// What it lacks: the response is not one to this offer.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let is_listed = items(headers, &CONNECTION).any(|item| item.eq_ignore_ascii_case(b"upgrade"));
        if !is_listed {
            return Err("101 without `connection: upgrade`");
        }
        let is_offered = |chosen: &[u8]| list(&self.protocols).any(|offered| offered.eq_ignore_ascii_case(chosen));
        let mut chosen = items(headers, &UPGRADE).peekable();
        if chosen.peek().is_none() || !chosen.all(is_offered) {
            return Err("101 to a protocol that was not asked for");
        }
        match &self.accept {
            Some(accept) if headers.get(SEC_WEBSOCKET_ACCEPT) != Some(accept) => {
                Err("101 with a wrong sec-websocket-accept")
            }
            _ => Ok(()),
        }
    }
}

fn items<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().flat_map(list)
}

fn list(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let items = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    items.filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_101_names_protocols_that_were_offered_and_nothing_else() {
        let offer = |accept: Option<&'static str>| UpgradeOffer {
            protocols: HeaderValue::from_static("websocket, Foo/2"),
            accept: accept.map(HeaderValue::from_static),
        };
        let headers = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)));
            fields.collect()
        };
        let listed = ("connection", "keep-alive, Upgrade");
        for chosen in ["websocket", "WebSocket", "foo/2", "foo/2, websocket"] {
            assert_eq!(
                offer(None).check(&headers(&[listed, ("upgrade", chosen)])),
                Ok(()),
                "{chosen}"
            );
        }
        for chosen in ["", ",", "foo", "foo/3", "h2c", "websocket, h2c", "websocket foo/2"] {
            assert!(
                offer(None).check(&headers(&[listed, ("upgrade", chosen)])).is_err(),
                "{chosen}"
            );
        }
        assert!(offer(None).check(&headers(&[listed])).is_err());
        assert!(offer(None).check(&headers(&[("upgrade", "websocket")])).is_err());
        assert!(
            offer(None)
                .check(&headers(&[("connection", "close"), ("upgrade", "websocket")]))
                .is_err()
        );
        let accepted = |accept| headers(&[listed, ("upgrade", "websocket"), ("sec-websocket-accept", accept)]);
        assert_eq!(offer(Some("aa=")).check(&accepted("aa=")), Ok(()));
        assert!(offer(Some("aa=")).check(&accepted("AA=")).is_err());
        assert!(
            offer(Some("aa="))
                .check(&headers(&[listed, ("upgrade", "websocket")]))
                .is_err()
        );
    }
}
