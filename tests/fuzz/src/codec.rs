//! The wire: header maps and property paths. What is accepted must survive being written and read again.

use lockgate_abi::{PropertyPath, decode_pairs, encode_pairs, encoded_len};

/// Bytes as a header map.
///
/// # Panics
/// The map is another one after being written and read again.
pub fn pairs(bytes: &[u8]) {
    let Ok(pairs) = decode_pairs(bytes) else { return };
    let mut written = vec![0; encoded_len(pairs.clone())];
    assert!(encode_pairs(pairs.clone(), &mut written).is_some());
    assert!(decode_pairs(&written).is_ok_and(|again| again.eq(pairs)));
}

/// Bytes as a property path.
///
/// # Panics
/// The path is not the one that its dotted spelling names, or has no parts.
pub fn properties(bytes: &[u8]) {
    if let Some(path) = PropertyPath::parse(bytes) {
        assert!(path.is(&path.dotted()) && path.parts().count() > 0);
    }
}
