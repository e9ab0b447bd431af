//! Traces of host calls: one log line per call of a traced request, with arguments, results, status and duration. Which requests
//! are traced is decided by whoever opens their streams.
//!
//! Untraced requests pay nothing. While a guest works for a traced request its set of callable calls is empty, so that every call
//! takes the slow path of refused calls, which comes here.

mod arguments;
mod line;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::calls::CallSet;

pub(crate) use self::line::CallLine;

/// Target of these log events.
pub const CALL_TARGET: &str = "trace";

/// Log lines per request. Further calls are not logged.
const MAX_LINES: u32 = 1000;

/// A request whose host calls are logged.
#[derive(Debug)]
pub struct CallTrace {
    plugins: Option<Arc<[String]>>,
    payloads: Payloads,
    lines: Cell<u32>,
}

/// How payloads are logged. Payloads are bytes without a name that could mark a secret: bodies, configurations, shared values,
/// queued messages, arguments of foreign functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payloads {
    /// By their length.
    #[default]
    Counted,
    /// By their length and their beginning.
    Shown,
}

impl CallTrace {
    /// A trace of these plugins' calls, or of all plugins' calls.
    #[must_use]
    pub fn new(plugins: Option<Arc<[String]>>, payloads: Payloads) -> Self {
        Self {
            plugins,
            payloads,
            lines: Cell::new(0),
        }
    }

    /// Whether the calls of this plugin are logged.
    pub(crate) fn covers(&self, plugin: &str) -> bool {
        let named = self.plugins.as_ref();
        named.is_none_or(|plugins| plugins.iter().any(|known| known == plugin))
    }

    /// How payloads are logged.
    pub(crate) fn payloads(&self) -> Payloads {
        self.payloads
    }
}

/// Plugin, callback, context and request of a call.
pub(crate) struct CallSite<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) phase: &'static str,
    pub(crate) context: u32,
    pub(crate) request_id: &'a str,
}

/// The trace that is active in a VM while its guest works for a traced request.
pub(crate) struct ActiveTrace {
    pub(crate) trace: Rc<CallTrace>,
    /// The calls that the guest may make.
    pub(crate) callable: CallSet,
}

impl CallTrace {
    /// Logs one call, up to the maximum number of lines.
    pub(crate) fn log(&self, site: &CallSite<'_>, call: &str, status: &str, took: Duration) {
        let logged = self.lines.get();
        self.lines.set(logged.saturating_add(1));
        let CallSite {
            plugin,
            phase,
            context,
            request_id,
        } = site;
        match logged {
            ..MAX_LINES => tracing::info!(
                target: CALL_TARGET, plugin, phase, context, request_id, status, us = took.as_micros() as u64, "{call}"
            ),
            MAX_LINES => tracing::info!(
                target: CALL_TARGET, plugin, phase, context, request_id, "more than {MAX_LINES} calls in this request; the rest is not shown"
            ),
            _ => {}
        }
    }
}
