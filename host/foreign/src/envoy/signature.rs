//! `verify_signature` and `sign`, with Envoy's messages (`verify_signature.proto`, `sign.proto`).
//!
//! RSA (PKCS #1 v1.5) and ECDSA over P-256 and P-384. No key, or two, are BAD_ARGUMENT. Other errors are in the
//! result, as in Envoy. Hashes and curves that the TLS library has not are "not supported".

use lockgate_abi::Status;
use lockgate_abi::protobuf::{Fields, Malformed, Message};
use lockgate_sandbox::{CpuBudget, OutOfTime};
use lockgate_tls::der;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

/// Maximum bytes of an argument: text, signature and key.
const MAX_ARGUMENT: usize = 4 * 1024 * 1024;
/// What a call costs besides its bytes, in steps of the budget, which then reads the clock.
const PER_CALL: usize = 1024 * 1024;

/// Verifies a signature.
///
/// # Errors
/// [`Status::BadArgument`] for what is no such message, or does not hold exactly one key.
pub(super) fn verify(argument: &[u8], budget: &mut CpuBudget) -> Result<Vec<u8>, Status> {
    bound(argument, budget)?;
    let given = Verify::read(argument).map_err(|Malformed| Status::BadArgument)?;
    let key = public_key(given.key.one()?);
    let outcome = hash(given.hash).and_then(|hash| {
        let key = key.ok_or("Failed to initialize digest verify.")?;
        let algorithm = key
            .kind
            .verification(hash)
            .ok_or("the key is not supported with this hash.")?;
        UnparsedPublicKey::new(algorithm, key.bytes)
            .verify(given.text, given.signature)
            .map_err(|_| "Failed to verify digest. Error code: 0".to_owned())
    });
    let answer = Message::default().number(1, u64::from(outcome.is_ok()));
    Ok(answer.bytes(2, outcome.err().unwrap_or_default().as_bytes()).finish())
}

/// Signs a text.
///
/// # Errors
/// As for [`verify`].
pub(super) fn sign(argument: &[u8], budget: &mut CpuBudget) -> Result<Vec<u8>, Status> {
    bound(argument, budget)?;
    let given = Sign::read(argument).map_err(|Malformed| Status::BadArgument)?;
    let key = match given.key.one()? {
        OneKey::Der(bytes) => PrivateKeyDer::try_from(bytes).ok(),
        OneKey::Pem(text) => PrivateKeyDer::from_pem_slice(text.as_bytes()).ok(),
    };
    let key = key.and_then(|key| any_supported_type(&key).ok());
    let outcome = hash(given.hash).and_then(|hash| {
        let key = key.ok_or("Invalid key type: private key required for signing operation.")?;
        let scheme = hash.schemes(key.algorithm());
        let signer = key
            .choose_scheme(scheme)
            .ok_or("the key is not supported with this hash.")?;
        signer
            .sign(given.text)
            .map_err(|_| "Failed to create signature.".to_owned())
    });
    let answer = Message::default().number(1, u64::from(outcome.is_ok()));
    Ok(match outcome {
        Ok(signature) => answer.bytes(2, &signature),
        Err(error) => answer.bytes(3, error.as_bytes()),
    }
    .finish())
}

/// An argument before it is read. A signature costs much however short the text is, and one call cannot be interrupted.
fn bound(argument: &[u8], budget: &mut CpuBudget) -> Result<(), Status> {
    if argument.len() > MAX_ARGUMENT {
        return Err(Status::BadArgument);
    }
    // Without time the guest is stopped, whatever status it would get.
    let spent = budget.spend(PER_CALL + 4 * argument.len());
    spent.map_err(|OutOfTime| Status::BadArgument)
}

/// A key as the guest gave it: in one of two forms.
#[derive(Clone, Copy)]
struct Key<'a> {
    der: &'a [u8],
    pem: &'a str,
}

/// The form that is there.
#[derive(Clone, Copy)]
enum OneKey<'a> {
    Der(&'a [u8]),
    Pem(&'a str),
}

impl<'a> Key<'a> {
    /// Exactly one form has to be given.
    fn one(self) -> Result<OneKey<'a>, Status> {
        match (self.der, self.pem) {
            (der, "") if !der.is_empty() => Ok(OneKey::Der(der)),
            ([], pem) if !pem.is_empty() => Ok(OneKey::Pem(pem)),
            _ => Err(Status::BadArgument),
        }
    }
}

struct Verify<'a> {
    hash: &'a str,
    key: Key<'a>,
    signature: &'a [u8],
    text: &'a [u8],
}

impl<'a> Verify<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut hash, mut der, mut pem, mut signature, mut text) = ("", &b""[..], "", &b""[..], &b""[..]);
        for field in Fields::of(message) {
            match field? {
                (1, value) => hash = value.text()?,
                (2, value) => der = value.bytes()?,
                (3, value) => signature = value.bytes()?,
                (4, value) => text = value.bytes()?,
                (5, value) => pem = value.text()?,
                _ => {}
            }
        }
        let key = Key { der, pem };
        Ok(Self {
            hash,
            key,
            signature,
            text,
        })
    }
}

struct Sign<'a> {
    hash: &'a str,
    key: Key<'a>,
    text: &'a [u8],
}

impl<'a> Sign<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut hash, mut der, mut pem, mut text) = ("", &b""[..], "", &b""[..]);
        for field in Fields::of(message) {
            match field? {
                (1, value) => hash = value.text()?,
                (2, value) => der = value.bytes()?,
                (3, value) => text = value.bytes()?,
                (4, value) => pem = value.text()?,
                _ => {}
            }
        }
        let key = Key { der, pem };
        Ok(Self { hash, key, text })
    }
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The ways to sign with it.
    fn schemes(self, algorithm: SignatureAlgorithm) -> &'static [SignatureScheme] {
        match (self, algorithm) {
            (Self::Sha256, SignatureAlgorithm::RSA) => &[SignatureScheme::RSA_PKCS1_SHA256],
            (Self::Sha384, SignatureAlgorithm::RSA) => &[SignatureScheme::RSA_PKCS1_SHA384],
            (Self::Sha512, SignatureAlgorithm::RSA) => &[SignatureScheme::RSA_PKCS1_SHA512],
            (Self::Sha256, SignatureAlgorithm::ECDSA) => &[SignatureScheme::ECDSA_NISTP256_SHA256],
            (Self::Sha384, SignatureAlgorithm::ECDSA) => &[SignatureScheme::ECDSA_NISTP384_SHA384],
            _ => &[],
        }
    }
}

/// Names as Envoy knows them, in any case.
fn hash(name: &str) -> Result<Hash, String> {
    match name.to_ascii_lowercase().as_str() {
        "sha1" => Ok(Hash::Sha1),
        "sha256" => Ok(Hash::Sha256),
        "sha384" => Ok(Hash::Sha384),
        "sha512" => Ok(Hash::Sha512),
        _ => Err(format!("{name} is not supported.")),
    }
}

/// A public key that is taken apart.
struct PublicKey {
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Kind {
    Rsa,
    P256,
    P384,
    /// A key of which nothing is known but that it is one.
    Other,
}

impl Kind {
    fn verification(self, hash: Hash) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match (self, hash) {
            (Self::Rsa, Hash::Sha1) => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (Self::Rsa, Hash::Sha256) => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            (Self::Rsa, Hash::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa, Hash::Sha512) => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            (Self::P256, Hash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Self::P256, Hash::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Self::P384, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Self::P384, Hash::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
            _ => return None,
        })
    }
}

/// Reads a `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
fn public_key(key: OneKey<'_>) -> Option<PublicKey> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    let pem;
    let bytes = match key {
        OneKey::Der(bytes) => bytes,
        OneKey::Pem(text) => {
            pem = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
            &pem[..]
        }
    };
    let mut info = der::Reader::of(der::Reader::of(bytes).content(der::SEQUENCE)?);
    let mut algorithm = der::Reader::of(info.content(der::SEQUENCE)?);
    let kind = match algorithm.content(der::OBJECT_IDENTIFIER)? {
        RSA => Kind::Rsa,
        EC => match algorithm.content(der::OBJECT_IDENTIFIER) {
            Some(P256) => Kind::P256,
            Some(P384) => Kind::P384,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    };
    // A bit string of whole bytes.
    let (&0, bytes) = info.content(der::BIT_STRING)?.split_first()? else {
        return None;
    };
    Some(PublicKey {
        kind,
        bytes: bytes.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PublicKeyData};

    use super::*;

    fn pair() -> (String, String, Vec<u8>) {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        (
            pair.serialize_pem(),
            pair.public_key_pem(),
            pair.subject_public_key_info(),
        )
    }

    fn signing(hash: &str, key: &str, text: &[u8]) -> Result<Vec<u8>, Status> {
        let message = Message::default().bytes(1, hash.as_bytes()).bytes(3, text);
        sign(&message.bytes(4, key.as_bytes()).finish(), &mut ample())
    }

    fn ample() -> CpuBudget {
        CpuBudget::new(std::time::Duration::from_secs(600))
    }

    fn verifying(hash: &str, pem: &str, der: &[u8], signature: &[u8], text: &[u8]) -> Result<Vec<u8>, Status> {
        let message = Message::default()
            .bytes(1, hash.as_bytes())
            .bytes(2, der)
            .bytes(3, signature);
        verify(&message.bytes(4, text).bytes(5, pem.as_bytes()).finish(), &mut ample())
    }

    fn field(message: &[u8], wanted: u32) -> Vec<u8> {
        Fields::of(message)
            .filter_map(Result::ok)
            .find(|(number, _)| *number == wanted)
            .map(|(_, value)| value.bytes().expect("bytes").to_vec())
            .unwrap_or_default()
    }

    #[test]
    fn a_signature_verifies_with_either_form_of_its_key_only() {
        let (private, pem, der) = pair();
        let signature = field(&signing("sha256", &private, b"text").expect("an answer"), 2);
        let good = Message::default().number(1, 1).finish();
        assert_eq!(verifying("SHA256", &pem, b"", &signature, b"text"), Ok(good.clone()));
        assert_eq!(verifying("sha256", "", &der, &signature, b"text"), Ok(good));
        let bad_argument = verifying("sha256", &pem, b"", &signature, b"texts").expect("an answer");
        assert_eq!(field(&bad_argument, 2), b"Failed to verify digest. Error code: 0");
    }

    #[test]
    fn a_long_argument_is_refused_and_every_call_costs_time() {
        let (private, _, _) = pair();
        let refused = signing("sha256", &private, &vec![0; MAX_ARGUMENT]);
        assert_eq!(refused, Err(Status::BadArgument));
        let mut none = CpuBudget::new(std::time::Duration::ZERO);
        assert_eq!(sign(b"", &mut none), Err(Status::BadArgument));
        assert_eq!(none.spend(usize::MAX), Err(OutOfTime), "the clock was read");
    }

    #[test]
    fn no_key_or_two_are_a_bad_argument_and_other_errors_are_results() {
        let (private, pem, der) = pair();
        for (pem, der) in [("", &b""[..]), (&*pem, &der)] {
            assert_eq!(verifying("sha256", pem, der, b"x", b"y"), Err(Status::BadArgument));
        }
        for (pem, der) in [("nonsense", &b""[..]), ("", b"nonsense"), (&*private, b"")] {
            let unread = verifying("sha256", pem, der, b"x", b"y").expect("an answer");
            assert_eq!(field(&unread, 2), b"Failed to initialize digest verify.");
        }
        let unread = signing("sha256", "nonsense", b"").expect("an answer");
        assert!(field(&unread, 3).starts_with(b"Invalid key type"));
        assert_eq!(sign(b"\xff", &mut ample()), Err(Status::BadArgument));
        let unknown = verifying("md5", &pem, b"", b"x", b"y").expect("an answer");
        assert_eq!(field(&unknown, 2), b"md5 is not supported.");
        let unknown = signing("sha224", &private, b"y").expect("an answer");
        assert_eq!(field(&unknown, 3), b"sha224 is not supported.");
    }
}
