//! Endpoints from a file: a JSON array, written as `endpoints` in gateway.json.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lockgate_upstream::{EndpointSettings, FileDiscovery};

use super::read_file;
use crate::error::SourceError;
use crate::publisher::Publisher;

/// Time between two looks at the file.
const INTERVAL: Duration = Duration::from_millis(500);
/// Looks after which a file that cannot be read is a failure: it may be half-written.
const MAX_PATIENCE: u32 = 3;
/// Maximum size of the file, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// What tells one content of the file from another, without reading it.
type Seen = Option<(SystemTime, u64, u64)>;

pub(super) async fn run(settings: FileDiscovery, mut publisher: Publisher) {
    let mut last: Option<Seen> = None;
    let mut failures = 0;
    loop {
        let seen = seen(settings.path.clone()).await;
        if last != Some(seen) || failures > 0 {
            match read(&settings.path).await {
                Ok(list) => {
                    publisher.list(list).await;
                    failures = 0;
                }
                Err(error) => {
                    let is_new = last != Some(seen);
                    failures = if is_new { 1 } else { failures + 1 };
                    // At the start nobody is writing it.
                    if failures == MAX_PATIENCE || last.is_none() {
                        publisher.failed(&error);
                    }
                }
            }
            last = Some(seen);
        } else {
            publisher.confirmed();
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn seen(path: PathBuf) -> Seen {
    let look = move || {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len(), found.ino()))
    };
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

async fn read(path: &Path) -> Result<Vec<EndpointSettings>, SourceError> {
    let text = read_file(path, MAX_FILE).await?;
    serde_json::from_str(&text)
        .map_err(|error| SourceError::Malformed(format!("{}: {error}; expected an array of endpoints", path.display())))
}
