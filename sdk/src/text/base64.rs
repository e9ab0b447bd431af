//! Base64 (RFC 4648): the standard alphabet with padding, and the one for URLs and tokens without padding.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes, with padding.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let value = group
            .iter()
            .fold(0u32, |value, byte| value << 8 | u32::from(*byte))
            .wrapping_shl(8 * (3 - group.len() as u32));
        for digit in 0..4 {
            let index = value >> (18 - 6 * digit) & 63;
            let is_padding = digit as usize > group.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(ALPHABET[index as usize])
            });
        }
    }
    text
}

/// Decodes text of the alphabet for URLs, without padding, such as the parts of a JWT. `None` if it is malformed.
pub fn decode_url(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/', '=']) {
        return None;
    }
    let mut standard = text.replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    decode(&standard)
}

/// Decodes text with padding. `None` if it is malformed.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let body = text
        .strip_suffix(b"==")
        .or_else(|| text.strip_suffix(b"="))
        .unwrap_or(text);
    for group in body.chunks(4) {
        let mut value = 0u32;
        for digit in group {
            let index = ALPHABET.iter().position(|known| known == digit)?;
            value = value << 6 | index as u32;
        }
        value <<= 6 * (4 - group.len());
        let [_, decoded @ ..] = value.to_be_bytes();
        bytes.extend_from_slice(decoded.get(..group.len().checked_sub(1)?)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc_hold_in_both_directions() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(encode(&[255, 254, 0]), "//4A");
        assert_eq!(decode_url("__4A"), decode("//4A"));
        assert_eq!(decode_url("Zg").as_deref(), Some(&b"f"[..]));
        for malformed in ["Zg==", "//4A", "Z", "Zg "] {
            assert_eq!(decode_url(malformed), None, "{malformed}");
        }
        for malformed in ["Zg", "Zg=", "====", "Z===", "Zg==Zg==", "Zm9 "] {
            assert_eq!(decode(malformed), None, "{malformed}");
        }
    }
}
