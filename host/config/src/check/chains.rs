//! Chains: lists of plugins, by name or inline.

use std::collections::HashMap;

use lockgate_json::diagnostic::listed;
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::{Node, Value};

use super::entry;
use super::plugins::Plugins;
use crate::model::PluginIndex;

/// The named chains.
pub(super) struct Chains(Vec<(String, Vec<PluginIndex>)>);

/// Reads the global chain and the named ones.
pub(super) fn read(root: &Node, plugins: &mut Plugins<'_>, mistakes: &mut Mistakes) -> (Vec<PluginIndex>, Chains) {
    let sections = entry::section(root, "chains", mistakes);
    let names: Vec<&str> = sections.iter().map(|(name, _, _)| *name).collect();
    // The global chain is read first, as its inline plugins come first.
    let global = root.member("global_chain");
    let here = Pointer::root().key("global_chain");
    let listed = global.map(|node| items(node, &here, "global_chain", &names, plugins, mistakes));
    let mut chains = Chains(Vec::new());
    for (name, node, here) in sections.iter().filter(|(_, node, _)| !node.faulty) {
        let chain = items(node, here, &format!("chains.{name}"), &names, plugins, mistakes);
        chains.0.push(((*name).to_owned(), chain));
    }
    // A faulty chain still has its name.
    for (name, _, _) in sections.iter().filter(|(_, node, _)| node.faulty) {
        chains.0.push(((*name).to_owned(), Vec::new()));
    }
    let global = match global {
        Some(node) if node.text().is_some() => chains.resolve(node, &here, "global_chain", plugins, mistakes),
        _ => listed.unwrap_or_default(),
    };
    (global, chains)
}

/// Reads the section `services`.
pub(super) fn services(root: &Node, plugins: &mut Plugins<'_>, mistakes: &mut Mistakes) -> Vec<PluginIndex> {
    let here = Pointer::root().key("services");
    let node = root.member("services");
    node.map_or_else(Vec::new, |node| items(node, &here, "services", &[], plugins, mistakes))
}

impl Chains {
    /// The chain at `here`: a chain's name, or a list of plugins. Inline plugins are named after `owner`.
    pub(super) fn resolve(
        &self,
        node: &Node,
        here: &Pointer,
        owner: &str,
        plugins: &mut Plugins<'_>,
        mistakes: &mut Mistakes,
    ) -> Vec<PluginIndex> {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let Some(name) = node.text() else {
            return items(node, here, owner, &names, plugins, mistakes);
        };
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, chain)) => chain.clone(),
            None => {
                let mistake = Mistake::unknown_name(here.clone(), "a chain", name, names.iter().copied());
                mistakes.push(match plugins.has(name) {
                    true => mistake.hint(format!(
                        "\"{name}\" is a plugin; as a chain of one plugin, write [\"{name}\"]"
                    )),
                    false => mistake,
                });
                Vec::new()
            }
        }
    }
}

/// The plugins of a list. Another value has none.
fn items(
    node: &Node,
    here: &Pointer,
    owner: &str,
    chains: &[&str],
    plugins: &mut Plugins<'_>,
    mistakes: &mut Mistakes,
) -> Vec<PluginIndex> {
    let mut found = Vec::new();
    let mut modules = HashMap::new();
    for (index, item) in node.items().iter().enumerate() {
        let here = here.index(index);
        match &item.value {
            Value::String(text) => match plugins.find(&text.value, &here) {
                Ok(plugin) => found.extend(plugin),
                Err(mistake) if chains.contains(&text.value.as_str()) => {
                    let inside = format!("\"{}\" is a chain, and chains cannot be nested", text.value);
                    mistakes
                        .push(mistake.hint(format!("{inside}: known chains are {}", listed(chains.iter().copied()))));
                }
                Err(mistake) => mistakes.push(mistake),
            },
            Value::Object(_) => found.extend(plugins.inline(item, &here, owner, &mut modules, mistakes)),
            _ => {}
        }
    }
    found
}
