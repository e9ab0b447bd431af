//! [`CounterKey`]: the key of a counter in a bounded number of bytes.

use sha2::{Digest as _, Sha256};

use crate::name::Name;

/// Maximum bytes of a scope and a key that are kept as they are.
pub(super) const MAX_PLAIN_BYTES: usize = 64;

/// Length of the digest of a longer one. It is longer than any that is kept as it is, so that no key can pass for a digest.
pub(super) const DIGEST_BYTES: usize = MARK.len() + 64;

const MARK: &[u8] = b"sha256:";
const _: () = assert!(DIGEST_BYTES > MAX_PLAIN_BYTES);

/// A scope and a key, or their SHA-256 digest if they are long.
#[derive(Debug)]
pub(super) enum CounterKey<'a> {
    Plain { scope: &'a str, key: &'a str },
    Digest([u8; DIGEST_BYTES]),
}

impl<'a> CounterKey<'a> {
    pub(super) fn of(scope: &'a str, key: &'a str) -> Self {
        if scope.len() + key.len() <= MAX_PLAIN_BYTES {
            Self::Plain { scope, key }
        } else {
            Self::Digest(digest(scope, key))
        }
    }

    /// The name under which the counter is kept.
    pub(super) fn name(&self, tag: u64) -> Name<'_> {
        match self {
            Self::Plain { scope, key } => Name { scope, key, tag },
            Self::Digest(digits) => Name {
                scope: "",
                key: std::str::from_utf8(digits).expect("a mark and hexadecimal digits are ASCII"),
                tag,
            },
        }
    }
}

fn digest(scope: &str, key: &str) -> [u8; DIGEST_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let hash = Sha256::new()
        // The length keeps scope and key apart.
        .chain_update((scope.len() as u64).to_le_bytes())
        .chain_update(scope)
        .chain_update(key)
        .finalize();
    let mut text = [0; DIGEST_BYTES];
    let (mark, digits) = text.split_at_mut(MARK.len());
    mark.copy_from_slice(MARK);
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text
}
