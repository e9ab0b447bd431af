//! [`Upstream`]: a named group of endpoints, shared by all workers.

use std::sync::Arc;

use lockgate_client::{KeepAlive, PoolSettings, Protocol};

use crate::endpoints::Endpoints;
use crate::settings::{HostPolicy, UpstreamSettings};

/// A named group of endpoints and how requests are sent to them.
#[derive(Debug)]
pub struct Upstream {
    name: Arc<str>,
    pub(crate) endpoints: Endpoints,
    pub(crate) host: HostPolicy,
    protocol: Protocol,
    pub(crate) pool: PoolSettings,
}

impl Upstream {
    /// The upstream that these settings describe.
    pub fn new(name: impl Into<Arc<str>>, settings: &UpstreamSettings) -> Self {
        Self {
            name: name.into(),
            endpoints: Endpoints::new(&settings.endpoints, settings.balance),
            host: settings.host.clone(),
            protocol: settings.protocol,
            pool: PoolSettings {
                connect_timeout: settings.connect_timeout.duration(),
                max_streams: settings.max_streams.get(),
                response_head: settings.limits.response_head(),
                keep_alive: KeepAlive {
                    idle_timeout: settings.idle_timeout.duration(),
                    max_idle: settings.max_idle,
                },
            },
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The protocol of its endpoints.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}
