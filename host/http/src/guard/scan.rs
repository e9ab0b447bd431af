//! Classes of bytes, and the search for the next control character.

/// The bytes of methods and field names (RFC 9110, section 5.6.2).
static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~", true);
/// The bytes of an accepted path. RFC 3986, section 3.3, does not allow all of them, but all are in use and every reader agrees on them.
static PATH: [bool; 256] = table(b"!$%&'()*+,-./:;=@[\\]^_|~\"{}", false);
/// The bytes of an accepted query.
static QUERY: [bool; 256] = table(b"!$%&'()*+,-./:;=@[\\]^_|~`{}?", false);

/// Letters, digits and `others`; unless `ascii`, also every byte above ASCII.
const fn table(others: &[u8], ascii: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || (!ascii && byte >= 0x80);
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

/// Offset of the first control character other than a tab in `data`, from `from` on; the length of `data` if there is none.
/// Line ends are control characters too. Takes eight bytes at a time, because every byte of a head passes here.
#[inline]
pub(super) fn control(data: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = data[at..].first_chunk::<8>() {
        let found = controls(u64::from_le_bytes(*word));
        if found == 0 {
            at += 8;
            continue;
        }
        at += (found.trailing_zeros() / 8) as usize;
        if data[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    data[at..]
        .iter()
        .position(|&byte| is_control(byte))
        .map_or(data.len(), |offset| at + offset)
}

/// The highest bit of each byte that is a control character, tabs included. Only the first one is reliable: the subtractions borrow
/// from the bytes above it.
#[inline]
fn controls(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let other = word ^ (ONES * 0x7f);
    let delete = other.wrapping_sub(ONES) & !other;
    (below_space | delete) & (ONES * 0x80)
}

/// A control character other than a tab.
#[inline]
pub(super) fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// A byte of a token.
#[inline]
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// The length of the token that `text` begins with.
#[inline]
pub(super) fn token(text: &[u8]) -> usize {
    text.iter().position(|&byte| !is_token(byte)).unwrap_or(text.len())
}

/// Whether `target` is a path, with or without a query, that the HTTP library takes too. No fragment.
pub(super) fn is_path_and_query(target: &[u8]) -> bool {
    let path = target
        .iter()
        .position(|&byte| !PATH[usize::from(byte)])
        .unwrap_or(target.len());
    let fits = match target[path..].split_first() {
        None => true,
        Some((b'?', query)) => query.iter().all(|&byte| QUERY[usize::from(byte)]),
        Some(_) => false,
    };
    fits && (target.is_ascii() || std::str::from_utf8(target).is_ok())
}

/// `target` with escapes for the characters that browsers and other servers send on as they are and that the HTTP library takes for none of a
/// URI's: `<`, `>` and a backtick in a path, `<`, `>` and `"` in a query. None: it has none of them.
pub fn escaped(target: &[u8]) -> Option<Vec<u8>> {
    let start = match target.first() {
        Some(b'/') => 0,
        // The absolute form. A host has no such characters.
        _ => {
            let host = target.windows(3).position(|bytes| bytes == b"://")? + 3;
            host + target[host..].iter().position(|byte| matches!(byte, b'/' | b'?'))?
        }
    };
    let query = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let mut out = target[..start].to_vec();
    for (at, &byte) in target.iter().enumerate().skip(start) {
        match byte {
            b'<' => out.extend(b"%3C"),
            b'>' => out.extend(b"%3E"),
            b'`' if at < query => out.extend(b"%60"),
            b'"' if at > query => out.extend(b"%22"),
            byte => out.push(byte),
        }
    }
    (out.len() > target.len()).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_control_character_is_found_wherever_it_is(
            data in proptest::collection::vec(prop_oneof![4 => any::<u8>(), 8 => 0x1eu8..0x82, 2 => Just(b'\t'), 1 => Just(0x7f)], 0..64),
            from in 0usize..64,
        ) {
            let from = from.min(data.len());
            let expected = (from..data.len()).find(|&at| data[at] != b'\t' && (data[at] < 0x20 || data[at] == 0x7f));
            prop_assert_eq!(control(&data, from), expected.unwrap_or(data.len()));
        }

        #[test]
        fn accepted_paths_are_those_of_the_http_library(rest in proptest::collection::vec(any::<u8>(), 0..6)) {
            let target = [b"/".as_slice(), &rest].concat();
            let taken = http::uri::PathAndQuery::try_from(&target[..]).is_ok() && !target.contains(&b'#');
            prop_assert_eq!(is_path_and_query(&target), taken);
        }
    }

    #[test]
    fn classes_of_bytes_are_those_of_the_http_library() {
        for byte in 0..=255u8 {
            assert_eq!(is_token(byte), http::Method::from_bytes(&[byte]).is_ok(), "{byte:#x}");
            let value = http::HeaderValue::from_bytes(&[byte]).is_ok();
            assert_eq!(!is_control(byte), value, "{byte:#x}");
            for target in [[b'/', byte].as_slice(), &[b'/', b'?', byte]] {
                let taken = http::uri::PathAndQuery::try_from(target).is_ok() && byte != b'#';
                assert_eq!(is_path_and_query(target), taken, "{target:?}");
            }
        }
    }
}
