//! [`Resolver`]: the names in use, and the thread that keeps them current.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_client::{Resolve, Resolving};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Semaphore, mpsc};

use crate::dns::Dns;
use crate::entry::{Entry, HostWatch};
use crate::error::LookupError;
use crate::lookup;
use crate::message::Service;
use crate::refresh;
use crate::settings::ResolverSettings;

/// Maximum number of names in use.
pub(crate) const MAX_NAMES: usize = 16_384;
/// Maximum number of lookups at a time; each has at most two sockets.
const MAX_LOOKUPS: usize = 256;

/// Resolves host names for the whole process. A clone is the same one.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

/// The servers of a service, as a lookup found them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// At least one, of all priorities.
    pub list: Vec<Service>,
    /// Time for which they are valid.
    pub ttl: Duration,
}

/// Lookups since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupCounts {
    /// Names that are kept current.
    pub names: usize,
    /// Lookups that gave addresses.
    pub succeeded: u64,
    /// Lookups that gave none.
    pub failed: u64,
}

/// What the resolver's clients share with its thread.
pub(crate) struct Shared {
    pub(crate) dns: Dns,
    pub(crate) permits: Semaphore,
    names: Mutex<HashMap<Arc<str>, Arc<Entry>>>,
    /// Names that get a task.
    new: mpsc::UnboundedSender<Arc<Entry>>,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Resolver {
    /// Starts the resolver's thread, which ends with the process.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn start(settings: &ResolverSettings) -> io::Result<Self> {
        let (new, names) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            dns: Dns::new(settings),
            permits: Semaphore::new(MAX_LOOKUPS),
            names: Mutex::default(),
            new,
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let runtime = || {
            Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
        };
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || match runtime() {
                Ok(runtime) => runtime.block_on(run(of_thread, names)),
                Err(error) => tracing::error!(%error, "resolver failed to start"),
            })?;
        Ok(Self(shared))
    }

    /// Replaces the settings. The next lookup of each name obeys them.
    pub fn set(&self, settings: &ResolverSettings) {
        if *self.0.dns.settings() == *settings {
            return;
        }
        self.0.dns.set(settings);
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        // What is known of them may come from another server.
        names.values().for_each(|entry| entry.look_up_now());
    }

    /// Keeps these names current from now on, whether they are used or not, and no others without use.
    pub fn pin(&self, names: impl IntoIterator<Item = Arc<str>>) {
        let pinned: Vec<Arc<Entry>> = names.into_iter().filter_map(|name| self.0.entry(&name).ok()).collect();
        let known = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in known.values() {
            entry.is_pinned.store(false, Ordering::Relaxed);
        }
        for entry in pinned {
            entry.is_pinned.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps a name current while the watch lives, at most `refresh` old.
    ///
    /// # Errors
    /// There are too many names.
    pub fn watch(&self, name: &Arc<str>, refresh: Option<Duration>) -> Result<HostWatch, LookupError> {
        self.0.entry(name).map(|entry| entry.watch(refresh))
    }

    /// Looks up the servers of a service (SRV), on the caller's runtime.
    ///
    /// # Errors
    /// There are none, or the lookup failed.
    pub async fn services(&self, name: &str) -> Result<Services, LookupError> {
        let _permit = self.0.permits.acquire().await.map_err(|_| LookupError::Ended)?;
        let outcome = lookup::services(&self.0.dns, name).await;
        self.0.count(outcome.is_ok());
        let records = outcome?;
        let settings = self.0.dns.settings();
        let floor = settings.min_ttl.duration();
        Ok(Services {
            list: records.list,
            ttl: records.ttl.clamp(floor, settings.max_ttl.duration().max(floor)),
        })
    }

    /// Lookups since the start.
    pub fn counts(&self) -> LookupCounts {
        LookupCounts {
            names: self.0.names.lock().unwrap_or_else(PoisonError::into_inner).len(),
            succeeded: self.0.succeeded.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, host: &Arc<str>) -> Resolving {
        let entry = match self.0.entry(host) {
            Ok(entry) => entry,
            Err(error) => return Box::pin(ready(Err(io::Error::other(error)))),
        };
        if !entry.record.addresses().is_empty() {
            return Box::pin(ready(Ok(Arc::clone(&entry.record))));
        }
        Box::pin(async move { entry.resolved().await })
    }
}

impl Shared {
    /// The entry of a name. A new one gets its task.
    fn entry(&self, name: &Arc<str>) -> Result<Arc<Entry>, LookupError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = names.get(name) {
            entry.touch();
            return Ok(Arc::clone(entry));
        }
        if names.len() >= MAX_NAMES {
            return Err(LookupError::TooManyNames);
        }
        let entry = Arc::new(Entry::new(Arc::clone(name)));
        self.new.send(Arc::clone(&entry)).map_err(|_| LookupError::Ended)?;
        names.insert(Arc::clone(name), Arc::clone(&entry));
        Ok(entry)
    }

    /// Forgets a name that nobody uses; true if it did.
    pub(crate) fn forget(&self, entry: &Arc<Entry>) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // The table and the task have one each.
        let is_unused = entry.is_unused() && Arc::strong_count(entry) == 2;
        is_unused && names.remove(&entry.name).is_some()
    }

    pub(crate) fn count(&self, has_succeeded: bool) {
        let counter = if has_succeeded { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

async fn run(shared: Arc<Shared>, mut names: mpsc::UnboundedReceiver<Arc<Entry>>) {
    while let Some(entry) = names.recv().await {
        tokio::task::spawn_local(refresh::run(Arc::clone(&shared), entry));
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Resolver")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
