//! Walks DER (X.690) that is read rather than verified: keys and names in certificates. Verifying is the TLS library's.

/// Tags of universal types.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// A bit string, primitive.
pub const BIT_STRING: u8 = 0x03;
/// A sequence.
pub const SEQUENCE: u8 = 0x30;

/// Elements, one after the other.
#[derive(Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads what stands in these bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element's content if it has this tag; else nothing is taken.
    pub fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = self.clone();
        let (found, content) = ahead.next()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(content)
    }

    /// A length: one byte, or the number of bytes that it takes.
    fn length(&mut self) -> Option<usize> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first < 0x80 {
            return Some(usize::from(first));
        }
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit)))
    }
}

impl<'a> Iterator for Reader<'a> {
    /// Tag and content.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        self.0 = rest;
        let content = self.length().and_then(|length| self.0.split_at_checked(length));
        let Some((content, rest)) = content else {
            self.0 = &[];
            return None;
        };
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_taken_in_order_and_only_with_their_tag() {
        let bytes = [SEQUENCE, 3, OBJECT_IDENTIFIER, 1, 7, BIT_STRING, 0x81, 1, 0];
        let mut reader = Reader::of(&bytes);
        assert_eq!(reader.content(BIT_STRING), None);
        assert_eq!(reader.content(SEQUENCE), Some(&[OBJECT_IDENTIFIER, 1, 7][..]));
        assert_eq!(reader.content(BIT_STRING), Some(&[0][..]));
        assert_eq!(reader.next(), None);
    }

    #[test]
    fn truncated_elements_and_those_without_length_end_the_iteration() {
        for bytes in [
            &[SEQUENCE][..],
            &[SEQUENCE, 2, 0],
            &[SEQUENCE, 0x80, 0, 0],
            &[SEQUENCE, 0x85, 0, 0, 0, 0, 1, 0],
        ] {
            assert_eq!(Reader::of(bytes).next(), None);
        }
    }
}
