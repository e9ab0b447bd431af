//! Signatures beside modules: `NAME.wasm.sig` holds an Ed25519 signature (RFC 8032) over exactly the bytes of `NAME.wasm`, as they are
//! compiled. Who must have signed is a plugin's matter (`load`).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lockgate_config::model::SigningKey;
use ring::signature::{ED25519, UnparsedPublicKey};

/// A signature's bytes.
const LENGTH: usize = 64;
/// The same in Base64, with a line end after it, and some room.
const LONGEST: u64 = 128;

/// What a module's file is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signed {
    /// There is no signature.
    Not,
    /// There is one that none of the keys has made, or nothing that could be one.
    Wrong,
    /// By this key.
    By([u8; 32]),
}

/// Where the signature of the module at `module` lies.
pub(crate) fn place(module: &Path) -> PathBuf {
    let mut place = module.as_os_str().to_owned();
    place.push(".sig");
    place.into()
}

/// Who has signed these bytes, which are those of the file at `module`.
///
/// # Errors
/// There is a signature that cannot be read.
pub(crate) fn verify(module: &Path, bytes: &[u8], keys: &[SigningKey]) -> io::Result<Signed> {
    if keys.is_empty() {
        return Ok(Signed::Not);
    }
    let Some(written) = read(&place(module))? else {
        return Ok(Signed::Not);
    };
    let Some(signature) = decode(&written) else {
        return Ok(Signed::Wrong);
    };
    let made_by = |key: &&SigningKey| {
        UnparsedPublicKey::new(&ED25519, &key.key)
            .verify(bytes, &signature)
            .is_ok()
    };
    Ok(keys
        .iter()
        .find(made_by)
        .map_or(Signed::Wrong, |key| Signed::By(key.key)))
}

impl Signed {
    /// Whether one of these has signed.
    ///
    /// # Errors
    /// Why not, for an operator.
    pub fn check(&self, signers: &[SigningKey]) -> Result<(), String> {
        let names = || signers.iter().map(|key| &*key.name).collect::<Vec<_>>().join(", ");
        match self {
            Self::By(key) if signers.iter().any(|signer| signer.key == *key) => Ok(()),
            Self::By(_) => Err(format!("it is signed with a key other than {}", names())),
            Self::Wrong => Err(format!("its signature (.wasm.sig) does not verify with {}", names())),
            Self::Not => Err(format!(
                "it is not signed: the file .wasm.sig beside it is missing; accepted keys: {}",
                names()
            )),
        }
    }
}

fn read(place: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut written = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut written)?;
    Ok(Some(written))
}

/// Raw, or in Base64.
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
