//! [`CalloutObserver`]: counts one callout, and says in the log why it failed.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use http::HeaderValue;
use lockgate_exchange::clock;
use lockgate_sandbox::Plugin;
use lockgate_telemetry::callout_end::CalloutEnd;
use lockgate_telemetry::failure_log::FailedCallout;

use crate::context::WorkerContext;

/// Counts one callout when it ends. Dropped before, the callout was cancelled.
pub(crate) struct CalloutObserver {
    worker: Weak<WorkerContext>,
    plugin: Plugin,
    upstream: Arc<str>,
    request_id: Option<HeaderValue>,
    started: Instant,
    end: CalloutEnd,
}

impl CalloutObserver {
    /// Begins with the callout.
    pub(crate) fn start(
        worker: &Rc<WorkerContext>,
        plugin: &Plugin,
        upstream: &Arc<str>,
        request_id: Option<HeaderValue>,
    ) -> Self {
        Self {
            worker: Rc::downgrade(worker),
            plugin: plugin.clone(),
            upstream: upstream.clone(),
            request_id,
            started: clock::now(),
            end: CalloutEnd::Cancelled,
        }
    }

    /// The response has come, whatever it says.
    pub(crate) fn responded(mut self) {
        self.end = CalloutEnd::Response;
    }

    /// The callout's own timeout has passed.
    pub(crate) fn timed_out(self, waited_for: &str) {
        self.failed_as(CalloutEnd::Timeout, waited_for);
    }

    /// There is no response, for this reason.
    pub(crate) fn failed(self, cause: &str) {
        self.failed_as(CalloutEnd::Failed, cause);
    }

    fn failed_as(mut self, end: CalloutEnd, cause: &str) {
        self.end = end;
        let Some(worker) = self.worker.upgrade() else { return };
        let now = worker.wall_clock.time().duration_since(UNIX_EPOCH).unwrap_or_default();
        let callout = FailedCallout {
            plugin: self.plugin.name(),
            request_id: self.request_id.as_ref().and_then(|id| id.to_str().ok()),
            upstream: &self.upstream,
            cause,
            took: clock::now().saturating_duration_since(self.started),
        };
        worker.failures.write_callout(now.as_secs(), &callout);
    }
}

impl Drop for CalloutObserver {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.upgrade() {
            let took = clock::now().saturating_duration_since(self.started);
            worker
                .metrics
                .record_callout(self.plugin.name(), &self.upstream, self.end, took);
        }
    }
}
