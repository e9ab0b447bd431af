//! Upstreams: their settings are the upstream crate's; here they are read, named and looked up.

use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::Node;
use lockgate_upstream::{EndpointSettings, UpstreamSettings};

use super::entry;
use crate::model::{NamedUpstream, UpstreamIndex};

/// All upstreams. Indices are only good if no problem was found.
pub(super) struct Upstreams {
    /// Those that could be read, in the order of the file.
    pub(super) models: Vec<NamedUpstream>,
    /// Those that are named, readable or not: a reference to one with a mistake in it is no second mistake.
    pub(super) names: Vec<String>,
}

impl Upstreams {
    /// The upstream that `name`, written at `here`, means.
    pub(super) fn find(&self, name: &str, here: &Pointer) -> Result<UpstreamIndex, Problem> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => Ok(UpstreamIndex(index)),
            None => Err(Problem::unknown_name(
                here.clone(),
                "an upstream",
                name,
                self.names.iter().map(String::as_str),
            )),
        }
    }
}

/// Reads the section `upstreams`.
pub(super) fn read(root: &Node, problems: &mut Problems) -> Upstreams {
    let mut upstreams = Upstreams {
        models: Vec::new(),
        names: Vec::new(),
    };
    for (name, node, here) in entry::section(root, "upstreams", problems) {
        upstreams.names.push(name.to_owned());
        endpoints(node, &here.key("endpoints"), problems);
        if let Some(settings) = entry::read::<UpstreamSettings>(node, &here, problems) {
            entry::positive(settings.connect_timeout, &here.key("connect_timeout"), problems);
            entry::positive(settings.idle_timeout, &here.key("idle_timeout"), problems);
            if settings.endpoints.iter().all(|endpoint| endpoint.weight.value() == 0) {
                let told = Problem::told(here.key("endpoints"), "every endpoint has weight 0");
                problems.push(told.expected("at least one weight above 0"));
            }
            upstreams.models.push(NamedUpstream {
                name: name.into(),
                settings,
            });
        }
    }
    upstreams
}

/// Tells every endpoint that cannot be read; reading the list as a whole would tell only the first.
fn endpoints(upstream: &Node, here: &Pointer, problems: &mut Problems) {
    // Those beside one that was told already, too.
    let list = upstream.members().iter().find(|member| member.name == "endpoints");
    let items = list.map(|member| member.node.items()).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        // Told by `read`, if at all; what it makes is made again with the whole.
        let _endpoint = entry::read::<EndpointSettings>(item, &here.index(index), problems);
    }
}
