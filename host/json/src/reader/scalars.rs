//! Scalars: strings with their escapes, numbers, `true`, `false` and `null`.

use super::cursor::Cursor;
use crate::mistake::Mistake;
use crate::tree::{Text, Value};

impl Cursor<'_> {
    pub(super) fn string_value(&mut self) -> Result<Value, Mistake> {
        Ok(Value::String(Text {
            value: self.string()?,
            written: None,
        }))
    }

    /// A string, from its opening quote.
    pub(super) fn string(&mut self) -> Result<String, Mistake> {
        let opened = self.at;
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .find(|c: char| c == '"' || c == '\\' || c < ' ')
                .unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(b'\n' | b'\r') | None => {
                    self.at = opened;
                    return Err(self
                        .error("not JSON: found an unclosed string")
                        .expected("a closing quote"));
                }
                Some(_) => return Err(self.unexpected("the escape \\u00XX for a control character")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Mistake> {
        const KNOWN: &str = "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX";
        let escape = self.text.as_bytes().get(self.at + 1).copied();
        let plain = match escape {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.error("not JSON: found an unknown escape").expected(KNOWN)),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\uXXXX`, or two of them where they are a surrogate pair.
    fn unicode(&mut self) -> Result<char, Mistake> {
        let at = self.at;
        let mut units = Vec::with_capacity(2);
        while units.len() < 2
            && let Some(unit) = self.hex_unit()
        {
            units.push(unit);
            self.at += 6;
            if let Some(Ok(c)) = char::decode_utf16(units.iter().copied()).next() {
                return Ok(c);
            }
        }
        self.at = at;
        Err(self
            .error("not JSON: found an invalid \\u escape")
            .expected("four hex digits, surrogates in pairs"))
    }

    fn hex_unit(&self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 6)?.strip_prefix("\\u")?;
        digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u16::from_str_radix(digits, 16).ok())?
    }

    /// A number, as it is written.
    pub(super) fn number(&mut self) -> Result<Value, Mistake> {
        let at = self.at;
        self.take(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            self.at = at;
            return Err(self
                .error("not JSON: found an invalid number")
                .expected("digits without a leading zero"));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.unexpected("a digit after the decimal point"));
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.unexpected("a digit in the exponent"));
            }
        }
        let written = &self.text[at..self.at];
        if !written.parse::<f64>().is_ok_and(f64::is_finite) {
            self.at = at;
            return Err(self.error("found a number that is too large"));
        }
        Ok(Value::Number(written.to_owned()))
    }

    fn digits(&mut self) -> usize {
        let at = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - at
    }

    /// `true`, `false` or `null`.
    pub(super) fn word(&mut self) -> Result<Value, Mistake> {
        let rest = &self.text[self.at..];
        let word = &rest[..rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len())];
        let value = match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "" => return Err(self.unexpected("a value")),
            _ => {
                let short: String = word.chars().take(20).collect();
                let hint = "put text in double quotes";
                return Err(self
                    .error(format!("not JSON: found {short}"))
                    .expected("a value")
                    .hint(hint));
            }
        };
        self.at += word.len();
        Ok(value)
    }
}
