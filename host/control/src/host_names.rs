//! The host names of a configuration, which the resolver keeps current.

use std::sync::Arc;

use lockgate_client::Address;
use lockgate_config::model::Model;

/// The host names of all endpoints.
pub(crate) fn host_names(model: &Model) -> impl Iterator<Item = Arc<str>> {
    let endpoints = model.upstreams.iter().flat_map(|upstream| &upstream.settings.endpoints);
    endpoints.filter_map(|endpoint| match &endpoint.address {
        Address::Name(host, _) => Some(host.clone()),
        Address::Socket(_) => None,
    })
}
