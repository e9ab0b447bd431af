//! Header maps on the wire: a count, the lengths, then every name and value closed by a NUL.
//!
//! ```text
//! u32 count | (u32 name length, u32 value length) * count | (name NUL value NUL) * count      all little endian
//! ```
//!
//! Encoding goes straight into the caller's buffer (the guest's memory). Decoding takes untrusted bytes and borrows
//! from them. Whether a name or a value may stand in a header is not decided here.

/// Maximum pairs of a map. A count is untrusted, and no real map comes near this one.
pub const MAX_PAIRS: usize = 4096;

/// Why bytes are not a header map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairsError {
    /// The bytes end before what they announce.
    Truncated,
    /// More than [`MAX_PAIRS`] pairs are announced.
    TooMany,
    /// A name or a value does not end with a NUL.
    Unterminated,
}

impl std::fmt::Display for PairsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the header map ends before what it announces",
            Self::TooMany => "the header map announces too many pairs",
            Self::Unterminated => "a name or value of the header map is not closed by a NUL",
        })
    }
}

impl std::error::Error for PairsError {}

/// The number of bytes that [`encode_pairs`] needs for these pairs.
pub fn encoded_len<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> usize {
    pairs
        .into_iter()
        .fold(4, |sum, (name, value)| sum + 10 + name.len() + value.len())
}

/// Writes a map to `buffer`. `None` unless its length is exactly [`encoded_len`].
///
/// `pairs` is iterated once for the lengths and once for the bytes, so it has to be cheap to clone.
pub fn encode_pairs<'a, I>(pairs: I, buffer: &mut [u8]) -> Option<()>
where
    I: IntoIterator<Item = (&'a [u8], &'a [u8])> + Clone,
{
    let count = pairs.clone().into_iter().count();
    let mut writer = PairsWriter::new(buffer, count)?;
    for (name, value) in pairs {
        writer.push(name, value)?;
    }
    writer.finish()
}

/// Writes a map pair by pair, for callers whose pairs come from several sources.
pub struct PairsWriter<'b> {
    buffer: &'b mut [u8],
    lengths: usize,
    bytes: usize,
    end_of_lengths: usize,
}

impl<'b> PairsWriter<'b> {
    /// Starts a map of exactly `count` pairs. `None` if the buffer is too small for their lengths.
    pub fn new(buffer: &'b mut [u8], count: usize) -> Option<Self> {
        let end_of_lengths = count.checked_mul(8)?.checked_add(4)?;
        let announced = u32::try_from(count).ok()?;
        if buffer.len() < end_of_lengths {
            return None;
        }
        buffer[..4].copy_from_slice(&announced.to_le_bytes());
        Some(Self {
            buffer,
            lengths: 4,
            bytes: end_of_lengths,
            end_of_lengths,
        })
    }

    /// Adds a pair. `None` if it does not fit, or is one too many.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        if self.lengths >= self.end_of_lengths {
            return None;
        }
        let name_len = u32::try_from(name.len()).ok()?;
        let value_len = u32::try_from(value.len()).ok()?;
        let after = self
            .bytes
            .checked_add(name.len())?
            .checked_add(value.len())?
            .checked_add(2)?;
        let place = self.buffer.get_mut(self.bytes..after)?;
        place[..name.len()].copy_from_slice(name);
        place[name.len()] = 0;
        place[name.len() + 1..after - self.bytes - 1].copy_from_slice(value);
        place[after - self.bytes - 1] = 0;
        self.buffer[self.lengths..self.lengths + 4].copy_from_slice(&name_len.to_le_bytes());
        self.buffer[self.lengths + 4..self.lengths + 8].copy_from_slice(&value_len.to_le_bytes());
        self.lengths += 8;
        self.bytes = after;
        Some(())
    }

    /// Ends the map. `None` if pairs are missing, or the buffer is larger than the map.
    pub fn finish(self) -> Option<()> {
        (self.lengths == self.end_of_lengths && self.bytes == self.buffer.len()).then_some(())
    }
}

/// Decodes a map from untrusted bytes. No bytes are the empty map.
///
/// All lengths are checked here, so that iterating over the result cannot fail. Bytes after the last pair are ignored, as in
/// Envoy.
///
/// # Errors
/// [`PairsError`]
pub fn decode_pairs(bytes: &[u8]) -> Result<Pairs<'_>, PairsError> {
    if bytes.is_empty() {
        return Ok(Pairs {
            lengths: &[],
            bytes: &[],
        });
    }
    let count = u32_at(bytes, 0).ok_or(PairsError::Truncated)? as usize;
    if count > MAX_PAIRS {
        return Err(PairsError::TooMany);
    }
    let end_of_lengths = 4 + 8 * count;
    let lengths = bytes.get(4..end_of_lengths).ok_or(PairsError::Truncated)?;
    let data = &bytes[end_of_lengths..];
    let mut at = 0_usize;
    for index in 0..2 * count {
        let length = u32_at(lengths, 4 * index).ok_or(PairsError::Truncated)? as usize;
        at = at.checked_add(length).ok_or(PairsError::Truncated)?;
        match data.get(at) {
            None => return Err(PairsError::Truncated),
            Some(0) => at += 1,
            Some(_) => return Err(PairsError::Unterminated),
        }
    }
    Ok(Pairs {
        lengths,
        bytes: &data[..at],
    })
}

/// The pairs of a decoded map, in order.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let name = u32_at(self.lengths, 0)? as usize;
        let value = u32_at(self.lengths, 4)? as usize;
        // `decode_pairs` has checked these lengths. If they do not fit after all, the iteration ends.
        let pair = (self.bytes.get(..name)?, self.bytes.get(name + 1..name + 1 + value)?);
        self.bytes = self.bytes.get(name + value + 2..)?;
        self.lengths = &self.lengths[8..];
        Some(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.lengths.len() / 8;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}
