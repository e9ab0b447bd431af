//! What a plugin has declared of the properties that it sets: once or again, for one request or for all of a connection.

/// More declarations are refused.
const MOST: usize = 128;

/// How a property that plugins set behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// It may be set once.
    pub(crate) is_read_only: bool,
    pub(crate) scope: PropertyScope,
}

/// How long a value is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PropertyScope {
    /// To the end of the request.
    #[default]
    Request,
    /// For all requests of the client's connection.
    Connection,
}

/// The declarations of one VM, under dotted names.
#[derive(Debug, Default)]
pub(crate) struct Declared(Vec<(Box<str>, Declaration)>);

/// It was declared before, or there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderError;

impl Declared {
    /// Adds one; none is ever replaced.
    pub(crate) fn add(&mut self, dotted: &str, declaration: Declaration) -> Result<(), HeaderError> {
        if self.0.len() >= MOST || self.0.iter().any(|(name, _)| **name == *dotted) {
            return Err(HeaderError);
        }
        self.0.push((dotted.into(), declaration));
        Ok(())
    }

    /// What holds for a property.
    pub(crate) fn of(&self, dotted: &str) -> Declaration {
        let found = self.0.iter().find(|(name, _)| **name == *dotted);
        found.map_or_else(Declaration::default, |(_, declaration)| *declaration)
    }
}
