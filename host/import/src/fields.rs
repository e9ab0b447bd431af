//! Reads fields of a resource, and reports what nobody has read: so nothing of a document is lost in silence.

use std::cell::RefCell;
use std::time::Duration;

use crate::durations;
use crate::losses::{Losses, Spot};
use crate::yaml::{Node, Scalar, Value};

/// Maximum characters of a value in a message.
const MAX_SHOWN_CHARS: usize = 60;

/// The resource that fields belong to.
#[derive(Debug)]
pub(crate) struct Resource<'a> {
    pub(crate) file: &'a str,
    pub(crate) file_index: usize,
    /// Kind and name: `VirtualService reviews`.
    pub(crate) title: String,
    pub(crate) losses: &'a Losses,
}

/// A value with its path.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    node: &'a Node,
    path: String,
    resource: &'a Resource<'a>,
}

/// A mapping, read member by member. When it is dropped, the members that nobody has read are reported.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    field: Field<'a>,
    members: &'a [(String, Node)],
    read: RefCell<Vec<bool>>,
}

impl<'a> Field<'a> {
    /// The value of a whole document's member.
    pub(crate) fn of(resource: &'a Resource<'a>, node: &'a Node, path: &str) -> Self {
        let path = path.to_owned();
        Self { node, path, resource }
    }

    pub(crate) fn spot(&self) -> Spot {
        Spot {
            file: self.resource.file.to_owned(),
            line: self.node.line,
            resource: self.resource.title.clone(),
            path: self.path.clone(),
            file_index: self.resource.file_index,
        }
    }

    /// The value for a message, shortened.
    pub(crate) fn shown(&self) -> String {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.text.chars().count() > MAX_SHOWN_CHARS => {
                let start: String = scalar.text.chars().take(MAX_SHOWN_CHARS).collect();
                format!("{start}…")
            }
            Value::Scalar(scalar) => scalar.text.clone(),
            Value::Sequence(_) | Value::Mapping(_) => String::new(),
        }
    }

    /// Reports it as not carried.
    pub(crate) fn lost(&self, why: &str, instead: &str) {
        let losses = self.resource.losses;
        losses.lost(&self.spot(), &self.shown(), why, instead);
    }

    /// Reports it as carried in another way.
    pub(crate) fn changed(&self, why: &str, instead: &str) {
        let losses = self.resource.losses;
        losses.changed(&self.spot(), &self.shown(), why, instead);
    }

    fn mismatch<T>(&self, expected: &str) -> Option<T> {
        self.lost(&format!("it should be {expected}"), "");
        None
    }

    fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.scalar() {
            Some(scalar) => Some(&scalar.text),
            None => self.mismatch("a text"),
        }
    }

    /// A whole number, also one in quotes.
    pub(crate) fn number(&self) -> Option<u64> {
        let parse = |scalar: &Scalar| scalar.text.parse().ok();
        self.scalar()
            .and_then(parse)
            .or_else(|| self.mismatch("a whole number from 0"))
    }

    /// A port number.
    pub(crate) fn port(&self) -> Option<u16> {
        let parse = |scalar: &Scalar| scalar.text.parse().ok().filter(|port| *port > 0);
        self.scalar()
            .and_then(parse)
            .or_else(|| self.mismatch("a port from 1 to 65535"))
    }

    /// A percentage from 0 to 100, with decimals.
    pub(crate) fn percent(&self) -> Option<f64> {
        let parse = |scalar: &Scalar| scalar.text.parse().ok().filter(|value| (0.0..=100.0).contains(value));
        self.scalar()
            .and_then(parse)
            .or_else(|| self.mismatch("a number from 0 to 100"))
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self.scalar().map(|scalar| scalar.text.to_ascii_lowercase()).as_deref() {
            Some("true" | "yes" | "on") => Some(true),
            Some("false" | "no" | "off") => Some(false),
            _ => self.mismatch("true or false"),
        }
    }

    /// A duration as Go writes them: `1h30m`, `1.5s`.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let parse = |scalar: &Scalar| durations::parse(&scalar.text);
        self.scalar()
            .and_then(parse)
            .or_else(|| self.mismatch("a duration like 10s or 1h30m"))
    }

    /// The items of a sequence.
    pub(crate) fn items(&self) -> Vec<Field<'a>> {
        let Value::Sequence(items) = &self.node.value else {
            self.mismatch::<()>("a list");
            return Vec::new();
        };
        let field = |(index, node): (usize, &'a Node)| Field {
            node,
            path: format!("{}[{index}]", self.path),
            resource: self.resource,
        };
        items.iter().enumerate().map(field).collect()
    }

    /// The members of a mapping.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        let Value::Mapping(members) = &self.node.value else {
            return self.mismatch("a mapping");
        };
        let read = RefCell::new(vec![false; members.len()]);
        let field = self.clone();
        Some(Section { field, members, read })
    }
}

impl<'a> Section<'a> {
    pub(crate) fn field(&self) -> &Field<'a> {
        &self.field
    }

    /// The member `name`, unless it is null.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'a>> {
        let index = self.members.iter().position(|(key, _)| key == name)?;
        self.at(index)
    }

    fn at(&self, index: usize) -> Option<Field<'a>> {
        self.read.borrow_mut()[index] = true;
        let (name, node) = &self.members[index];
        let path = match self.field.path.is_empty() {
            true => name.clone(),
            false => format!("{}.{name}", self.field.path),
        };
        let resource = self.field.resource;
        (!node.is_null()).then_some(Field { node, path, resource })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// All members that are not null, with their names.
    pub(crate) fn all(&self) -> Vec<(&'a str, Field<'a>)> {
        let member = |(index, (name, _)): (usize, &'a (String, Node))| Some((name.as_str(), self.at(index)?));
        self.members.iter().enumerate().filter_map(member).collect()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.text()
    }

    pub(crate) fn section(&self, name: &str) -> Option<Section<'a>> {
        self.get(name)?.section()
    }

    pub(crate) fn items(&self, name: &str) -> Vec<Field<'a>> {
        self.get(name).map(|field| field.items()).unwrap_or_default()
    }

    /// The sections of a list. Other items are reported.
    pub(crate) fn sections(&self, name: &str) -> Vec<Section<'a>> {
        let items = self.items(name);
        items.iter().filter_map(Field::section).collect()
    }

    /// Reports the member `name`, if there is one, as not carried.
    pub(crate) fn lost(&self, name: &str, why: &str, instead: &str) {
        if let Some(field) = self.get(name) {
            field.lost(why, instead);
        }
    }

    /// Reads members that mean nothing for the result.
    pub(crate) fn skip(&self, names: &[&str]) {
        for name in names {
            self.get(name);
        }
    }

    /// Reads all members: the section as a whole is reported elsewhere.
    pub(crate) fn skip_all(&self) {
        self.read.borrow_mut().fill(true);
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            let is_read = self.read.borrow()[index];
            if !is_read && let Some(field) = self.at(index) {
                field.lost("the importer does not know this field", "");
            }
        }
    }
}
