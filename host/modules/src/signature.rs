//! Signatures of modules: `NAME.wasm.sig` has an Ed25519 signature (RFC 8032) of exactly the bytes of `NAME.wasm` that are compiled. Which
//! keys a plugin accepts is decided in `selection`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockgate_config::model::SigningKey;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::module_bytes::open;

/// Bytes of a signature.
const LENGTH: usize = 64;
/// Maximum bytes of a signature file: Base64 with a line end, and some room.
const MAX_FILE: u64 = 128;

/// The signature of a module file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureState {
    /// No signature.
    Unsigned,
    /// A signature that verifies with none of the keys, or is malformed.
    Invalid,
    /// A signature by this key.
    SignedBy([u8; 32]),
}

/// The signature file of the module file `module`.
pub(crate) fn path_of(module: &Path) -> PathBuf {
    let mut path = module.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// Verifies the signature of `bytes`, the content of the file `module`.
///
/// # Errors
/// The signature file cannot be read.
pub(crate) fn verify(module: &Path, bytes: &[u8], keys: &[SigningKey]) -> io::Result<SignatureState> {
    if keys.is_empty() {
        return Ok(SignatureState::Unsigned);
    }
    let Some(written) = read(&path_of(module))? else {
        return Ok(SignatureState::Unsigned);
    };
    let Some(signature) = decode(&written) else {
        return Ok(SignatureState::Invalid);
    };
    let verifies = |key: &&SigningKey| {
        UnparsedPublicKey::new(&ED25519, &key.key)
            .verify(bytes, &signature)
            .is_ok()
    };
    Ok(keys
        .iter()
        .find(verifies)
        .map_or(SignatureState::Invalid, |key| SignatureState::SignedBy(key.key)))
}

impl SignatureState {
    /// Checks that one of these keys has signed.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub fn check(&self, signers: &[SigningKey]) -> Result<(), String> {
        let names = || signers.iter().map(|key| &*key.name).collect::<Vec<_>>().join(", ");
        match self {
            Self::SignedBy(key) if signers.iter().any(|signer| signer.key == *key) => Ok(()),
            Self::SignedBy(_) => Err(format!("it is signed with a key other than {}", names())),
            Self::Invalid => Err(format!("its signature (.wasm.sig) does not verify with {}", names())),
            Self::Unsigned => Err(format!(
                "it is not signed: the file .wasm.sig beside it is missing; accepted keys: {}",
                names()
            )),
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut written = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut written)?;
    Ok(Some(written))
}

/// Decodes a signature, raw or in Base64.
fn decode(written: &[u8]) -> Option<[u8; LENGTH]> {
    let raw = written.try_into().ok();
    raw.or_else(|| STANDARD.decode(written.trim_ascii()).ok()?.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_taken_raw_and_in_base64_and_in_no_other_length() {
        let raw = [7; LENGTH];
        let text = STANDARD.encode(raw) + "\n";
        assert_eq!((decode(&raw), decode(text.as_bytes())), (Some(raw), Some(raw)));
        let short = STANDARD.encode([7; 63]);
        for wrong in [&b""[..], &raw[1..], short.as_bytes(), &text.as_bytes()[1..]] {
            assert_eq!(decode(wrong), None);
        }
    }
}
