//! [`Handle`]: the control thread as its clients see it. The admin API, signals and tests go through it.
//!
//! Two ways lead to the control thread. What only reads is answered from state that the control thread publishes, so that a reload in
//! progress delays no one. What changes the gateway is a [`Command`] with a reply.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use lockgate_gateway::{PluginStarts, StartFailure};
use lockgate_telemetry::access_log::AccessLog;
use lockgate_telemetry::call_trace::TraceSwitch;
use lockgate_telemetry::metrics::Registry;
use tokio::sync::{mpsc, oneshot};

use crate::report::{PluginDetail, PluginsReport};
use crate::route_report::RoutesReport;
use crate::upstreams::Upstreams;

/// Reports on the live snapshot. Asks the workers at each call.
pub trait StatusSource: Send + Sync {
    /// Every plugin and module.
    fn plugins(&self) -> Pin<Box<dyn Future<Output = PluginsReport> + Send + '_>>;

    /// Every route.
    fn routes(&self) -> RoutesReport;

    /// One plugin in detail; none if no plugin has this name.
    fn plugin<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = Option<PluginDetail>> + Send + 'a>>;

    /// A CPU profile of a plugin, as folded stacks; takes this time. None if no plugin has this name, or another profile of it is running.
    fn profile<'a>(
        &'a self,
        name: &'a str,
        duration: Duration,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;
}

/// A request to the control thread. What has a result has a reply.
pub(crate) enum Command {
    /// Reload the configuration and the modules.
    Reload {
        /// The live revision, or why the configuration was refused.
        reply: oneshot::Sender<Result<u64, String>>,
    },
    /// Drain, and end the process.
    ShutDown,
}

/// The control thread's end of a [`Handle`].
pub struct Commands(mpsc::UnboundedReceiver<Command>);

impl Commands {
    /// The next command; none when every handle is gone.
    pub(crate) async fn next(&mut self) -> Option<Command> {
        self.0.recv().await
    }
}

/// The control thread as its clients see it. A clone is the same one.
#[derive(Clone)]
pub struct Handle(Arc<State>);

struct State {
    commands: mpsc::UnboundedSender<Command>,
    token: Option<String>,
    registry: Registry,
    access_log: Option<Arc<AccessLog>>,
    status: ArcSwapOption<Box<dyn StatusSource>>,
    trace: Arc<TraceSwitch>,
    plugin_starts: PluginStarts,
    ready: AtomicBool,
    upstreams: Upstreams,
}

/// Whether the gateway accepts requests, and answers them as it is configured to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It starts or drains.
    NotRunning,
    /// A plugin did not start on a worker, and requests that pass it are denied there.
    PluginNotStarted {
        /// The worker's number.
        worker: usize,
        /// The plugin, and why it did not start.
        failure: StartFailure,
    },
}

impl Handle {
    /// A handle that is not ready and has no status yet, with the control thread's end of it. Without a token only loopback clients see
    /// more than health and metrics.
    pub fn new(token: Option<String>, registry: Registry, access_log: Option<Arc<AccessLog>>) -> (Self, Commands) {
        Self::over(Upstreams::default(), token, registry, access_log)
    }

    /// As [`Handle::new`], over these upstreams.
    pub(crate) fn over(
        upstreams: Upstreams,
        token: Option<String>,
        registry: Registry,
        access_log: Option<Arc<AccessLog>>,
    ) -> (Self, Commands) {
        let (commands, receiver) = mpsc::unbounded_channel();
        let handle = Self(Arc::new(State {
            commands,
            token,
            registry,
            access_log,
            status: ArcSwapOption::empty(),
            trace: Arc::default(),
            plugin_starts: PluginStarts::default(),
            ready: AtomicBool::new(false),
            upstreams,
        }));
        (handle, Commands(receiver))
    }

    /// Reloads the configuration and the modules, and returns the revision that is live then.
    ///
    /// # Errors
    /// Why the configuration was refused; the previous one stays in use.
    pub async fn reload(&self) -> Result<u64, String> {
        let (reply, result) = oneshot::channel();
        // A control thread that has ended drops the reply.
        let _ = self.0.commands.send(Command::Reload { reply });
        result
            .await
            .unwrap_or_else(|_| Err("the gateway is shutting down".to_owned()))
    }

    /// Starts a reload without waiting for its result, which is logged.
    pub fn start_reload(&self) {
        let (reply, _) = oneshot::channel();
        // A control thread that has ended reloads no more.
        let _ = self.0.commands.send(Command::Reload { reply });
    }

    /// Drains the gateway and ends the process; the second time, ends the drain at once.
    pub fn shut_down(&self) {
        // One that has ended has shut down.
        let _ = self.0.commands.send(Command::ShutDown);
    }

    /// The bearer token of the admin API; none: loopback clients need none.
    pub fn token(&self) -> Option<&str> {
        self.0.token.as_deref()
    }

    /// Whether the gateway accepts requests, and answers them as it is configured to.
    pub fn readiness(&self) -> Readiness {
        if !self.0.ready.load(Ordering::Acquire) {
            return Readiness::NotRunning;
        }
        let failure = self.0.plugin_starts.first_failure();
        failure.map_or(Readiness::Ready, |(worker, failure)| Readiness::PluginNotStarted {
            worker,
            failure,
        })
    }

    /// Sets whether the gateway accepts requests.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Release);
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    pub fn metrics(&self) -> String {
        self.0.registry.render()
    }

    /// The switch of the host call trace.
    pub fn trace(&self) -> &Arc<TraceSwitch> {
        &self.0.trace
    }

    /// Plugins that did not start on a worker.
    pub fn plugin_starts(&self) -> &PluginStarts {
        &self.0.plugin_starts
    }

    /// The endpoints of all upstreams, and the changes of them.
    pub fn upstreams(&self) -> &Upstreams {
        &self.0.upstreams
    }

    /// The status of the live snapshot; none before the first one.
    pub fn status(&self) -> Option<Arc<Box<dyn StatusSource>>> {
        self.0.status.load_full()
    }

    /// Publishes the status of a new live snapshot.
    pub fn publish(&self, status: impl StatusSource + 'static) {
        self.0.status.store(Some(Arc::new(Box::new(status))));
    }

    /// Reopens the access log, after a log rotation.
    pub fn reopen_logs(&self) {
        if let Some(log) = &self.0.access_log {
            log.reopen();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Handle")
            .field("readiness", &self.readiness())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_gets_its_reply_and_an_error_once_the_control_thread_has_ended() {
        let (handle, mut commands) = Handle::new(None, Registry::new(), None);
        let control = async {
            let Some(Command::Reload { reply }) = commands.next().await else {
                panic!("a reload was sent");
            };
            reply.send(Ok(7)).unwrap();
        };
        let (result, ()) = tokio::join!(handle.reload(), control);
        assert_eq!(result, Ok(7));
        handle.shut_down();
        assert!(matches!(commands.next().await, Some(Command::ShutDown)));
        drop(commands);
        assert_eq!(handle.reload().await, Err("the gateway is shutting down".to_owned()));
    }
}
