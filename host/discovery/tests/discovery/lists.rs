//! Discovery as a test sees it: the lists that come, and the status.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockgate_discovery::{Discovery, DiscoverySink, SourceStatus, Wanted};
use lockgate_resolver::{Resolver, ResolverSettings};
use lockgate_upstream::EndpointSettings;
use tempfile::TempDir;

/// Discovery with the lists that it has given.
pub(crate) struct Lists {
    pub(crate) discovery: Discovery,
    received: Arc<Received>,
    pub(crate) folder: TempDir,
}

#[derive(Default)]
struct Received(Mutex<HashMap<String, Vec<EndpointSettings>>>);

impl DiscoverySink for Received {
    fn set_discovered(&self, upstream: &str, endpoints: &[EndpointSettings]) {
        self.0
            .lock()
            .expect("no panic")
            .insert(upstream.to_owned(), endpoints.to_vec());
    }
}

impl Lists {
    /// The upstream "orders" with this source.
    pub(crate) fn of(source: &str) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), source)
    }

    /// The same, in the folder of an earlier run.
    pub(crate) fn in_folder(folder: TempDir, source: &str) -> Self {
        let received = Arc::<Received>::default();
        let resolver = Resolver::start(&ResolverSettings::default()).expect("a thread");
        let discovery = Discovery::start(resolver, received.clone(), folder.path().join("lists")).expect("a thread");
        let lists = Self {
            discovery,
            received,
            folder,
        };
        lists.set(source);
        lists
    }

    pub(crate) fn set(&self, source: &str) {
        self.discovery.set(vec![Wanted {
            upstream: "orders".into(),
            settings: serde_json::from_str(source).expect("settings of a source"),
        }]);
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn status(&self) -> SourceStatus {
        self.discovery.status()["orders"].clone()
    }

    /// The list in force, in the form `ADDRESS*WEIGHT`; none before the first.
    pub(crate) fn list(&self) -> Option<Vec<String>> {
        let received = self.received.0.lock().expect("no panic");
        let list = received.get("orders")?.iter();
        Some(
            list.map(|endpoint| format!("{}*{}", endpoint.address, endpoint.weight.value()))
                .collect(),
        )
    }

    /// Waits for this list, and returns how long it took.
    pub(crate) fn becomes(&self, expected: &[&str]) -> Duration {
        let took = eventually(|| self.list().is_some_and(|list| list == expected));
        took.unwrap_or_else(|| panic!("{:?} instead of {expected:?}; {:?}", self.list(), self.status()))
    }

    /// Waits for a failure that is told so.
    pub(crate) fn fails(&self, part: &str) {
        let failed = || self.status().last_error.is_some_and(|error| error.contains(part));
        assert!(eventually(failed).is_some(), "{part}: {:?}", self.status());
    }
}

/// Waits until something holds, at most 15 seconds.
pub(crate) fn eventually(holds: impl Fn() -> bool) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        if holds() {
            return Some(began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}
