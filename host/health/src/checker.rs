//! [`Checker`]: probes the endpoints of all upstreams, each at its time, and sets their health.
//!
//! It has a thread of its own, with a task for each endpoint. The tasks share a bound of concurrent probes.

mod round;
mod tasks;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lockgate_client::{Resolve, Target};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use self::tasks::Tasks;
use crate::check::Check;
use crate::failure::ProbeFailure;
use crate::jitter::Jitter;
use crate::probe::probe;
use crate::subject::CheckedGroup;

/// The maximum number of concurrent probes.
pub const MAX_CONCURRENT: usize = 1_000;

/// The pause between two looks at whether the endpoints of a group have changed: one number each.
const LOOK: Duration = Duration::from_millis(100);

/// An upstream and how it is checked.
pub struct CheckedUpstream {
    /// How.
    pub check: Check,
    /// What.
    pub group: Box<dyn CheckedGroup>,
}

/// Who counts probes.
pub trait ProbeCounter: Send {
    /// Counts a probe of an endpoint of this upstream, which passed or failed in this way.
    fn count(&self, upstream: &str, outcome: Result<(), &ProbeFailure>);
}

/// Carries out a probe.
pub(crate) trait Prober {
    /// Probes an endpoint once.
    fn probe<'a>(&'a self, check: &'a Check, target: &'a Target) -> Probing<'a>;
}

pub(crate) type Probing<'a> = Pin<Box<dyn Future<Output = Result<(), ProbeFailure>> + 'a>>;

/// Probes over sockets.
struct Sockets(Option<Arc<dyn Resolve>>);

impl Prober for Sockets {
    fn probe<'a>(&'a self, check: &'a Check, target: &'a Target) -> Probing<'a> {
        Box::pin(probe(check, target, self.0.as_ref()))
    }
}

/// The thread that checks. It ends with the last clone of this handle.
#[derive(Clone)]
pub struct Checker(mpsc::UnboundedSender<Vec<CheckedUpstream>>);

impl Checker {
    /// Starts the thread, which checks nothing yet. `resolver` knows the addresses of host names; without one, the system is asked.
    ///
    /// # Errors
    /// The thread cannot start.
    pub fn start(counter: impl ProbeCounter + 'static, resolver: Option<Arc<dyn Resolve>>) -> io::Result<Self> {
        let (sender, wanted) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("health".to_owned()).spawn(move || {
            let jitter = Jitter::from_seed(RandomState::new().hash_one(0u8));
            let tasks = Tasks::new(Sockets(resolver), counter, jitter);
            LocalSet::new().block_on(&runtime, run(wanted, tasks));
        })?;
        Ok(Self(sender))
    }

    /// Checks these upstreams from now on, and no others. Endpoints keep their health; that of one which is not checked any more is
    /// forgotten.
    pub fn set(&self, upstreams: Vec<CheckedUpstream>) {
        if self.0.send(upstreams).is_err() {
            tracing::error!("the thread of the health checks has ended; no endpoint is checked any more");
        }
    }
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Checker").finish_non_exhaustive()
    }
}

/// Checks what it is told to, and follows the endpoints of these groups, which may change at any time.
async fn run(mut wanted: mpsc::UnboundedReceiver<Vec<CheckedUpstream>>, mut tasks: Tasks) {
    loop {
        match tokio::time::timeout(LOOK, wanted.recv()).await {
            Ok(Some(upstreams)) => tasks.set(upstreams),
            Ok(None) => return,
            Err(_) => tasks.refresh(),
        }
    }
}

/// The parts of a checker that its tasks share.
struct Shared {
    prober: Box<dyn Prober>,
    counter: Box<dyn ProbeCounter>,
    jitter: Jitter,
    /// One for each concurrent probe.
    permits: tokio::sync::Semaphore,
}

#[cfg(test)]
mod tests;
