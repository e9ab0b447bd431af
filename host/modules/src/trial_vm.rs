//! The trial VM: proves that a plugin starts and accepts its configuration before it goes live. It sees no traffic.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use lockgate_exchange::clock::WallClock;
use lockgate_foreign::{KvWatches, Services};
use lockgate_sandbox::{Failure, ForeignTarget, Host, NoEffectHost, Plugin};
use lockgate_store::{Notify, Store, StoreSettings};
use lockgate_telemetry::plugin_log;

/// Starts the plugin in a VM of its own and discards the VM. Its memory and globals become the image from which all VMs of the
/// plugin begin, unless the start cannot be copied.
///
/// Blocks while the plugin starts, within its `start_deadline`. Writes to shared data, queues and metrics are for its own eyes; callouts
/// are accepted and get no response. Foreign functions work on an empty store.
pub fn start(plugin: &Plugin) -> Result<(), Failure> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let logged = lines.clone();
    let host = NoEffectHost::new(plugin_log::level(), move |_, level, message| {
        logged.borrow_mut().push((level, message.to_owned()));
    });
    // A store of its own, so that a plugin that keeps something when it is configured starts here, too.
    let store = Arc::new(Store::new(StoreSettings::default()));
    let watches = KvWatches::new(Arc::new(Nobody));
    let nowhere = ForeignTarget::default();
    let clock = WallClock::default();
    let host: Rc<dyn Host> = Rc::new(host.with_foreign(move |plugin, name, argument, budget| {
        let services = Services {
            store: &store,
            watches: &watches,
            clock: &clock,
        };
        lockgate_foreign::call(&services, plugin, name, argument, None, &nowhere, budget)
    }));
    let outcome = plugin.prepare(&host);
    // The reason of a refusal has its last lines.
    let is_told = |line: &str| {
        outcome
            .as_ref()
            .is_err_and(|failure| failure.message.contains(line.trim_end()))
    };
    for (level, line) in lines.take().into_iter().filter(|(_, line)| !is_told(line)) {
        plugin_log::write(plugin.name(), None, level, &line);
    }
    outcome
}

/// Nobody waits for values in a trial.
struct Nobody;

impl Notify for Nobody {
    fn changed(&self, _: u32) {}
}
