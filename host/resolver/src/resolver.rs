//! [`Resolver`]: the names in use, and the thread that keeps them current.

use std::fmt;
use std::future::ready;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use lockgate_client::{Resolve, Resolving};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

use crate::entry::{Entry, HostWatch};
use crate::error::LookupError;
use crate::lookup;
use crate::message::Service;
use crate::refresh;
use crate::settings::ResolverSettings;
use crate::shared::Shared;

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

impl Resolver {
    /// Starts the resolver's thread, which ends with the process.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn start(settings: &ResolverSettings) -> io::Result<Self> {
        let (new, names) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::start(settings, new));
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
