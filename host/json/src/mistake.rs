//! A mistake in a document before it has a line and a column. Every pass over the document collects its own.

use crate::diagnostic;
use crate::pointer::Pointer;

/// The spot of the text at which a mistake is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The first character of the value.
    Value,
    /// The first character of the object that lacks something. What the object has is valid.
    Owner,
    /// The key of the member whose value it is.
    Key,
    /// A byte of the text: a syntax error, found before there was a tree.
    Byte(usize),
}

/// A mistake: where it is, what was found, what was expected, and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The value that is wrong.
    pub pointer: Pointer,
    /// Where it is shown.
    pub anchor: Anchor,
    /// None: `found …`, with the value as it was written.
    pub message: Option<String>,
    /// What would be right.
    pub expected: Option<String>,
    /// How to correct it.
    pub hint: Option<String>,
}

impl Mistake {
    /// A mistake at `pointer`, described by `message`.
    pub fn new(pointer: Pointer, message: impl Into<String>) -> Mistake {
        Mistake {
            pointer,
            anchor: Anchor::Value,
            message: Some(message.into()),
            expected: None,
            hint: None,
        }
    }

    /// An invalid value at `pointer`: `found …, expected …`.
    pub fn invalid(pointer: Pointer, expected: impl Into<String>) -> Mistake {
        Mistake {
            pointer,
            anchor: Anchor::Value,
            message: None,
            expected: Some(expected.into()),
            hint: None,
        }
    }

    /// A key that the object at `pointer` must have and lacks.
    pub fn missing_key(pointer: Pointer, key: &str) -> Mistake {
        Mistake {
            anchor: Anchor::Owner,
            ..Mistake::new(pointer, format!("the key \"{key}\" is missing"))
        }
    }

    /// A name at `pointer` that is none of those `known`; `what` is the kind of name.
    pub fn unknown_name<'a>(
        pointer: Pointer,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Mistake {
        let mut names = known.clone().into_iter().peekable();
        let expected = match names.peek() {
            None => format!("the name of {what}; none is defined"),
            Some(_) => format!("the name of {what}: {}", diagnostic::listed(names)),
        };
        Mistake::invalid(pointer, expected).optional_hint(diagnostic::did_you_mean(name, known))
    }

    /// Adds what would be right.
    pub fn expected(self, expected: impl Into<String>) -> Mistake {
        Mistake {
            expected: Some(expected.into()),
            ..self
        }
    }

    /// Adds a hint.
    pub fn hint(self, hint: impl Into<String>) -> Mistake {
        self.optional_hint(Some(hint.into()))
    }

    /// Adds a hint, if there is one.
    pub fn optional_hint(self, hint: Option<String>) -> Mistake {
        Mistake { hint, ..self }
    }

    /// Shows it at the member's key instead of its value.
    pub fn at_key(self) -> Mistake {
        Mistake {
            anchor: Anchor::Key,
            ..self
        }
    }

    /// Shows it at a byte of the text.
    pub fn at_byte(self, byte: usize) -> Mistake {
        Mistake {
            anchor: Anchor::Byte(byte),
            ..self
        }
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// Adds a mistake.
    pub fn push(&mut self, mistake: Mistake) {
        self.0.push(mistake);
    }

    /// Whether there is a mistake at `pointer` or inside it.
    pub fn within(&self, pointer: &Pointer) -> bool {
        self.0.iter().any(|mistake| pointer.holds(&mistake.pointer))
    }

    /// The value of `result`; its mistake is added.
    pub fn ok_or_record<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.push(mistake)).ok()
    }
}
