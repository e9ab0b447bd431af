//! [`Text`]: JSON that is put together at compile time.

use super::schema::{Property, Schema, Word};

/// Text of a constant length. With `N` = 0 nothing is kept and the length counted.
#[derive(Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
    last: u8,
}

impl<const N: usize> Text<N> {
    /// No text yet.
    #[allow(clippy::new_without_default, reason = "only constants need one")]
    pub const fn new() -> Text<N> {
        Text {
            bytes: [0; N],
            length: 0,
            last: 0,
        }
    }

    /// How long it has become.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The text.
    pub const fn bytes(self) -> [u8; N] {
        assert!(self.length == N, "the text is as long as it was measured");
        self.bytes
    }

    /// The text, and zeros behind it.
    pub const fn padded(self) -> [u8; N] {
        self.bytes
    }

    /// A schema.
    pub const fn schema(&mut self, schema: &Schema) {
        schema.write(self);
    }

    /// As it is.
    pub const fn push(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            self.byte(bytes[index]);
            index += 1;
        }
    }

    /// As a JSON string.
    pub const fn quoted(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.byte(b'"');
        let bytes = text.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            match bytes[index] {
                plain @ (b'"' | b'\\') => {
                    self.byte(b'\\');
                    self.byte(plain);
                }
                b'\n' => self.push("\\n"),
                control @ 0..=0x1f => {
                    self.push("\\u00");
                    self.byte(HEX[(control >> 4) as usize]);
                    self.byte(HEX[(control & 15) as usize]);
                }
                other => self.byte(other),
            }
            index += 1;
        }
        self.byte(b'"');
    }

    /// A comma, unless something has just begun.
    pub const fn comma(&mut self) {
        if !matches!(self.last, 0 | b'{' | b'[') {
            self.byte(b',');
        }
    }

    /// A member of an object, its value as JSON; nothing if that is empty.
    pub const fn member(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.comma();
            self.quoted(name);
            self.push(":");
            self.push(value);
        }
    }

    const fn byte(&mut self, byte: u8) {
        if self.length < N {
            self.bytes[self.length] = byte;
        }
        self.length += 1;
        self.last = byte;
    }

    pub(super) const fn describe(&mut self, title: &str, description: &str) {
        if !title.is_empty() {
            self.comma();
            self.push("\"title\":");
            self.quoted(title);
        }
        if !description.is_empty() {
            self.comma();
            self.push("\"description\":");
            self.quoted(description);
        }
    }

    pub(super) const fn typed(&mut self, name: &str, is_nullable: bool) {
        self.comma();
        self.push("\"type\":");
        if is_nullable {
            self.push("[");
            self.quoted(name);
            self.push(",\"null\"]");
        } else {
            self.quoted(name);
        }
    }

    pub(super) const fn schemas(&mut self, keyword: &str, schemas: &[Schema]) {
        self.comma();
        self.quoted(keyword);
        self.push(":[");
        let mut index = 0;
        while index < schemas.len() {
            self.comma();
            schemas[index].write(self);
            index += 1;
        }
        self.push("]");
    }

    /// Words without explanations are an `enum`, others one `const` each: that is what editors show them from.
    pub(super) const fn words(&mut self, words: &[Word], is_nullable: bool) {
        let mut is_plain = true;
        let mut index = 0;
        while index < words.len() {
            is_plain &= words[index].description.is_empty();
            index += 1;
        }
        self.comma();
        self.push(if is_plain { "\"enum\":[" } else { "\"oneOf\":[" });
        index = 0;
        while index < words.len() {
            self.comma();
            if is_plain {
                self.quoted(words[index].name);
            } else {
                self.push("{\"const\":");
                self.quoted(words[index].name);
                self.describe("", words[index].description);
                self.push("}");
            }
            index += 1;
        }
        if is_nullable {
            self.comma();
            self.push(if is_plain { "null" } else { "{\"type\":\"null\"}" });
        }
        self.push("]");
    }

    pub(super) const fn object(
        &mut self,
        tag: Option<(&str, &str)>,
        properties: &[Property],
        is_open: bool,
        is_nullable: bool,
    ) {
        self.typed("object", is_nullable);
        self.push(",\"properties\":{");
        if let Some((tag, value)) = tag {
            self.quoted(tag);
            self.push(":{\"const\":");
            self.quoted(value);
            self.push("}");
        }
        let mut index = 0;
        while index < properties.len() {
            self.comma();
            self.quoted(properties[index].name);
            self.push(":");
            properties[index].schema.write(self);
            index += 1;
        }
        self.push("},\"required\":[");
        if let Some((tag, _)) = tag {
            self.quoted(tag);
        }
        index = 0;
        while index < properties.len() {
            if properties[index].is_required {
                self.comma();
                self.quoted(properties[index].name);
            }
            index += 1;
        }
        self.push(if is_open {
            "]"
        } else {
            "],\"additionalProperties\":false"
        });
    }
}
