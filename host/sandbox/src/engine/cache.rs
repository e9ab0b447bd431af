//! The compile cache: compiled modules on disk, so that a start or a reload need not compile them again.
//!
//! An artefact is native code, so loading one means trusting it. Only this user can write to the folder. A file is opened only if
//! this user owns it, and begins with the SHA-256 of its key and content, which is checked before use: a renamed file is no other
//! module. A file that fails a check is ignored, and the module is compiled again. Files are written by temporary file, fsync and
//! rename, so that a crash leaves an old file, a new one or none.
//!
//! The folder may hold anything else: only files with the cache's own names are read or removed, and no permission is changed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::os;

const MAGIC: &[u8; 8] = b"lockgat2";
const HEADER: usize = MAGIC.len() + 32;
/// Maximum bytes of the cache. The least recently used files are removed.
const MAX_BYTES: u64 = 1 << 30;
/// Files that were used within this time are kept, whatever their size: removing what is in use would compile it at every start.
const IN_USE: Duration = Duration::from_secs(3600);
/// The age after which a temporary file is removed.
const MAX_TEMP_AGE: Duration = Duration::from_secs(3600);
/// Hexadecimal digits of a key: the module's SHA-256, and the compiler's compatibility hash behind a hyphen.
const KEY_DIGITS: [usize; 2] = [64, 16];

/// The folder of compiled modules.
pub(super) struct Cache {
    folder: PathBuf,
    max_bytes: u64,
}

impl Cache {
    /// Opens a folder. A missing one is created, private to this user.
    ///
    /// # Errors
    /// It cannot be created, is not a folder, belongs to another user, or can be written by others.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let found = fs::metadata(folder)?;
        if found.uid() != os::effective_user() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if !found.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if found.mode() & 0o022 != 0 {
            let mode = found.mode() & 0o7777;
            return Err(io::Error::other(format!(
                "other users can write to it (mode {mode:04o}), expected a folder that only this user can write to: chmod go-w"
            )));
        }
        Ok(Self {
            folder: folder.to_owned(),
            max_bytes: MAX_BYTES,
        })
    }

    /// The artefact of a key, if there is an intact one of this user.
    pub(super) fn load(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(key);
        match read_checked(&path, key) {
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
        let written = write_synced(&temp, key, artefact).and_then(|()| fs::rename(&temp, self.folder.join(key)));
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
        let is_older = |time: SystemTime, age: Duration| now.duration_since(time).is_ok_and(|found| found > age);
        let mut artefacts = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(kind) = name.to_str().and_then(Name::parse) else {
                continue;
            };
            let Ok(found) = entry.metadata() else { continue };
            let Ok(modified) = found.modified() else { continue };
            if !found.is_file() {
                continue;
            }
            match kind {
                Name::Artefact => artefacts.push((modified, found.len(), entry.path())),
                Name::Temporary if is_older(modified, MAX_TEMP_AGE) => drop(fs::remove_file(entry.path())),
                Name::Temporary => {}
            }
        }
        artefacts.sort_unstable_by(|a, b| b.cmp(a));
        let mut total = 0;
        for (modified, bytes, path) in artefacts {
            total += bytes;
            if total > self.max_bytes && is_older(modified, IN_USE) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// The names of the cache's own files.
enum Name {
    /// A key.
    Artefact,
    /// A key, process and number: `KEY.PID-SERIAL.tmp`.
    Temporary,
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        let (key, rest) = name
            .split_once('.')
            .map_or((name, None), |(key, rest)| (key, Some(rest)));
        let (module, compiler) = key.split_once('-')?;
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !is_hex(module, KEY_DIGITS[0]) || !is_hex(compiler, KEY_DIGITS[1]) {
            return None;
        }
        let Some(rest) = rest else { return Some(Self::Artefact) };
        let (process, serial) = rest.strip_suffix(".tmp")?.split_once('-')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(process) && is_number(serial)).then_some(Self::Temporary)
    }
}

/// Of the key, and of the artefact that belongs to it.
fn digest(key: &str, artefact: &[u8]) -> impl AsRef<[u8]> {
    Sha256::new()
        .chain_update(key)
        .chain_update([0])
        .chain_update(artefact)
        .finalize()
}

fn write_synced(path: &Path, key: &str, artefact: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(MAGIC)?;
    file.write_all(digest(key, artefact).as_ref())?;
    file.write_all(artefact)?;
    file.sync_all()
}

fn read_checked(path: &Path, key: &str) -> io::Result<Vec<u8>> {
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
    let (magic, found) = header.split_at(MAGIC.len());
    if magic != MAGIC || found != digest(key, &artefact).as_ref() {
        return Err(io::Error::other(
            "it is damaged, of another version, or another module's",
        ));
    }
    // Pruning is by time of last use. Failing to set it does no harm.
    let _ = file.set_modified(SystemTime::now());
    Ok(artefact)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key(digit: char) -> String {
        let digits = |count: usize| digit.to_string().repeat(count);
        format!("{}-{}", digits(KEY_DIGITS[0]), digits(KEY_DIGITS[1]))
    }

    fn age(path: &Path, hours: u64) {
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(then)
            .unwrap();
    }

    #[test]
    fn an_artefact_under_another_key_is_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        cache.store(&key('a'), b"code of a");
        assert_eq!(cache.load(&key('a')).as_deref(), Some(&b"code of a"[..]));
        fs::copy(folder.path().join(key('a')), folder.path().join(key('b'))).unwrap();
        assert_eq!(cache.load(&key('b')), None);
    }

    #[test]
    fn foreign_files_and_permissions_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let foreign = [
            "notes.txt",
            "a.tmp",
            "0123",
            &format!("{}.bak", key('c')),
            &key('c').to_uppercase(),
        ];
        for name in foreign {
            fs::write(folder.path().join(name), [b'x'; 1000]).unwrap();
            age(&folder.path().join(name), 48);
        }
        let mut cache = Cache::open(folder.path()).unwrap();
        cache.max_bytes = 1500;
        for (digit, hours) in [('1', 4), ('2', 3), ('3', 2), ('4', 0), ('5', 0)] {
            cache.store(&key(digit), &[b'y'; 1000]);
            age(&folder.path().join(key(digit)), hours);
        }
        cache.prune();
        let is_there = |name: &str| folder.path().join(name).exists();
        assert!(foreign.iter().all(|name| is_there(name)));
        assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o755);
        let kept: Vec<char> = ('1'..='5').filter(|digit| is_there(&key(*digit))).collect();
        assert_eq!(
            kept,
            ['4', '5'],
            "the oldest go; what is in use stays, above the limit too"
        );
    }

    #[test]
    fn two_hundred_modules_in_use_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let keys: Vec<String> = (0..200).map(|number| format!("{number:064x}-{number:016x}")).collect();
        keys.iter().for_each(|key| cache.store(key, key.as_bytes()));
        assert!(keys.iter().all(|key| cache.load(key).is_some()));
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o770, 0o707, 0o1777] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let Err(error) = Cache::open(folder.path()) else {
                panic!("mode {mode:o} was accepted")
            };
            assert!(error.to_string().contains("other users can write"), "{error}");
            assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o7777, mode);
        }
    }
}
