//! The byte layout of header maps: a count, the length of each name and value, then the texts.

/// Encodes headers as a map of the ABI: a count, the lengths of each pair, then the texts, each followed by NUL.
pub(crate) fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
    let texts: usize = pairs
        .iter()
        .map(|(name, value)| name.as_ref().len() + value.as_ref().len() + 10)
        .sum();
    let mut bytes = Vec::with_capacity(4 + texts);
    bytes.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
    for (name, value) in pairs {
        bytes.extend_from_slice(&(name.as_ref().len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.as_ref().len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        bytes.extend_from_slice(name.as_ref());
        bytes.push(0);
        bytes.extend_from_slice(value.as_ref());
        bytes.push(0);
    }
    bytes
}

/// Decodes a map of the ABI. `None` if the bytes are malformed.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let count = length_at(bytes, 0)?;
    let mut texts = count.checked_mul(8)?.checked_add(4)?;
    let mut pairs = Vec::with_capacity(count.min(bytes.len() / 8));
    for index in 0..count {
        let name = text_at(bytes, &mut texts, length_at(bytes, 4 + index * 8)?)?;
        let value = text_at(bytes, &mut texts, length_at(bytes, 8 + index * 8)?)?;
        pairs.push((name, value));
    }
    Some(pairs)
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
}

fn text_at<'a>(bytes: &'a [u8], at: &mut usize, length: usize) -> Option<&'a [u8]> {
    let end = at.checked_add(length)?;
    let text = bytes.get(*at..end)?;
    *at = end.checked_add(1)?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_reverses_encoding() {
        let pairs = [("a", "1"), ("", ""), ("a", "two words")];
        let bytes = encode(&pairs);
        let decoded = decode(&bytes).expect("a map");
        let expected: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        assert_eq!(decoded, expected);
        assert_eq!(decode(&[]), Some(Vec::new()));
    }

    #[test]
    fn a_truncated_map_or_one_with_wrong_lengths_is_refused() {
        let bytes = encode(&[("name", "value")]);
        for end in 1..bytes.len() - 1 {
            assert_eq!(decode(&bytes[..end]), None, "{end} bytes");
        }
        assert_eq!(decode(&[255; 16]), None);
    }
}
