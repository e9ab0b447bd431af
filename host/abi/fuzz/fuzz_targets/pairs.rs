//! Arbitrary bytes as a header map and as a property path: what is accepted must survive being written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_abi::{PropertyPath, decode_pairs, encode_pairs, encoded_len};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pairs) = decode_pairs(bytes) {
        let mut written = vec![0; encoded_len(pairs.clone())];
        assert!(encode_pairs(pairs.clone(), &mut written).is_some());
        assert!(decode_pairs(&written).is_ok_and(|again| again.eq(pairs)));
    }
    if let Some(path) = PropertyPath::parse(bytes) {
        assert!(path.is(&path.dotted()) && path.parts().count() > 0);
    }
});
