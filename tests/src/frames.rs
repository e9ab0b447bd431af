//! HTTP/2 by hand: frames, and header blocks without compression.

use crate::{Gateway, Wire};
use std::time::{Duration, Instant};

/// The client's preface and its empty settings.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A frame's type.
pub const HEADERS: u8 = 1;
/// A frame's type.
pub const RST_STREAM: u8 = 3;
/// A frame's type.
pub const PING: u8 = 6;
/// A frame's type.
pub const GOAWAY: u8 = 7;
/// A frame's flag.
pub const END_STREAM: u8 = 1;
/// A frame's flag.
pub const END_HEADERS: u8 = 4;

/// A frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Literal fields, without indexing and without Huffman coding.
///
/// # Panics
/// When one is too long for that.
#[must_use]
pub fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for part in [name, value] {
            assert!(part.len() < 127);
            block.push(part.len() as u8);
            block.extend(part.bytes());
        }
    }
    block
}

/// The fields of a sound request.
pub const WHOLE: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "a"),
];

/// A connection that has begun.
///
/// # Panics
/// When the gateway does not read.
#[must_use]
pub fn connect(gateway: &Gateway) -> Wire {
    let mut wire = gateway.connect();
    wire.write(PREFACE).expect("the gateway reads");
    wire
}

/// The kinds of the frames that come, with their streams and payloads: until the first stream has an answer or an end, the
/// gateway closes, or the time is over.
///
/// # Panics
/// When the socket takes no options.
pub fn frames(wire: &mut Wire, within: Duration) -> Vec<(u8, u32, Vec<u8>)> {
    let until = Instant::now() + within;
    let pause = Some(Duration::from_millis(50));
    wire.socket().set_read_timeout(pause).expect("a socket takes options");
    let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
    while Instant::now() < until
        && !parsed(&bytes)
            .iter()
            .any(|(kind, ..)| [HEADERS, RST_STREAM, GOAWAY].contains(kind))
    {
        match wire.some(&mut buffer) {
            Ok(0) => break,
            Ok(read) => bytes.extend(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    parsed(&bytes)
}

/// The frames that these bytes hold: type, stream and payload.
#[must_use]
pub fn parsed(mut rest: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let stream = u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]);
        frames.push((rest[3], stream, rest.get(9..9 + length).unwrap_or_default().to_vec()));
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    frames
}
