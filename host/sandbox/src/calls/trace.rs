//! Host calls as log lines: for the requests that an operator has chosen, each call of each plugin with its arguments, its
//! results, its status and the time it took. Not which requests those are: whoever makes the exchange chooses.
//!
//! While nobody is chosen this costs nothing. A guest that works for a chosen request finds no call callable, and comes here by
//! the way that refused calls take.

mod arguments;
mod line;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::calls::CallSet;

pub(crate) use self::line::CallLine;

/// Lines for one request; more calls are only counted.
const MAX_LINES: u32 = 1000;

/// A request whose host calls are logged. The chain carries it.
#[derive(Debug)]
pub struct CallTrace {
    plugins: Option<Arc<[String]>>,
    payloads: Payloads,
    lines: Cell<u32>,
}

/// What is shown of bytes that have no name by which a secret among them could be told: bodies, configurations, shared values,
/// queued messages, arguments of foreign functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payloads {
    /// How many there are.
    #[default]
    Counted,
    /// How they begin, too.
    Shown,
}

impl CallTrace {
    /// Tells the calls of these plugins, or of all.
    #[must_use]
    pub fn new(plugins: Option<Arc<[String]>>, payloads: Payloads) -> Self {
        Self {
            plugins,
            payloads,
            lines: Cell::new(0),
        }
    }

    /// Whether this plugin's calls are told.
    pub(crate) fn covers(&self, plugin: &str) -> bool {
        let named = self.plugins.as_ref();
        named.is_none_or(|plugins| plugins.iter().any(|known| known == plugin))
    }

    /// What is shown of bytes without a name.
    pub(crate) fn payloads(&self) -> Payloads {
        self.payloads
    }
}

/// On whose behalf, and in which callback, a call is made.
pub(crate) struct CallSite<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) phase: &'static str,
    pub(crate) context: u32,
    pub(crate) request_id: &'a str,
}

/// A trace in force in a VM, while the guest works for its request.
pub(crate) struct ActiveTrace {
    pub(crate) trace: Rc<CallTrace>,
    /// What the guest may really call.
    pub(crate) callable: CallSet,
}

impl CallTrace {
    /// Logs one call, unless the request has had its share of lines.
    pub(crate) fn log(&self, place: &CallSite<'_>, call: &str, status: &str, took: Duration) {
        let told = self.lines.get();
        self.lines.set(told.saturating_add(1));
        let CallSite {
            plugin,
            phase,
            context,
            request_id,
        } = place;
        match told {
            ..MAX_LINES => tracing::info!(
                target: "trace", plugin, phase, context, request_id, status, us = took.as_micros() as u64, "{call}"
            ),
            MAX_LINES => tracing::info!(
                target: "trace", plugin, phase, context, request_id, "more than {MAX_LINES} calls in this request; the rest is not shown"
            ),
            _ => {}
        }
    }
}
