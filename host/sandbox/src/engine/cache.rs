//! Compiled modules on disk, so that a start or a reload need not compile what was compiled before.
//!
//! An artefact is native code, and loading one is trusting it. So the folder is private to this user, files are opened only
//! if this user owns them, and every file begins with the SHA-256 of the rest, checked before anything is mapped. A
//! file that fails any of this is as good as none: the module is compiled again. Files come to be by temp file, fsync and
//! rename, so that a crash leaves an old file, a new one or none.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::os;

const MAGIC: &[u8; 8] = b"lockgat1";
const HEADER: usize = MAGIC.len() + 32;
/// Artefacts kept; the longest unused go first.
const MAX_ARTEFACTS: usize = 128;
/// A temp file this old belongs to nobody any more.
const MAX_TEMP_AGE: Duration = Duration::from_secs(3600);

/// The folder of compiled modules.
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Takes a folder, which is made if it does not exist, and made private if it is not.
    ///
    /// # Errors
    /// It cannot be made, is no folder, or belongs to somebody else.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let found = fs::metadata(folder)?;
        if found.uid() != os::effective_user() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The artefact under a key, if there is an undamaged one of ours.
    pub(super) fn load(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(key);
        match read_checked(&path) {
            Ok(artefact) => Some(artefact),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "cached module unusable; compiling again");
                None
            }
        }
    }

    /// Keeps an artefact. A failure (a full disk, say) costs only the next compilation, so it is told and no more.
    pub(super) fn store(&self, key: &str, artefact: &[u8]) {
        if let Err(error) = self.try_store(key, artefact) {
            tracing::warn!(folder = %self.folder.display(), %error, "compiled module not cached");
        }
        self.prune();
    }

    fn try_store(&self, key: &str, artefact: &[u8]) -> io::Result<()> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let temp = self.folder.join(format!("{key}.{}-{serial}.tmp", std::process::id()));
        let written = write_synced(&temp, artefact).and_then(|()| fs::rename(&temp, self.folder.join(key)));
        if written.is_err() {
            // It may not even exist; what is left over is pruned one day.
            let _ = fs::remove_file(&temp);
        }
        written?;
        File::open(&self.folder)?.sync_all()
    }

    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let now = SystemTime::now();
        let mut artefacts = Vec::new();
        for entry in entries.flatten() {
            let Ok(modified) = entry.metadata().and_then(|found| found.modified()) else {
                continue;
            };
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "tmp") {
                artefacts.push((modified, path));
            } else if now.duration_since(modified).is_ok_and(|age| age > MAX_TEMP_AGE) {
                let _ = fs::remove_file(path);
            }
        }
        artefacts.sort_unstable_by(|a, b| b.cmp(a));
        for (_, path) in artefacts.into_iter().skip(MAX_ARTEFACTS) {
            let _ = fs::remove_file(path);
        }
    }
}

fn write_synced(path: &Path, artefact: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&Sha256::digest(artefact))?;
    file.write_all(artefact)?;
    file.sync_all()
}

fn read_checked(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != os::effective_user() || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("it is not a file that only this user can write"));
    }
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let mut artefact = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    file.read_to_end(&mut artefact)?;
    let (magic, digest) = header.split_at(MAGIC.len());
    if magic != MAGIC || digest != Sha256::digest(&artefact).as_slice() {
        return Err(io::Error::other("it is damaged"));
    }
    // The time of last use decides what is pruned; not being able to tell it is no harm.
    let _ = file.set_modified(SystemTime::now());
    Ok(artefact)
}
