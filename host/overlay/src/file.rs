//! [`OverlayFile`]: the overlay on disk. It is replaced as a whole, so that a process that is killed leaves the old one or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::overlay::Overlay;

/// The maximum bytes of the file that are read: above what the bounds of an overlay allow.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The file that an overlay is kept in. Its folder is made with the first write.
#[derive(Clone, Debug)]
pub struct OverlayFile {
    path: PathBuf,
}

impl OverlayFile {
    /// The file at this path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds; nothing if there is no file. One that cannot be read as an overlay is logged and set aside under another name, so
    /// that it never keeps the gateway from starting. Blocks.
    pub fn load(&self) -> Overlay {
        let overlay = match self.read() {
            Ok(overlay) => return overlay,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Overlay::default(),
            Err(error) => error,
        };
        let path = self.path.display();
        if overlay.kind() != io::ErrorKind::InvalidData {
            tracing::error!(%path, error = %overlay, "the overlay cannot be read; the gateway starts without it");
            return Overlay::default();
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let aside = self.beside(&format!("invalid-{}", since.as_secs()));
        match fs::rename(&self.path, &aside) {
            Ok(()) => {
                let aside = aside.display();
                tracing::error!(%path, error = %overlay, set_aside = %aside, "the overlay is invalid; the gateway starts without it");
            }
            Err(failure) => {
                tracing::error!(%path, error = %overlay, %failure, "the overlay is invalid, and cannot be set aside; the gateway starts without it");
            }
        }
        Overlay::default()
    }

    fn read(&self) -> io::Result<Overlay> {
        let file = File::open(&self.path)?;
        if file.metadata()?.len() > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than any overlay"));
        }
        let text = fs::read(&self.path)?;
        // By way of a map: a struct could be read from an array, too.
        let object = serde_json::from_slice::<serde_json::Map<_, _>>(&text);
        let overlay = object.and_then(|object| serde_json::from_value(object.into()));
        overlay.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Replaces what it holds, and waits until that is on disk. Blocks.
    ///
    /// # Errors
    /// Those of the file system. The old content stays.
    pub fn save(&self, overlay: &Overlay) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(overlay)?;
        text.push(b'\n');
        if let Some(folder) = self.folder() {
            fs::create_dir_all(folder)?;
        }
        let new = self.beside(&format!("new-{}", std::process::id()));
        let written = write_synced(&new, &text).and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            // It may not even be there.
            let _ = fs::remove_file(&new);
        }
        written?;
        // The new name is on disk when the folder is.
        match self.folder() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }

    fn folder(&self) -> Option<&Path> {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty())
    }

    /// The path of a file beside it.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ending);
        self.path.with_file_name(name)
    }
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::BreakerOverride;

    fn overlay() -> Overlay {
        let mut overlay = Overlay::default();
        overlay.set_breaker("orders", Some(BreakerOverride::Open));
        overlay
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let file = OverlayFile::new(folder.path().join("state/gateway.overlay.json"));
        assert_eq!(file.load(), Overlay::default());
        assert!(
            !folder.path().join("state").exists(),
            "a folder only when there is something to keep"
        );
        file.save(&overlay()).unwrap();
        assert_eq!(file.load(), overlay());
        file.save(&Overlay::default()).unwrap();
        assert_eq!(file.load(), Overlay::default());
        assert_eq!(names(&folder.path().join("state")), ["gateway.overlay.json"]);
    }

    #[test]
    fn an_invalid_file_is_set_aside() {
        for text in [
            "",
            "{",
            "[]",
            "{\"upstreams\": {\"orders\": {\"breaker\": \"ajar\"}}}",
            "\u{0}\u{0}",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = OverlayFile::new(folder.path().join("overlay.json"));
            fs::write(file.path(), text).unwrap();
            assert_eq!(file.load(), Overlay::default(), "{text:?}");
            let [name] = &names(folder.path())[..] else {
                panic!("one file")
            };
            assert!(name.starts_with("overlay.json.invalid-"), "{name}");
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), text);
            file.save(&overlay()).unwrap();
            assert_eq!(file.load(), overlay());
        }
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = OverlayFile::new(folder.path().join("overlay.json"));
        file.save(&overlay()).unwrap();
        // The name of the new file is taken by a folder.
        fs::create_dir(file.beside(&format!("new-{}", std::process::id()))).unwrap();
        assert!(file.save(&Overlay::default()).is_err());
        assert_eq!(file.load(), overlay());
    }
}
