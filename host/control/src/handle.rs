//! [`Handle`]: what others see of the control thread.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use lockgate_telemetry::access_log::AccessLog;
use lockgate_telemetry::call_trace::TraceSwitch;
use lockgate_telemetry::metrics::Registry;

use crate::report::{PluginDetail, PluginsReport};

/// Says what is live. Asked anew for each request that wants to know.
pub trait PluginSource: Send + Sync {
    /// Every plugin and module as it is now.
    fn plugins(&self) -> Pin<Box<dyn Future<Output = PluginsReport> + Send + '_>>;

    /// One plugin from inside; none of that name.
    fn plugin<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = Option<PluginDetail>> + Send + 'a>>;

    /// Samples where a plugin's guests are, for so long: folded stacks. None of that name, or somebody else is at it.
    fn profile<'a>(
        &'a self,
        name: &'a str,
        duration: Duration,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;
}

/// The control thread as the admin API sees it. A clone is the same one.
#[derive(Clone)]
pub struct Handle(Arc<State>);

struct State {
    token: Option<String>,
    registry: Registry,
    access_log: Option<Arc<AccessLog>>,
    live: ArcSwapOption<Box<dyn PluginSource>>,
    trace: Arc<TraceSwitch>,
    ready: AtomicBool,
}

impl Handle {
    /// Not ready, with nothing live. Without a token only loopback peers learn more than health and metrics.
    pub fn new(token: Option<String>, registry: Registry, access_log: Option<Arc<AccessLog>>) -> Self {
        Self(Arc::new(State {
            token,
            registry,
            access_log,
            live: ArcSwapOption::empty(),
            trace: Arc::default(),
            ready: AtomicBool::new(false),
        }))
    }

    /// The bearer token that a client of the admin API must have; none: loopback peers need none.
    pub fn token(&self) -> Option<&str> {
        self.0.token.as_deref()
    }

    /// Whether requests are taken.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire)
    }

    /// Says whether requests are taken.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Release);
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    pub fn metrics(&self) -> String {
        self.0.registry.render()
    }

    /// The switch that has host calls of chosen requests logged.
    pub fn trace(&self) -> &Arc<TraceSwitch> {
        &self.0.trace
    }

    /// What is live; none before the first snapshot.
    pub fn live(&self) -> Option<Arc<Box<dyn PluginSource>>> {
        self.0.live.load_full()
    }

    /// What is live from now on.
    pub fn publish(&self, live: impl PluginSource + 'static) {
        self.0.live.store(Some(Arc::new(Box::new(live))));
    }

    /// Follows a log rotation.
    pub fn reopen_logs(&self) {
        if let Some(log) = &self.0.access_log {
            log.reopen();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Handle")
            .field("ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}
