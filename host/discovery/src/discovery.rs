//! [`Discovery`]: the thread of the sources, and which of them run.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use lockgate_resolver::Resolver;
use lockgate_upstream::DiscoverySettings;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::http_api::HttpClient;
use crate::publisher::Publisher;
use crate::saved::Saved;
use crate::sink::DiscoverySink;
use crate::sources;
use crate::status::{SourceStatus, Statuses, UpstreamDiscovery};

/// An upstream that has a source.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub upstream: Arc<str>,
    /// Its source.
    pub settings: DiscoverySettings,
}

/// The sources of endpoints. A clone is the same one.
#[derive(Clone)]
pub struct Discovery {
    commands: mpsc::UnboundedSender<Vec<Wanted>>,
    statuses: Statuses,
    decided: Arc<Notify>,
}

/// A source that runs.
struct Running {
    settings: DiscoverySettings,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The thread's state.
struct Sources {
    running: BTreeMap<Arc<str>, Running>,
    statuses: Statuses,
    decided: Arc<Notify>,
    resolver: Resolver,
    client: HttpClient,
    sink: Arc<dyn DiscoverySink>,
    saved: Saved,
}

impl Discovery {
    /// Starts the thread, which ends with the process. Lists go to `sink`, and are kept in `folder`.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn start(resolver: Resolver, sink: Arc<dyn DiscoverySink>, folder: PathBuf) -> io::Result<Self> {
        let (commands, wanted) = mpsc::unbounded_channel();
        let (statuses, decided) = (Statuses::default(), Arc::<Notify>::default());
        let discovery = Self {
            commands,
            statuses: Arc::clone(&statuses),
            decided: Arc::clone(&decided),
        };
        let runtime = || {
            Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(4)
                .build_local(LocalOptions::default())
        };
        std::thread::Builder::new()
            .name("discovery".to_owned())
            .spawn(move || {
                let sources = Sources {
                    running: BTreeMap::new(),
                    statuses,
                    decided,
                    client: HttpClient::new(&resolver),
                    resolver,
                    sink,
                    saved: Saved::new(folder),
                };
                match runtime() {
                    Ok(runtime) => runtime.block_on(sources.run(wanted)),
                    Err(error) => tracing::error!(%error, "discovery failed to start"),
                }
            })?;
        Ok(discovery)
    }

    /// Runs these sources and no others from now on. Those whose settings are the same go on as they are.
    pub fn set(&self, wanted: Vec<Wanted>) {
        {
            let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            statuses.retain(|name, _| wanted.iter().any(|wanted| wanted.upstream == *name));
            for wanted in &wanted {
                let is_other = |status: &UpstreamDiscovery| status.get().source != wanted.settings.kind();
                if statuses.get(&wanted.upstream).is_none_or(is_other) {
                    let status = UpstreamDiscovery::new(wanted.settings.kind());
                    statuses.insert(Arc::clone(&wanted.upstream), status);
                }
            }
        }
        // Once the thread has ended, the process ends.
        let _ = self.commands.send(wanted);
    }

    /// Waits until every source has given a list or failed, at most for `limit`.
    pub async fn decided(&self, limit: Duration) {
        let all = async {
            loop {
                let notified = self.decided.notified();
                if self.status().values().all(SourceStatus::is_decided) {
                    return;
                }
                notified.await;
            }
        };
        // What is not there in time is served without.
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// How all sources are doing, by upstream.
    pub fn status(&self) -> BTreeMap<Arc<str>, SourceStatus> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses
            .iter()
            .map(|(name, status)| (Arc::clone(name), status.get()))
            .collect()
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Discovery").finish_non_exhaustive()
    }
}

impl Sources {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Vec<Wanted>>) {
        while let Some(wanted) = commands.recv().await {
            self.running.retain(|name, running| {
                wanted
                    .iter()
                    .any(|wanted| wanted.upstream == *name && wanted.settings == running.settings)
            });
            let (saved, names) = (
                self.saved.clone(),
                wanted
                    .iter()
                    .map(|wanted| wanted.upstream.to_string())
                    .collect::<Vec<_>>(),
            );
            for wanted in wanted {
                if !self.running.contains_key(&wanted.upstream) {
                    self.start(wanted);
                }
            }
            tokio::task::spawn_blocking(move || saved.retain(|name| names.iter().any(|known| known == name)));
        }
    }

    fn start(&mut self, wanted: Wanted) {
        let Wanted { upstream, settings } = wanted;
        let status = {
            let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(status) = statuses.get(&upstream).cloned() else {
                return;
            };
            status
        };
        let mut publisher = Publisher::new(
            Arc::clone(&upstream),
            settings.clone(),
            status,
            Arc::clone(&self.sink),
            self.saved.clone(),
            Arc::clone(&self.decided),
        );
        publisher.restore();
        let source = sources::run(settings.clone(), publisher, self.resolver.clone(), self.client.clone());
        let task = tokio::task::spawn_local(source);
        self.running.insert(upstream, Running { settings, task });
    }
}
