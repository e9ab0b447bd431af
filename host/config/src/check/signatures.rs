//! Signing keys, and the keys that a plugin requires. The signatures themselves are checked by host/modules.

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::Node;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::entry;
use crate::model::SigningKey;
use crate::settings::SignatureSettings;

/// The bytes before the 32 of the key in an Ed25519 `SubjectPublicKeyInfo` (RFC 8410).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The section `signatures`.
pub(super) struct Signatures {
    /// Valid keys.
    pub(super) keys: Vec<SigningKey>,
    /// Names of all keys, invalid ones included.
    names: Vec<String>,
    /// Whether every plugin's module must be signed.
    pub(super) required: bool,
}

/// Reads the section `signatures`.
pub(super) fn read(root: &Node, mistakes: &mut Mistakes) -> Signatures {
    let here = Pointer::root().key("signatures");
    let settings: SignatureSettings = entry::part(root, &Pointer::root(), "signatures", mistakes).unwrap_or_default();
    if settings.required && settings.keys.is_empty() && !mistakes.within(&here) {
        let mistake = Mistake::invalid(here.key("required"), "false, or at least one key in \"keys\"");
        mistakes.push(mistake.hint("\"keys\": { \"release\": \"${file:release.pub}\" }"));
    }
    let here = here.key("keys");
    let names = settings.keys.keys().cloned().collect();
    let keys = settings.keys.into_iter().filter_map(|(name, text)| {
        let key = key_of(&text).ok_or_else(|| {
            Mistake::invalid(here.key(&name), "an Ed25519 public key in PEM")
                .hint("openssl genpkey -algorithm ed25519 -out release.key; openssl pkey -in release.key -pubout -out release.pub")
        });
        mistakes.ok_or_record(key).map(|key| SigningKey { name, key })
    });
    Signatures {
        keys: keys.collect(),
        names,
        required: settings.required,
    }
}

impl Signatures {
    /// The keys of which one must have signed the plugin's module: those in `named`, else all keys if signatures are required. None: the
    /// module needs no signature.
    pub(super) fn of(
        &self,
        named: Option<&[String]>,
        here: &Pointer,
        mistakes: &mut Mistakes,
    ) -> Option<Vec<SigningKey>> {
        let Some(named) = named else {
            return self.required.then(|| self.keys.clone());
        };
        if named.is_empty() {
            mistakes.push(Mistake::invalid(here.clone(), "at least one key's name"));
        }
        let mut signers = Vec::new();
        for (index, name) in named.iter().enumerate() {
            match self.names.iter().any(|known| known == name) {
                true => signers.extend(self.keys.iter().find(|key| key.name == *name).cloned()),
                false => {
                    let known = self.names.iter().map(String::as_str);
                    mistakes.push(Mistake::unknown_name(
                        here.index(index),
                        "a key in \"signatures\"",
                        name,
                        known,
                    ));
                }
            }
        }
        Some(signers)
    }
}

fn key_of(pem: &str) -> Option<[u8; 32]> {
    let info = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
    info.strip_prefix(&PREFIX)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_openssl_writes_it_and_nothing_else_is() {
        // RFC 8410, section 10.1.
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        assert_eq!(key_of(pem).map(|key| key[..2].to_vec()), Some(vec![0x19, 0xbf]));
        for wrong in [
            "",
            "GbtECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
            &pem.replace("PUBLIC", "PRIVATE"),
            &pem.replace("VwAyEA", "VuAyEA"),
        ] {
            assert_eq!(key_of(wrong), None, "{wrong}");
        }
    }
}
