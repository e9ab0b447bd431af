//! [`Text`]: JSON that is put together at compile time.

const OPEN_BRACE: u8 = b'{';
const OPEN_BRACKET: u8 = b'[';

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
        if !matches!(self.last, 0 | OPEN_BRACE | OPEN_BRACKET) {
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
}
