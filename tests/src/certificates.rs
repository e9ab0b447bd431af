//! Certificates made for a test.

use std::fs;
use std::path::Path;

/// Writes a self-signed certificate for a name as `NAME.pem` and `NAME.key`, each in one step, over what was there. Answers the
/// certificate as PEM.
///
/// # Panics
/// When the folder is not writable.
pub fn write(folder: &Path, file: &str, host: &str) -> String {
    let made = rcgen::generate_simple_self_signed([host.to_string()]).expect("the name is a DNS name");
    let pem = made.cert.pem();
    let place = |suffix: &str, text: &str| {
        let part = folder.join(format!(".{file}.part"));
        fs::write(&part, text)
            .and_then(|()| fs::rename(&part, folder.join(format!("{file}.{suffix}"))))
            .expect("the folder is writable");
    };
    place("key", &made.signing_key.serialize_pem());
    place("pem", &pem);
    pem
}
