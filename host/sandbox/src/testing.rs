//! What tests, fuzzers and measurements need around a VM: a host in memory, an exchange, a plugin's settings.
//!
//! Nothing that serves traffic uses it.

mod exchange;
mod grpc;
mod guards;
mod host;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use lockgate_exchange::SharedExchange;

use crate::module::Module;
use crate::plugin::PluginSpec;
use crate::settings::PluginSettings;

pub use exchange::{exchange, headers};
pub use grpc::OpenGrpc;
pub use host::{MemoryHost, RecordedFailure};

/// Settings of a plugin with default limits, no restrictions and no configuration.
#[must_use]
pub fn plugin_spec(name: &str, module: Module) -> PluginSpec {
    PluginSpec {
        name: name.to_owned(),
        module_name: name.to_owned(),
        module,
        settings: PluginSettings::default(),
    }
}

/// [`plugin_spec`] with a value in every field that a guest can read.
#[must_use]
pub fn configured_plugin_spec(name: &str, module: Module) -> PluginSpec {
    let settings = PluginSettings {
        config: b"the config".to_vec(),
        root_id: "root".to_owned(),
        vm_id: "vm".to_owned(),
        vm_config: b"vm config".to_vec(),
        env: vec![("NAME".to_owned(), "value".to_owned())],
        ..PluginSettings::default()
    };
    PluginSpec {
        settings,
        ..plugin_spec(name, module)
    }
}

/// Counts the wake-ups of an exchange.
#[derive(Debug, Default)]
pub struct WakeCounter(AtomicUsize);

impl WakeCounter {
    /// Registers a new counter with an exchange.
    #[must_use]
    pub fn register(exchange: &SharedExchange) -> Arc<Self> {
        let counter = Arc::new(Self::default());
        exchange.borrow_mut().register(&Waker::from(counter.clone()));
        counter
    }

    /// Wake-ups so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
