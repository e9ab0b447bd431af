//! Chains: lists of plugins, by name or in place.

use lockgate_json::diagnostic::listed;
use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::{Node, Value};

use super::entry;
use super::plugins::Plugins;
use crate::model::PluginIndex;

/// The named chains.
pub(super) struct Chains(Vec<(String, Vec<PluginIndex>)>);

/// The global chain and the named ones.
pub(super) fn read(root: &Node, plugins: &mut Plugins<'_>, problems: &mut Problems) -> (Vec<PluginIndex>, Chains) {
    let sections = entry::section(root, "chains", problems);
    let names: Vec<&str> = sections.iter().map(|(name, _, _)| *name).collect();
    // The global chain's inline plugins come first, so its list is read before the named chains are.
    let global = root.member("global_chain");
    let here = Pointer::root().key("global_chain");
    let listed = global.map(|node| steps(node, &here, "global_chain", &names, plugins, problems));
    let mut chains = Chains(Vec::new());
    for (name, node, here) in sections.iter().filter(|(_, node, _)| !node.faulty) {
        let steps = steps(node, here, &format!("chains.{name}"), &names, plugins, problems);
        chains.0.push(((*name).to_owned(), steps));
    }
    // Those with a mistake in them are still known by name.
    for (name, _, _) in sections.iter().filter(|(_, node, _)| node.faulty) {
        chains.0.push(((*name).to_owned(), Vec::new()));
    }
    let global = match global {
        Some(node) if node.text().is_some() => chains.resolve(node, &here, "global_chain", plugins, problems),
        _ => listed.unwrap_or_default(),
    };
    (global, chains)
}

impl Chains {
    /// The chain at `here`: a chain's name, or a list of plugins whose inline ones are named after `owner`.
    pub(super) fn resolve(
        &self,
        node: &Node,
        here: &Pointer,
        owner: &str,
        plugins: &mut Plugins<'_>,
        problems: &mut Problems,
    ) -> Vec<PluginIndex> {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let Some(name) = node.text() else {
            return steps(node, here, owner, &names, plugins, problems);
        };
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, chain)) => chain.clone(),
            None => {
                let told = Problem::unknown_name(here.clone(), "a chain", name, names.iter().copied());
                problems.push(match plugins.has(name) {
                    true => told.hint(format!(
                        "\"{name}\" is a plugin; as a chain of one plugin, write [\"{name}\"]"
                    )),
                    false => told,
                });
                Vec::new()
            }
        }
    }
}

/// The plugins of a list; of anything else none.
fn steps(
    node: &Node,
    here: &Pointer,
    owner: &str,
    chains: &[&str],
    plugins: &mut Plugins<'_>,
    problems: &mut Problems,
) -> Vec<PluginIndex> {
    let mut found = Vec::new();
    for (index, item) in node.items().iter().enumerate() {
        let here = here.index(index);
        match &item.value {
            Value::String(text) => match plugins.find(&text.value, &here) {
                Ok(plugin) => found.extend(plugin),
                Err(told) if chains.contains(&text.value.as_str()) => {
                    let inside = format!("\"{}\" is a chain, and chains cannot be nested", text.value);
                    problems.push(told.hint(format!("{inside}: known chains are {}", listed(chains.iter().copied()))));
                }
                Err(told) => problems.push(told),
            },
            Value::Object(_) => found.extend(plugins.inline(item, &here, owner, index, problems)),
            _ => {}
        }
    }
    found
}
