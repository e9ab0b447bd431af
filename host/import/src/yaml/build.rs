//! From the parser's events to trees, within the bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle};

use super::{MAX_DEPTH, MAX_NODES, Node, Scalar, Value};

/// Documents, as far as they are built.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) documents: Vec<Node>,
    /// Values that are not complete, the outermost first.
    open: Vec<Open>,
    /// Values with an anchor, by the parser's number, each with its number of nodes.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

/// A sequence or mapping that is not complete.
struct Open {
    node: Node,
    anchor: usize,
    /// A mapping's key that waits for its value, with its line.
    key: Option<(String, usize)>,
    /// Number of nodes before it.
    nodes_before: usize,
}

impl Builder {
    /// Adds an event that begins on `line`. The error is a message.
    pub(super) fn add(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let scalar = Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                };
                let value = Value::Scalar(scalar);
                self.count(1)?;
                self.complete(Node { line, value }, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::Sequence(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => self.begin(Value::Mapping(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let (node, size) = self
                    .anchors
                    .get(&anchor)
                    .ok_or("an alias of a value that contains it")?;
                let (node, size) = (node.clone_within(self.nodes, *size)?, *size);
                self.count(size)?;
                self.complete(node, 0, size)
            }
            // Anchors hold within their document.
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        match self.nodes <= MAX_NODES {
            true => Ok(()),
            false => Err(too_many()),
        }
    }

    fn begin(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        let nodes_before = self.nodes;
        self.count(1)?;
        self.open.push(Open {
            node: Node { line, value },
            anchor,
            key: None,
            nodes_before,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        if let Value::Mapping(members) = &mut open.node.value {
            merge(members)?;
        }
        self.complete(open.node, open.anchor, self.nodes - open.nodes_before)
    }

    /// Puts a complete value of `size` nodes into the one around it.
    fn complete(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), String> {
        if anchor > 0 {
            // The copy counts, too: anchors are kept until the end of the document.
            self.count(size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::Sequence(items), _) => items.push(node),
            (Value::Mapping(members), Some((key, line))) => {
                // What an error in a mapping or sequence points at is its key.
                let line = if matches!(node.value, Value::Scalar(_)) {
                    node.line
                } else {
                    line
                };
                members.push((key, Node { line, ..node }));
            }
            (Value::Mapping(members), None) => {
                let key = node.text().ok_or("a key that is not a text")?;
                if key != "<<" && members.iter().any(|(known, _)| known == key) {
                    return Err(format!("the key {key:?} for the second time"));
                }
                open.key = Some((key.to_owned(), node.line));
            }
            (Value::Scalar(_), _) => {}
        }
        Ok(())
    }
}

impl Node {
    /// A copy, if it keeps within the bounds.
    fn clone_within(&self, nodes: usize, size: usize) -> Result<Node, String> {
        match nodes + size <= MAX_NODES {
            true => Ok(self.clone()),
            false => Err(too_many()),
        }
    }
}

fn too_many() -> String {
    format!("more than {MAX_NODES} values, aliases included")
}

fn too_deep() -> String {
    format!("values nested deeper than {MAX_DEPTH}")
}

/// Obeys merge keys (`<<: *defaults`): members that the mapping does not have itself.
fn merge(members: &mut Vec<(String, Node)>) -> Result<(), String> {
    while let Some(at) = members.iter().position(|(key, _)| key == "<<") {
        let (_, merged) = members.remove(at);
        let sources = match merged.value {
            Value::Mapping(_) => vec![merged],
            Value::Sequence(items) => items,
            Value::Scalar(_) => return Err("a merge key (<<) with a value that is not a mapping".to_owned()),
        };
        for source in sources {
            let Value::Mapping(others) = source.value else {
                return Err("a merge key (<<) with a value that is not a mapping".to_owned());
            };
            for (key, node) in others {
                if !members.iter().any(|(known, _)| *known == key) {
                    members.push((key, node));
                }
            }
        }
    }
    Ok(())
}
