//! The wire format: header maps and property paths. Accepted input must survive being written and read again.

use lockgate_abi::{PropertyPath, decode_pairs, encode_pairs, encoded_len};

/// Decodes bytes as a header map.
///
/// # Panics
/// The map differs after being written and read again.
pub fn pairs(bytes: &[u8]) {
    let Ok(pairs) = decode_pairs(bytes) else { return };
    let mut written = vec![0; encoded_len(pairs.clone())];
    assert!(encode_pairs(pairs.clone(), &mut written).is_some());
    assert!(decode_pairs(&written).is_ok_and(|again| again.eq(pairs)));
}

/// Decodes bytes as a property path.
///
/// # Panics
/// The path differs from the one of its dotted spelling, or has no parts.
pub fn properties(bytes: &[u8]) {
    if let Some(path) = PropertyPath::parse(bytes) {
        assert!(path.is(&path.dotted()) && path.parts().count() > 0);
    }
}
