//! The wire format of protocol buffers, as far as guests and hosts exchange messages: the arguments of Envoy's foreign functions,
//! and the service of a gRPC callout. No descriptors, no groups.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// The bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The value of a field on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Integers, enumerations, booleans.
    Varint(u64),
    /// Strings, bytes, messages.
    Bytes(&'a [u8]),
    /// Numbers of 8 bytes.
    Fixed64(u64),
    /// Numbers of 4 bytes.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a string, of bytes or of a message.
    ///
    /// # Errors
    /// The value has another type.
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// The text of a string.
    ///
    /// # Errors
    /// The value has another type, or is not UTF-8.
    pub fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// The number of an integer, an enumeration or a boolean.
    ///
    /// # Errors
    /// The value has another type.
    pub fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number),
            _ => Err(Malformed),
        }
    }
}

/// Iterates over the fields of an untrusted message: numbers and values. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a message.
    #[must_use]
    pub fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let number = key >> 3;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        };
        Ok((number, value))
    }

    /// At most ten bytes of seven bits each, lowest first.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// A message to be written. Default values are left out, as in proto3.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// Adds a string, bytes or a message.
    #[must_use]
    pub fn bytes(mut self, number: u32, value: &[u8]) -> Self {
        if !value.is_empty() {
            self.varint(u64::from(number << 3 | 2));
            self.varint(value.len() as u64);
            self.0.extend_from_slice(value);
        }
        self
    }

    /// Adds an integer, an enumeration or a boolean.
    #[must_use]
    pub fn number(mut self, number: u32, value: u64) -> Self {
        if value != 0 {
            self.varint(u64::from(number << 3));
            self.varint(value);
        }
        self
    }

    /// The message's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = Message::default()
            .number(1, 300)
            .bytes(2, b"text")
            .number(3, 0)
            .bytes(4, b"")
            .bytes(5, &Message::default().number(1, u64::MAX).finish())
            .finish();
        let fields: Vec<_> = Fields::of(&bytes).map(Result::unwrap).collect();
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[0], (1, Value::Varint(300)));
        assert_eq!(fields[1].1.text(), Ok("text"));
        let inner = Fields::of(fields[2].1.bytes().unwrap()).next().unwrap();
        assert_eq!(inner, Ok((1, Value::Varint(u64::MAX))));
    }

    #[test]
    fn fixed_widths_are_passed_over_and_groups_are_not() {
        let fixed = [0x09, 1, 0, 0, 0, 0, 0, 0, 0, 0x15, 2, 0, 0, 0];
        let fields: Vec<_> = Fields::of(&fixed).collect();
        assert_eq!(fields, [Ok((1, Value::Fixed64(1))), Ok((2, Value::Fixed32(2)))]);
        assert_eq!(Fields::of(&[0x0b]).next(), Some(Err(Malformed)));
    }

    #[test]
    fn every_cut_message_is_malformed_or_shorter_and_nothing_panics() {
        let bytes = Message::default().bytes(1, &[7; 200]).number(16, 1 << 40).finish();
        for length in 0..bytes.len() {
            let fields: Vec<_> = Fields::of(&bytes[..length]).collect();
            assert!(fields.len() <= 2);
            assert_eq!(fields.iter().any(Result::is_err), length != 0 && length != 203);
        }
        for byte in 0..=255 {
            assert!(Fields::of(&[byte; 12]).count() <= 12);
        }
    }
}
