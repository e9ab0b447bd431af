//! A VM aside from all traffic: proves that a plugin starts and takes its configuration before it goes live.

use std::rc::Rc;

use lockgate_sandbox::{Failure, NoEffectHost, Plugin, Vm};
use lockgate_telemetry::plugin_log;

/// Starts the plugin in a VM of its own and throws that away.
///
/// Blocks for as long as the plugin's start takes, within its budget. What it writes to shared data, queues and metrics
/// goes nowhere; callouts are taken and never answered.
pub fn start(plugin: &Plugin) -> Result<(), Failure> {
    let host = NoEffectHost::new(plugin_log::level(), |plugin, level, message| {
        plugin_log::write(plugin.name(), level, message);
    });
    Vm::new(plugin.clone(), Rc::new(host)).start()
}
