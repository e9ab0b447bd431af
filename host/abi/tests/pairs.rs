//! The header-map codec against everything: round trips, and bytes that nobody meant to be a map.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use lockgate_abi::{MAX_PAIRS, PairsError, PairsWriter, PropertyPath, decode_pairs, encode_pairs, encoded_len};
use proptest::prelude::*;

type Owned = Vec<(Vec<u8>, Vec<u8>)>;

fn encode(pairs: &Owned) -> Vec<u8> {
    let borrowed = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
    let mut buffer = vec![0xAA; encoded_len(borrowed.clone())];
    encode_pairs(borrowed, &mut buffer).expect("the buffer has the announced size");
    buffer
}

fn decode(bytes: &[u8]) -> Result<Owned, PairsError> {
    Ok(decode_pairs(bytes)?
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect())
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..20)) {
        let bytes = encode(&pairs);
        prop_assert_eq!(decode_pairs(&bytes).unwrap().len(), pairs.len());
        prop_assert_eq!(decode(&bytes), Ok(pairs));
    }

    #[test]
    fn a_cut_map_is_never_taken_for_a_whole_one(
        pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 1..6), cut in any::<proptest::sample::Index>()
    ) {
        let bytes = encode(&pairs);
        let kept = 1 + cut.index(bytes.len() - 1);
        prop_assert!(decode(&bytes[..kept]).is_err());
    }

    #[test]
    fn arbitrary_bytes_decode_or_fail_but_never_panic(bytes in any::<Vec<u8>>()) {
        if let Ok(pairs) = decode(&bytes) {
            // What was accepted is inside of the input, so it encodes to no more than that.
            if !bytes.is_empty() {
                prop_assert!(encode(&pairs).len() <= bytes.len());
            }
        }
        let _ = PropertyPath::parse(&bytes).map(PropertyPath::dotted);
    }
}

/// A cheap deterministic generator: the same bytes on every machine, a different map every time.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_hundred_thousand_damaged_maps_never_panic() {
    let honest = encode(&vec![
        (b":path".to_vec(), b"/a".to_vec()),
        (b"x".to_vec(), vec![]),
        (vec![], b"y".to_vec()),
    ]);
    let mut state = 0x9E37_79B9_7F4A_7C15;
    let mut accepted = 0;
    for _ in 0..100_000 {
        let mut bytes = honest.clone();
        for _ in 0..=xorshift(&mut state) % 4 {
            let at = (xorshift(&mut state) as usize) % bytes.len();
            bytes[at] = xorshift(&mut state) as u8;
        }
        bytes.truncate(1 + (xorshift(&mut state) as usize) % honest.len());
        accepted += usize::from(decode(&bytes).is_ok());
    }
    assert!(
        accepted > 0 && accepted < 100_000,
        "damage must be both survivable and noticed: {accepted}"
    );
}

#[test]
fn nothing_and_a_zero_count_are_both_the_empty_map() {
    assert_eq!(decode(&[]), Ok(vec![]));
    assert_eq!(decode(&[0, 0, 0, 0]), Ok(vec![]));
}

#[test]
fn counts_and_lengths_that_would_overflow_are_refused() {
    assert_eq!(decode(&u32::MAX.to_le_bytes()), Err(PairsError::TooMany));
    assert_eq!(decode(&(MAX_PAIRS as u32).to_le_bytes()), Err(PairsError::Truncated));
    let mut bytes = 1_u32.to_le_bytes().to_vec();
    bytes.extend([0xFF; 8]);
    bytes.extend([0; 16]);
    assert_eq!(decode(&bytes), Err(PairsError::Truncated));
}

#[test]
fn a_name_without_its_nul_is_refused() {
    let mut bytes = encode(&vec![(b"ab".to_vec(), b"c".to_vec())]);
    bytes[4 + 8 + 2] = b'!';
    assert_eq!(decode(&bytes), Err(PairsError::Unterminated));
}

#[test]
fn a_writer_takes_exactly_what_it_was_promised() {
    let mut buffer = [0; 4 + 10 + 2];
    let mut writer = PairsWriter::new(&mut buffer, 1).unwrap();
    assert!(writer.push(b"a", b"bc").is_none(), "one byte too long");
    assert!(writer.push(b"a", b"b").is_some());
    assert!(writer.push(b"", b"").is_none(), "one pair too many");
    assert!(writer.finish().is_some());
    assert!(
        PairsWriter::new(&mut buffer, 1).unwrap().finish().is_none(),
        "a pair is missing"
    );
    assert!(PairsWriter::new(&mut buffer, usize::MAX).is_none());
}
