//! A VM aside from all traffic: proves that a plugin starts and takes its configuration before it goes live.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use lockgate_exchange::SharedExchange;
use lockgate_sandbox::{
    Callout, CalloutReply, Failure, Host, LogLevel, MetricKind, Plugin, QueueTarget, Status, TickTarget, Vm,
};
use lockgate_telemetry::plugin_log;

/// Starts the plugin in a VM of its own and throws that away.
///
/// Blocks for as long as the plugin's start takes, within its budget. What it writes to shared data, queues and metrics
/// goes nowhere; callouts are taken and never answered.
pub fn start(plugin: &Plugin) -> Result<(), Failure> {
    Vm::new(plugin.clone(), Rc::new(Aside)).start()
}

/// A world in which nothing a plugin does has an effect.
struct Aside;

impl Host for Aside {
    fn log(&self, plugin: &Plugin, level: LogLevel, message: &str) {
        plugin_log::write(plugin.name(), level, message);
    }

    fn log_level(&self) -> LogLevel {
        plugin_log::level()
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
