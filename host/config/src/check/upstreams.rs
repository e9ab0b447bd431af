//! Upstreams: names, and the settings of host/upstream.

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::Node;
use lockgate_upstream::{EndpointSettings, UpstreamSettings};

use super::entry;
use crate::model::{NamedUpstream, UpstreamIndex};

/// All upstreams. Indices are valid only if there is no mistake.
pub(super) struct Upstreams {
    /// Valid ones, in the order of the file.
    pub(super) models: Vec<NamedUpstream>,
    /// Names of all, invalid ones included: a reference to a faulty upstream is no second mistake.
    pub(super) names: Vec<String>,
}

impl Upstreams {
    /// The upstream called `name`, which is written at `here`.
    pub(super) fn find(&self, name: &str, here: &Pointer) -> Result<UpstreamIndex, Mistake> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => Ok(UpstreamIndex(index)),
            None => Err(Mistake::unknown_name(
                here.clone(),
                "an upstream",
                name,
                self.names.iter().map(String::as_str),
            )),
        }
    }
}

/// Reads the section `upstreams`.
pub(super) fn read(root: &Node, mistakes: &mut Mistakes) -> Upstreams {
    let mut upstreams = Upstreams {
        models: Vec::new(),
        names: Vec::new(),
    };
    for (name, node, here) in entry::section(root, "upstreams", mistakes) {
        upstreams.names.push(name.to_owned());
        endpoints(node, &here.key("endpoints"), mistakes);
        if let Some(settings) = entry::read::<UpstreamSettings>(node, &here, mistakes) {
            entry::positive(settings.connect_timeout, &here.key("connect_timeout"), mistakes);
            entry::positive(settings.idle_timeout, &here.key("idle_timeout"), mistakes);
            if settings.endpoints.iter().all(|endpoint| endpoint.weight.value() == 0) {
                let mistake = Mistake::new(here.key("endpoints"), "every endpoint has weight 0");
                mistakes.push(mistake.expected("at least one weight above 0"));
            }
            upstreams.models.push(NamedUpstream {
                name: name.into(),
                settings,
            });
        }
    }
    upstreams
}

/// Reports every invalid endpoint. Reading the list as a whole would report only the first.
fn endpoints(upstream: &Node, here: &Pointer, mistakes: &mut Mistakes) {
    // Items of a faulty list, too.
    let list = upstream.members().iter().find(|member| member.name == "endpoints");
    let items = list.map(|member| member.node.items()).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        // `read` reports the mistake; the endpoint itself is read again with the upstream.
        let _endpoint = entry::read::<EndpointSettings>(item, &here.index(index), mistakes);
    }
}
