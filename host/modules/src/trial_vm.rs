//! The trial VM: proves that a plugin starts and accepts its configuration before it goes live. It sees no traffic.

use std::rc::Rc;

use lockgate_sandbox::{Failure, Host, NoEffectHost, Plugin};
use lockgate_telemetry::plugin_log;

/// Starts the plugin in a VM of its own and discards the VM. Its memory and globals become the image from which all VMs of the
/// plugin begin, unless the start cannot be copied.
///
/// Blocks while the plugin starts, within its `start_deadline`. Writes to shared data, queues and metrics are for its own eyes; callouts
/// are accepted and get no response.
pub fn start(plugin: &Plugin) -> Result<(), Failure> {
    let host: Rc<dyn Host> = Rc::new(NoEffectHost::new(plugin_log::level(), |plugin, level, message| {
        plugin_log::write(plugin.name(), level, message);
    }));
    plugin.prepare(&host)
}
