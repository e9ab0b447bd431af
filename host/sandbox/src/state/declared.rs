//! Declarations of properties: whether they can be set again, and how long their values last.

use lockgate_exchange::{Exchange, Properties};

/// Declarations of one VM. Further ones are refused.
const MAX_DECLARATIONS: usize = 128;

/// The declaration of a property.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// It can be set only once.
    pub(crate) is_read_only: bool,
    pub(crate) scope: PropertyScope,
}

/// How long a value lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PropertyScope {
    /// Until the end of the request.
    #[default]
    Request,
    /// Until the end of the client's connection, for all its requests.
    Connection,
}

impl PropertyScope {
    /// Gives `look` the properties of this scope.
    pub(crate) fn of<R>(self, exchange: &mut Exchange, look: impl FnOnce(&mut Properties) -> R) -> R {
        match self {
            Self::Request => look(&mut exchange.properties),
            Self::Connection => look(&mut exchange.info.connection.properties.borrow_mut()),
        }
    }
}

/// The declarations of one VM, by dotted name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared(Vec<(Box<str>, Declaration)>);

/// The property was declared before, or there are too many declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderError;

impl Declared {
    /// Adds a declaration. An existing one is never replaced.
    pub(crate) fn add(&mut self, dotted: &str, declaration: Declaration) -> Result<(), HeaderError> {
        if self.0.len() >= MAX_DECLARATIONS || self.0.iter().any(|(name, _)| **name == *dotted) {
            return Err(HeaderError);
        }
        self.0.push((dotted.into(), declaration));
        Ok(())
    }

    /// The declaration of a property, or the default.
    pub(crate) fn of(&self, dotted: &str) -> Declaration {
        let found = self.0.iter().find(|(name, _)| **name == *dotted);
        found.map_or_else(Declaration::default, |(_, declaration)| *declaration)
    }
}
