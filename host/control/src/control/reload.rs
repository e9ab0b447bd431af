//! A reload beside the control loop: loads on a thread of its own, then activates on the workers. It owns all that it works with, so that
//! the loop can leave it behind at the end of the process.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lockgate_discovery::Discovery;
use lockgate_exchange::clock;
use lockgate_gateway::Snapshot;
use lockgate_gateway::worker::Command as WorkerCommand;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::Wanted;
use crate::activate::activate;
use crate::check::warnings::unverified;
use crate::discovery;
use crate::error::RunError;
use crate::load::{Attempt, LoadedSnapshot, Loader};
use crate::upstreams::Upstreams;

/// A running reload, or the activation of the first snapshot.
pub(super) struct Running {
    task: Pin<Box<dyn Future<Output = Finished> + Send>>,
    pub(super) wanted: Wanted,
}

/// A reload to be made.
pub(super) struct Reload {
    pub(super) config: PathBuf,
    pub(super) loader: Loader,
    pub(super) current: Arc<Snapshot>,
    pub(super) discovery: Discovery,
    pub(super) attempt: Attempt,
    pub(super) workers: Vec<UnboundedSender<WorkerCommand>>,
    pub(super) upstreams: Upstreams,
}

/// A finished reload.
pub(super) struct Finished {
    pub(super) loader: Loader,
    pub(super) outcome: Outcome,
    /// A module or a certificate was refused; the rest took effect.
    pub(super) refused_alone: bool,
    pub(super) took: Duration,
}

/// How a reload ended.
pub(super) enum Outcome {
    /// Every worker has this snapshot.
    Live(Arc<Snapshot>),
    /// Nothing has changed.
    Unchanged,
    /// The previous snapshot stays in use.
    Refused(RunError),
}

impl Running {
    /// Loads and activates.
    pub(super) fn reload(reload: Reload, wanted: Wanted) -> Self {
        Self {
            task: Box::pin(reload.run()),
            wanted,
        }
    }

    /// Activates the first snapshot.
    pub(super) fn activation(
        loader: Loader,
        first: LoadedSnapshot,
        workers: Vec<UnboundedSender<WorkerCommand>>,
        upstreams: Upstreams,
    ) -> Self {
        let began = clock::now();
        let task = async move {
            Finished {
                outcome: make_live(&workers, &upstreams, None, first).await,
                loader,
                refused_alone: false,
                took: clock::now().saturating_duration_since(began),
            }
        };
        Self {
            task: Box::pin(task),
            wanted: Wanted::default(),
        }
    }
}

impl Reload {
    async fn run(self) -> Finished {
        let Self {
            config,
            mut loader,
            current,
            discovery,
            attempt,
            workers,
            upstreams,
        } = self;
        let began = clock::now();
        let live = current.clone();
        let mut loading = Some(tokio::task::spawn_blocking(move || {
            let refused = loader.refused_alone();
            let next = loader.reload(&config, &current, &attempt);
            let refused_alone = loader.refused_alone() > refused;
            (loader, next, refused_alone)
        }));
        let (loader, next, refused_alone) = joined(&mut loading).await;
        let outcome = match next {
            Ok(Some(next)) => {
                discovery::prepare(&discovery, &live.model, &next.snapshot.model).await;
                make_live(&workers, &upstreams, Some(live), next).await
            }
            Ok(None) => Outcome::Unchanged,
            Err(report) => Outcome::Refused(RunError::Config(report)),
        };
        Finished {
            loader,
            outcome,
            refused_alone,
            took: clock::now().saturating_duration_since(began),
        }
    }
}

async fn make_live(
    workers: &[UnboundedSender<WorkerCommand>],
    upstreams: &Upstreams,
    current: Option<Arc<Snapshot>>,
    loaded: LoadedSnapshot,
) -> Outcome {
    let LoadedSnapshot {
        snapshot,
        remarks,
        document,
    } = loaded;
    for warning in unverified(&snapshot.model, &document) {
        tracing::warn!("{warning}");
    }
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    match activate(workers, upstreams, current.as_deref(), &snapshot).await {
        Ok(()) => Outcome::Live(snapshot),
        Err(error) => Outcome::Refused(error),
    }
}

/// The result of the running reload; never, while there is none. Cancel-safe.
pub(super) async fn finished(running: &mut Option<Running>) -> Finished {
    match running {
        Some(running) => running.task.as_mut().await,
        None => std::future::pending().await,
    }
}

/// The result of a blocking task; never, while there is none. A panic goes on here. Cancel-safe.
pub(crate) async fn joined<T>(task: &mut Option<JoinHandle<T>>) -> T {
    let Some(task) = task else {
        return std::future::pending().await;
    };
    match task.await {
        Ok(done) => done,
        // Nobody aborts it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
