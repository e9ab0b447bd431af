//! [`ResponseHeadLimits`]: how large the head of a response may be, whatever the protocol; and what is wrong with a head.

/// How large the head of a response may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeadLimits {
    /// The size of the header section, in bytes; in HTTP/2 that which it would have in HTTP/1.1.
    pub bytes: u32,
    /// The number of headers.
    pub fields: u32,
}

/// Why the head of a response is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// It is not HTTP, or could be read in more than one way.
    Malformed(&'static str),
    /// It is larger than the upstream's limits.
    TooLarge(&'static str),
}

impl ResponseHeadLimits {
    /// Whether a header section of this size may pass.
    pub(crate) fn check_bytes(self, bytes: usize) -> Result<(), HeadError> {
        match bytes > self.bytes as usize {
            true => Err(HeadError::TooLarge("more bytes than limits.header_bytes")),
            false => Ok(()),
        }
    }

    /// Whether this number of headers may pass.
    pub(crate) fn check_fields(self, fields: usize) -> Result<(), HeadError> {
        match fields > self.fields as usize {
            true => Err(HeadError::TooLarge("more headers than limits.headers")),
            false => Ok(()),
        }
    }

    /// The size of the largest header list in HTTP/2's terms (RFC 9113, section 6.5.2), which counts 32 bytes more for each header. The
    /// limits here are checked behind it, so it leaves room to tell which of them was passed.
    pub(crate) fn max_list_size(self) -> u32 {
        let overhead = self.fields.saturating_mul(2 * 32).max(16 * 1024);
        self.bytes.saturating_mul(2).saturating_add(overhead)
    }
}

/// A number of digits and nothing else, no more of them than fit into a `u64` in any case.
pub(crate) fn parse_length(value: &[u8]) -> Option<u64> {
    if !(1..=19).contains(&value.len()) {
        return None;
    }
    value.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}
