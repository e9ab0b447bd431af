//! [`NoEffectHost`]: the host of trial VMs.

use std::time::Duration;

use bytes::Bytes;
use lockgate_abi::{LogLevel, MetricKind, Status};
use lockgate_exchange::SharedExchange;

use super::{Callout, CalloutReply, Host, QueueTarget, TickTarget};
use crate::plugin::Plugin;
use crate::report::Failure;

/// A host for trials: nothing that a plugin does has an effect, except for its log.
///
/// Writes succeed and store nothing. Callouts are accepted and fail. Timers never fire.
pub struct NoEffectHost {
    log: fn(&Plugin, LogLevel, &str),
    log_level: LogLevel,
}

impl NoEffectHost {
    /// A host whose log lines of at least `log_level` go to `log`.
    #[must_use]
    pub fn new(log_level: LogLevel, log: fn(&Plugin, LogLevel, &str)) -> Self {
        Self { log, log_level }
    }
}

impl Host for NoEffectHost {
    fn log(&self, plugin: &Plugin, level: LogLevel, message: &str) {
        (self.log)(plugin, level, message);
    }

    fn log_level(&self) -> LogLevel {
        self.log_level
    }

    fn callout(&self, _: &Plugin, _: Callout, _: CalloutReply) -> Result<(), Status> {
        Ok(())
    }

    fn set_tick(&self, _: TickTarget, _: Option<Duration>) {}

    fn shared_data(&self, _: &str, _: &str) -> Option<(Bytes, u32)> {
        None
    }

    fn set_shared_data(&self, _: &str, _: &str, _: &[u8], _: u32) -> Result<(), Status> {
        Ok(())
    }

    fn register_queue(&self, _: &str, _: &str, _: QueueTarget) -> Result<u32, Status> {
        Ok(1)
    }

    fn resolve_queue(&self, _: &str, _: &str) -> Option<u32> {
        None
    }

    fn enqueue(&self, _: u32, _: &[u8]) -> Result<(), Status> {
        Ok(())
    }

    fn dequeue(&self, _: u32) -> Result<Bytes, Status> {
        Err(Status::Empty)
    }

    fn define_metric(&self, _: &Plugin, _: MetricKind, _: &str) -> Result<u32, Status> {
        Ok(1)
    }

    fn increment_metric(&self, _: u32, _: i64) -> Result<(), Status> {
        Ok(())
    }

    fn record_metric(&self, _: u32, _: u64) -> Result<(), Status> {
        Ok(())
    }

    fn metric(&self, _: u32) -> Result<u64, Status> {
        Ok(0)
    }

    fn foreign(&self, _: &Plugin, _: &str, _: &[u8], _: Option<&SharedExchange>) -> Result<Vec<u8>, Status> {
        Err(Status::NotFound)
    }

    fn check_property(&self, _: &Plugin, _: &str, _: &[u8]) -> Result<(), Status> {
        Ok(())
    }

    fn failed(&self, _: &Plugin, _: &Failure, _: &str) {}
}
