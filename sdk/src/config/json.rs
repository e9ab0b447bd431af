//! The JSON reader (RFC 8259), from text to a [`Value`]. It is strict, and small, as every module with a configuration
//! contains it.

use std::borrow::Cow;

use super::value::{Value, quoted};
use crate::error::ConfigError;
use crate::text::push_number;

/// The maximum depth of nesting: a guest's stack is small.
const MAX_DEPTH: u32 = 64;

/// Parses a text that is one JSON value.
pub(super) fn parse(text: &str) -> Result<Value<'_>, ConfigError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_whitespace();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.error("the end")),
    }
}

/// A value as JSON text.
pub(super) fn text(value: &Value<'_>) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number),
        Value::Text(text) => write_text(text, out),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\u{1f}' => {
                let code = u32::from(character);
                let digit = |value: u32| char::from_digit(value, 16).unwrap_or('0');
                out.extend(['\\', 'u', '0', '0', digit(code >> 4), digit(code & 15)]);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    /// The offset in bytes, always at a character boundary.
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u32) -> Result<Value<'a>, ConfigError> {
        if depth > MAX_DEPTH {
            return Err(ConfigError::new("the JSON is nested too deeply"));
        }
        self.skip_whitespace();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Value<'a>, ConfigError> {
        let words = ["null", "true", "false"];
        let Some(word) = words.into_iter().find(|word| self.rest().starts_with(word)) else {
            return Err(self.error("a value"));
        };
        self.at += word.len();
        Ok(match word {
            "null" => Value::Null,
            word => Value::Bool(word == "true"),
        })
    }

    fn object(&mut self, depth: u32) -> Result<Value<'a>, ConfigError> {
        let mut members: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
        self.at += 1;
        while !self.closes(b'}', members.is_empty())? {
            self.skip_whitespace();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key in quotes"));
            }
            let name = self.string()?;
            self.skip_whitespace();
            self.require(b':', "\":\"")?;
            if members.iter().any(|(known, _)| *known == name) {
                return Err(ConfigError::new("the key is there twice").inside(&name));
            }
            let value = self.value(depth + 1).map_err(|error| error.inside(&name))?;
            members.push((name, value));
        }
        // A configuration may have hundreds of thousands of small objects, and memory that grows stays.
        members.shrink_to_fit();
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: u32) -> Result<Value<'a>, ConfigError> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.closes(b']', items.is_empty())? {
            let item = self.value(depth + 1).map_err(|error| error.inside_index(items.len()))?;
            items.push(item);
        }
        items.shrink_to_fit();
        Ok(Value::List(items))
    }

    /// Whether the array or object ends here. If not, the comma before the next item is read.
    fn closes(&mut self, end: u8, is_empty: bool) -> Result<bool, ConfigError> {
        self.skip_whitespace();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(true);
        }
        if !is_empty {
            self.require(b',', "\",\" or the closing bracket")?;
        }
        Ok(false)
    }

    fn number(&mut self) -> Result<Value<'a>, ConfigError> {
        let start = self.at;
        self.skip(b'-');
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Ok(Value::Number(self.since(start)))
    }

    fn digits(&mut self) -> Result<(), ConfigError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.error("a digit"))
        } else {
            Ok(())
        }
    }

    /// A string; borrowed if it has no escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, ConfigError> {
        self.at += 1;
        let mut unescaped = String::new();
        let mut start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let plain = self.since(start);
                    self.at += 1;
                    return Ok(if unescaped.is_empty() {
                        Cow::Borrowed(plain)
                    } else {
                        Cow::Owned(unescaped + plain)
                    });
                }
                Some(b'\\') => {
                    unescaped.push_str(self.since(start));
                    self.at += 1;
                    unescaped.push(self.escape()?);
                    start = self.at;
                }
                None | Some(0..=0x1f) => return Err(self.error("the end of a string")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, ConfigError> {
        let escaped = match self.peek() {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.error("an escape sequence")),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// The character after `\u`: one of the basic multilingual plane, or a surrogate pair.
    fn unicode(&mut self) -> Result<char, ConfigError> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff if self.rest().starts_with("\\u") => {
                self.at += 2;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error("a surrogate pair"));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            alone => alone,
        };
        char::from_u32(code).ok_or_else(|| self.error("a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, ConfigError> {
        let mut code = 0;
        for at in self.at..self.at + 4 {
            let digit = self
                .text
                .as_bytes()
                .get(at)
                .and_then(|byte| char::from(*byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.error("four hexadecimal digits"))?;
        }
        self.at += 4;
        Ok(code)
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The rest of the text. Indexing would add the code of its panics, a twentieth of a small module.
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The text since this offset.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn require(&mut self, byte: u8, expected: &str) -> Result<(), ConfigError> {
        if self.skip(byte) {
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    /// The error that the text is not JSON at this place.
    fn error(&self, expected: &str) -> ConfigError {
        let (mut line, mut column) = (1, 1);
        for byte in self.text.bytes().take(self.at) {
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                // A continuation byte of UTF-8.
                0x80..0xc0 => {}
                _ => column += 1,
            }
        }
        let found = match self.rest().chars().next() {
            Some(character) => quoted(character.encode_utf8(&mut [0; 4])),
            None => "the end".to_owned(),
        };
        let mut message = "invalid JSON: line ".to_owned();
        push_number(&mut message, line);
        message.push_str(", column ");
        push_number(&mut message, column);
        message.push_str(&[": found ", &found, ", expected ", expected].concat());
        ConfigError::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_its_tree() {
        let text = " {\"a\\u00e4\\ud83d\\ude00\": [1, -0.5e+3, \"x\\n\\\"\", true, null, {}, []]}\n";
        let Value::Object(members) = parse(text).expect("JSON") else {
            panic!("no object")
        };
        assert_eq!(members[0].0, "aä😀");
        let expected = vec![
            Value::Number("1"),
            Value::Number("-0.5e+3"),
            Value::Text("x\n\"".into()),
            Value::Bool(true),
            Value::Null,
            Value::Object(Vec::new()),
            Value::List(Vec::new()),
        ];
        assert_eq!(members[0].1, Value::List(expected));
    }

    #[test]
    fn it_accepts_what_serde_json_accepts() {
        let texts = [
            "{}",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "1 2",
            "\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\\u12\"",
            "\"\t\"",
            "tru",
            "nul",
            "[",
            "[1",
            "{",
            "{\"a\":",
            "-0",
            "0.0",
            "1E9",
            "\"ä\"",
            "",
            " ",
            "\u{feff}{}",
            "\"\\u12é4\"",
        ];
        for text in texts {
            let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(parse(text).is_ok(), theirs, "{text:?}");
        }
    }

    #[test]
    fn writing_reverses_reading() {
        let written = r#"{"a\"":[1,-0.50,"x\u0001\\",true,false,null,{},[]],"ä":2e3}"#;
        assert_eq!(text(&parse(written).expect("JSON")), written);
    }

    #[test]
    fn an_error_has_its_place() {
        let error = parse("{\n  \"ä\": [1 2]\n}").expect_err("a comma is missing");
        assert_eq!(error.pointer(), "/ä");
        assert!(error.message().contains("line 2, column 11: found \"2\""), "{error}");
        let error = parse("{\"a\": 1, \"a\": 2}").expect_err("twice");
        assert_eq!(error.to_string(), "at /a: the key is there twice");
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
