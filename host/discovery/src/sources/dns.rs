//! Endpoints from the addresses of a host name. The resolver keeps them current; an empty answer is a failure.

use std::net::SocketAddr;
use std::sync::Arc;

use lockgate_client::Address;
use lockgate_resolver::{HostWatch, NameState, Resolver};
use lockgate_upstream::{DnsDiscovery, EndpointSettings};

use crate::error::SourceError;
use crate::publisher::Publisher;

pub(super) async fn run(settings: DnsDiscovery, mut publisher: Publisher, resolver: Resolver) {
    let (name, port) = match settings.name {
        Address::Name(name, port) => (name, port),
        address @ Address::Socket(_) => {
            // There is nothing to look up.
            return publisher.list(vec![EndpointSettings::at(address)]).await;
        }
    };
    let mut watch = match resolver.watch(&name, settings.refresh.map(|refresh| refresh.duration())) {
        Ok(watch) => watch,
        Err(source) => {
            let name = name.to_string();
            return publisher.failed(&SourceError::Lookup { name, source });
        }
    };
    let mut state = watch.looked_up().await;
    loop {
        report(&mut publisher, &watch, &name, port, &state).await;
        state = watch.changed().await;
    }
}

async fn report(publisher: &mut Publisher, watch: &HostWatch, name: &Arc<str>, port: u16, state: &NameState) {
    match &state.error {
        Some(error) => publisher.failed(&SourceError::Addresses(format!("{name}: {error}"))),
        None => {
            let endpoint = |ip: &_| EndpointSettings::at(Address::Socket(SocketAddr::new(*ip, port)));
            publisher.list(watch.addresses().iter().map(endpoint).collect()).await;
        }
    }
}
