//! The two messages of gRPC's health checking protocol. They have one field each and are written by hand.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};

use crate::request::ProbeRequest;

/// The bytes in front of a gRPC message: a flag, and the message's length.
const PREFIX: usize = 5;

/// The request that asks for the health of a service.
pub(crate) fn request(service: &str, host: Option<HeaderValue>, mut headers: HeaderMap) -> ProbeRequest {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    ProbeRequest {
        method: Method::POST,
        path: "/grpc.health.v1.Health/Check".to_owned(),
        host,
        headers,
        body: encode(service),
    }
}

/// `HealthCheckRequest { service = 1 }` as a gRPC message.
fn encode(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put(message);
    framed.freeze()
}

fn put_varint(out: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        out.put_u8((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

/// The `status = 1` of a gRPC message with a `HealthCheckResponse`; 0 if it is absent. None: it is no such message.
pub(crate) fn decode(framed: &[u8]) -> Option<u64> {
    let (prefix, mut message) = framed.split_first_chunk::<PREFIX>()?;
    let [is_compressed, length @ ..] = *prefix;
    if is_compressed != 0 || u32::from_be_bytes(length) as usize != message.len() {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        match (key >> 3, key & 7) {
            (1, 0) => status = take_varint(&mut message)?,
            // Fields that this version does not know.
            (_, 0) => drop(take_varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_protobuf_says() {
        assert_eq!(&encode("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&encode("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = encode(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 0x02]);
        assert_eq!(long.len(), 5 + 3 + 300);
    }

    #[test]
    fn responses_are_read_with_fields_of_later_versions() {
        assert_eq!(decode(&[0, 0, 0, 0, 2, 0x08, 1]), Some(1));
        assert_eq!(decode(&[0, 0, 0, 0, 0]), Some(0));
        let with_others = [0, 0, 0, 0, 9, 0x12, 1, b'x', 0x08, 2, 0x1d, 1, 2, 3];
        assert_eq!(decode(&with_others), None, "the last field is cut");
        let with_others = [0, 0, 0, 0, 10, 0x12, 1, b'x', 0x08, 2, 0x1d, 1, 2, 3, 4];
        assert_eq!(decode(&with_others), Some(2));
    }

    #[test]
    fn what_is_no_message_is_not_read() {
        for bytes in [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 2, 0x08, 1],
            &[0, 0, 0, 0, 3, 0x08, 1],
            &[0, 0, 0, 0, 1, 0x08],
            &[0, 0, 0, 0, 2, 0x0b, 1],
            &[0, 0, 0, 0, 11, 0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0, 0, 0, 0, 3, 0x12, 0xff, 0x01],
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
