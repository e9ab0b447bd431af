//! Text without the standard library's formatting code, which would be the largest part of a small module: UTF-8 from
//! bytes of the host, and decimal numbers.

pub mod base64;
pub(crate) mod sha256;

use std::borrow::Cow;

/// The text of these bytes. Invalid UTF-8 is replaced by U+FFFD.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| replace_invalid(error.as_bytes()))
}

/// As [`lossy`], of borrowed bytes.
pub(crate) fn lossy_str(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(replace_invalid(bytes)),
    }
}

/// Appends text as a part of a form (`application/x-www-form-urlencoded`).
pub(crate) fn push_form(form: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => form.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => form.push(char::from(byte)),
            byte => {
                form.push('%');
                for digit in [byte >> 4, byte & 15] {
                    form.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                }
            }
        }
    }
}

/// As `String::from_utf8_lossy`, with a tenth of its code. Its speed does not matter: valid UTF-8 never comes here.
#[cold]
#[inline(never)]
fn replace_invalid(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => error,
        };
        let (good, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or((bytes, &[]));
        text.push_str(std::str::from_utf8(good).unwrap_or_default());
        text.push('\u{fffd}');
        bytes = error.error_len().and_then(|bad| rest.get(bad..)).unwrap_or_default();
        if bytes.is_empty() {
            return text;
        }
    }
}

/// Appends a number in decimal.
pub(crate) fn push_number(line: &mut String, mut value: u64) {
    let mut digits = [0; 20];
    let mut count = 0;
    loop {
        digits[count] = b'0' + (value % 10) as u8;
        count += 1;
        value /= 10;
        if value == 0 || count == digits.len() {
            break;
        }
    }
    while count > 0 {
        count -= 1;
        line.push(char::from(digits[count]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_is_replaced_as_the_standard_library_does() {
        let cases: [&[u8]; 7] = [
            b"",
            b"abc",
            b"\xff",
            b"a\xe4b",
            "ä\u{1f600}".as_bytes(),
            b"\xf0\x9f\x98 x\xc3",
            b"\xed\xa0\x80\x80z",
        ];
        for bytes in cases {
            assert_eq!(lossy(bytes.to_vec()), String::from_utf8_lossy(bytes), "{bytes:?}");
        }
    }
}
