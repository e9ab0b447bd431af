//! The last list of each source on disk, so that it serves after a restart while its registry is down.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_upstream::{DiscoverySettings, EndpointSettings};
use serde::{Deserialize, Serialize};

/// Maximum size of a file, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// The folder of saved lists: one file per upstream.
#[derive(Clone, Debug)]
pub(crate) struct Saved(PathBuf);

/// A list as it is saved. It belongs to the source with these settings and no other.
#[derive(Serialize, Deserialize)]
struct File {
    /// The settings, without secrets.
    source: String,
    /// Seconds since 1970 at which the source gave the list.
    confirmed: u64,
    endpoints: Vec<EndpointSettings>,
}

impl Saved {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The list of an upstream, if it was saved by a source with these settings, and its age.
    pub(crate) fn read(
        &self,
        upstream: &str,
        settings: &DiscoverySettings,
    ) -> Option<(Vec<EndpointSettings>, Duration)> {
        let path = self.path(upstream);
        let size = fs::metadata(&path).ok()?.len();
        let text = (size <= MAX_FILE).then(|| fs::read(&path).ok()).flatten()?;
        let file: File = serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "saved list of endpoints is not readable, and not used"))
            .ok()?;
        if file.source != identity(settings) {
            return None;
        }
        let confirmed = UNIX_EPOCH + Duration::from_secs(file.confirmed);
        let age = SystemTime::now().duration_since(confirmed).unwrap_or_default();
        Some((file.endpoints, age))
    }

    /// Saves a list, whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(
        &self,
        upstream: &str,
        settings: &DiscoverySettings,
        endpoints: &[EndpointSettings],
    ) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let confirmed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let file = File {
            source: identity(settings),
            confirmed: confirmed.as_secs(),
            endpoints: endpoints.to_vec(),
        };
        let text = serde_json::to_vec_pretty(&file)?;
        let path = self.path(upstream);
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, &path)
    }

    /// Removes the lists of upstreams that have no source any more.
    pub(crate) fn retain(&self, is_known: impl Fn(&str) -> bool) {
        let Ok(files) = fs::read_dir(&self.0) else { return };
        for path in files.filter_map(|file| Some(file.ok()?.path())) {
            let upstream = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json"));
            if upstream.is_some_and(|upstream| !is_known(upstream)) {
                // It is of no use, and does no harm.
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Names of upstreams are safe in a path: letters, digits, hyphens, underscores and dots.
    fn path(&self, upstream: &str) -> PathBuf {
        Path::new(&self.0).join(format!("{upstream}.json"))
    }
}

/// What makes a source another one: all its settings but its secrets.
fn identity(settings: &DiscoverySettings) -> String {
    let mut settings = settings.clone();
    match &mut settings {
        DiscoverySettings::Consul(consul) => consul.token = None,
        DiscoverySettings::Nacos(nacos) => nacos.password = None,
        _ => {}
    }
    // Settings are plain JSON.
    serde_json::to_string(&settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consul(token: &str, service: &str) -> DiscoverySettings {
        let text = format!(r#"{{ "type": "consul", "service": "{service}", "token": "{token}" }}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_list_is_read_back_for_the_same_source_and_has_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let saved = Saved::new(folder.path().join("state"));
        let list = vec![EndpointSettings::at("10.0.0.1:80".parse().unwrap())];
        assert!(saved.read("orders", &consul("s3cret", "orders")).is_none());
        saved.write("orders", &consul("s3cret", "orders"), &list).unwrap();
        let text = fs::read_to_string(folder.path().join("state/orders.json")).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
        let (read, age) = saved.read("orders", &consul("another", "orders")).unwrap();
        assert_eq!(read, list);
        assert!(age < Duration::from_secs(5));
        assert!(saved.read("orders", &consul("s3cret", "payments")).is_none());
        fs::write(folder.path().join("state/orders.json"), "{").unwrap();
        assert!(saved.read("orders", &consul("s3cret", "orders")).is_none());
        saved.retain(|name| name != "orders");
        assert_eq!(fs::read_dir(folder.path().join("state")).unwrap().count(), 0);
    }
}
