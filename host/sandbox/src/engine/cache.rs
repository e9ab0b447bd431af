//! The compile cache: compiled modules on disk, so that a start or a reload need not compile them again.
//!
//! An artefact is native code, so loading one means trusting it. The folder is private to this user. A file is opened only if
//! this user owns it, and begins with the SHA-256 of its content, which is checked before use. A file that fails a check is
//! ignored, and the module is compiled again. Files are written by temporary file, fsync and rename, so that a crash leaves an
//! old file, a new one or none.

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
/// Files in the cache. The least recently used are removed.
const MAX_ARTEFACTS: usize = 128;
/// The age after which a temporary file is removed.
const MAX_TEMP_AGE: Duration = Duration::from_secs(3600);

/// The folder of compiled modules.
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens a folder. A missing one is created; one that others can access is made private.
    ///
    /// # Errors
    /// It cannot be created, is not a folder, or belongs to another user.
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

    /// The artefact of a key, if there is an intact one of this user.
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

    /// Stores an artefact. A failure costs only another compilation, so it is only logged.
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
            // The file may not exist. What remains is pruned later.
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
    // Pruning is by time of last use. Failing to set it does no harm.
    let _ = file.set_modified(SystemTime::now());
    Ok(artefact)
}
