//! [`Text`]: JSON that is written at compile time.

const OPEN_BRACE: u8 = b'{';
const OPEN_BRACKET: u8 = b'[';

/// A text of constant length `N`. With `N` = 0, only the length is computed.
#[derive(Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
    last: u8,
}

impl<const N: usize> Text<N> {
    /// An empty text.
    #[allow(clippy::new_without_default, reason = "only constants need it")]
    pub const fn new() -> Text<N> {
        Text {
            bytes: [0; N],
            length: 0,
            last: 0,
        }
    }

    /// The length so far, in bytes.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The text, of exactly `N` bytes.
    pub const fn bytes(self) -> [u8; N] {
        assert!(self.length == N, "the text has the computed length");
        self.bytes
    }

    /// The text, padded with zeros.
    pub const fn padded(self) -> [u8; N] {
        self.bytes
    }

    /// Appends a text as it is.
    pub const fn push(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            self.byte(bytes[index]);
            index += 1;
        }
    }

    /// Appends a text as a JSON string.
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

    /// Appends a comma, except at the beginning of the text, an object or an array.
    pub const fn comma(&mut self) {
        if !matches!(self.last, 0 | OPEN_BRACE | OPEN_BRACKET) {
            self.byte(b',');
        }
    }

    /// Appends a member of an object with its value as JSON; nothing if the value is empty.
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
