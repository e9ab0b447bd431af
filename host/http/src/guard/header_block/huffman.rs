//! The Huffman code of HPACK (RFC 7541, appendix B). It is canonical, so the lengths of its codes are all there is to know.

/// Lengths of the codes, by byte.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26,
];
/// The longest code.
const MAX_LENGTH: usize = 30;

/// The code, in the form that a decoder needs.
struct Code {
    /// Bytes in the order of their codes.
    bytes: [u8; 256],
    /// By length: the first code, the number of codes, and the place of the first in `bytes`.
    first: [u32; MAX_LENGTH + 1],
    count: [u32; MAX_LENGTH + 1],
    place: [u32; MAX_LENGTH + 1],
}

static CODE: Code = code();

const fn code() -> Code {
    let mut code = Code {
        bytes: [0; 256],
        first: [0; MAX_LENGTH + 1],
        count: [0; MAX_LENGTH + 1],
        place: [0; MAX_LENGTH + 1],
    };
    let (mut length, mut next, mut placed) = (1, 0, 0);
    while length <= MAX_LENGTH {
        next <<= 1;
        code.first[length] = next;
        code.place[length] = placed;
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                code.bytes[placed as usize] = byte as u8;
                placed += 1;
                next += 1;
                code.count[length] += 1;
            }
            byte += 1;
        }
        length += 1;
    }
    code
}

/// Decodes `text` to the end of `out`. What is no code at its end is padding.
///
/// # Errors
/// A code that stands for no byte.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), super::BrokenBlock> {
    let (mut bits, mut length) = (0u32, 0);
    for byte in text {
        for shift in (0..8).rev() {
            bits = bits << 1 | u32::from(byte >> shift & 1);
            length += 1;
            let nth = bits.wrapping_sub(CODE.first[length]);
            if nth < CODE.count[length] {
                out.push(CODE.bytes[(CODE.place[length] + nth) as usize]);
                (bits, length) = (0, 0);
            } else if length == MAX_LENGTH {
                return Err(super::BrokenBlock);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_are_decoded() {
        for (code, text) in [
            (
                &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
                "www.example.com",
            ),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
        ] {
            let mut out = Vec::new();
            decode(code, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        assert!(decode(&[0xff; 4], &mut Vec::new()).is_err(), "the end-of-string code");
    }
}
