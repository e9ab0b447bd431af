//! Keys as SHA-256 digests, each with its consumer. No host call is made here.

use sha2::{Digest as _, Sha256};

/// The consumer of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) name: String,
    /// Separated by commas, as in the header and the property.
    pub(crate) groups: String,
}

/// The SHA-256 digest of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Digest([u8; 32]);

/// All keys with their consumers.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Sorted by digest.
    keys: Vec<(Digest, u32)>,
    /// By the number beside a key.
    consumers: Vec<Consumer>,
}

/// Collects keys. All of them are sorted once, in [`KeysBuilder::build`].
#[derive(Debug, Default)]
pub(crate) struct KeysBuilder {
    /// Each with its consumer's number, and its own among the consumer's keys.
    keys: Vec<(Digest, u32, u32)>,
    consumers: Vec<Consumer>,
}

/// A key that stands a second time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DuplicateKey {
    /// The number of its consumer.
    pub(crate) consumer: u32,
    /// Its number among the consumer's keys.
    pub(crate) key: u32,
}

const PREFIX: &str = "sha256:";

impl Digest {
    /// The digest of a key in a request.
    pub(crate) fn of(key: &[u8]) -> Digest {
        Digest(Sha256::digest(key).into())
    }

    /// Parses a configured digest: `sha256:` and 64 hexadecimal digits. A plain key is an error.
    pub(crate) fn parse(text: &str) -> Result<Digest, &'static str> {
        let Some(hex) = text.strip_prefix(PREFIX) else {
            return Err("a key must be given as its hash, \"sha256:HEX\"; compute HEX with: printf %s KEY | sha256sum");
        };
        let malformed =
            "a hash must be \"sha256:\" and 64 hexadecimal digits; compute them with: printf %s KEY | sha256sum";
        let mut digest = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(malformed);
        }
        for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or(malformed);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Ok(Digest(digest))
    }

    /// Whether two digests are equal, in constant time.
    fn is_same(&self, other: &Digest) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |all, (one, two)| all | (one ^ two));
        std::hint::black_box(difference) == 0
    }

    /// The first bytes, by which keys are searched. They reveal nothing useful about a stored key.
    fn bucket(&self) -> [u8; 2] {
        [self.0[0], self.0[1]]
    }
}

impl KeysBuilder {
    /// Adds a consumer with its keys.
    pub(crate) fn add(&mut self, consumer: Consumer, keys: Vec<Digest>) {
        let number = self.consumers.len() as u32;
        self.consumers.push(consumer);
        let keys = keys.into_iter().zip(0..);
        self.keys.extend(keys.map(|(digest, key)| (digest, number, key)));
    }

    /// All keys.
    ///
    /// # Errors
    /// The first key, in the order of the configuration, that was there before.
    pub(crate) fn build(mut self) -> Result<Keys, DuplicateKey> {
        self.keys.sort_unstable();
        let again = self.keys.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let first = again.map(|pair| (pair[1].1, pair[1].2)).min();
        if let Some((consumer, key)) = first {
            return Err(DuplicateKey { consumer, key });
        }
        Ok(Keys {
            keys: self
                .keys
                .into_iter()
                .map(|(digest, consumer, _)| (digest, consumer))
                .collect(),
            consumers: self.consumers,
        })
    }
}

impl Keys {
    /// The consumer of a key. The duration of the search depends on the first two bytes of its digest only.
    pub(crate) fn consumer_of(&self, key: &[u8]) -> Option<&Consumer> {
        let digest = Digest::of(key);
        let from = self.keys.partition_point(|(known, _)| known.bucket() < digest.bucket());
        let mut found = None;
        for (known, consumer) in &self.keys[from..] {
            if known.bucket() != digest.bucket() {
                break;
            }
            if known.is_same(&digest) {
                found = self.consumers.get(*consumer as usize);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf %s secret | sha256sum`
    const SECRET: &str = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn hex(digest: Digest) -> String {
        let digits: String = digest.0.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{PREFIX}{digits}")
    }

    #[test]
    fn the_hash_is_that_of_sha256sum() {
        assert_eq!(Digest::parse(SECRET), Ok(Digest::of(b"secret")));
        assert_eq!(Digest::parse(&hex(Digest::of(b"secret"))), Ok(Digest::of(b"secret")));
    }

    #[test]
    fn a_plain_key_is_refused_with_the_command_to_hash_it() {
        assert!(Digest::parse("secret").expect_err("plain").contains("sha256sum"));
    }

    #[test]
    fn a_hash_of_the_wrong_shape_is_refused() {
        for text in [
            "sha256:",
            &SECRET[..70],
            &format!("{SECRET}0"),
            &SECRET.replace('2', "g"),
        ] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
        let multibyte = format!("sha256:{}", "é".repeat(32));
        assert!(Digest::parse(&multibyte).is_err());
    }

    #[test]
    fn each_of_many_keys_finds_its_consumer() {
        let keys = keys_of(50, |number| {
            let numbers = (0..40).map(|key| number + 50 * key);
            numbers.map(|number| format!("key-{number}")).collect()
        });
        let keys = keys.expect("unique");
        for number in 0..2_000 {
            let name = keys
                .consumer_of(format!("key-{number}").as_bytes())
                .map(|consumer| consumer.name.clone());
            assert_eq!(name, Some(format!("c{}", number % 50)));
        }
        assert_eq!(keys.consumer_of(b"key-2000"), None);
        assert_eq!(keys.consumer_of(b""), None);
    }

    /// The keys of so many consumers.
    fn keys_of(consumers: usize, keys: impl Fn(usize) -> Vec<String>) -> Result<Keys, DuplicateKey> {
        let mut builder = KeysBuilder::default();
        for number in 0..consumers {
            let consumer = Consumer {
                name: format!("c{number}"),
                groups: String::new(),
            };
            let digests = keys(number).iter().map(|key| Digest::of(key.as_bytes())).collect();
            builder.add(consumer, digests);
        }
        builder.build()
    }

    #[test]
    fn a_key_has_one_consumer_and_the_first_duplicate_is_reported() {
        let keys = [&["a", "b"][..], &["c", "d", "b"], &["a"], &["e", "e"]];
        let twice = keys_of(4, |number| keys[number].iter().map(|key| (*key).to_owned()).collect());
        assert_eq!(twice.err(), Some(DuplicateKey { consumer: 1, key: 2 }));
        let within_one = keys_of(1, |_| vec!["e".to_owned(), "f".to_owned(), "e".to_owned()]);
        assert_eq!(within_one.err(), Some(DuplicateKey { consumer: 0, key: 2 }));
    }

    #[test]
    fn the_time_for_many_keys_grows_with_their_number() {
        // Ten times the keys took a hundred times as long when each was inserted at its place: minutes, not a second.
        let keys = keys_of(300_000, |number| vec![format!("key-{number}")]).expect("unique");
        assert_eq!(
            keys.consumer_of(b"key-299999").map(|found| &*found.name),
            Some("c299999")
        );
    }
}
