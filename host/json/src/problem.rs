//! A mistake before it has a line and a column: what the passes over a document collect.

use crate::diagnostic;
use crate::pointer::Pointer;

/// Where in the text a mistake is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the value's first character.
    Value,
    /// At the value's first character, for something that it lacks: the value itself is good.
    Around,
    /// At the name of the member that the value belongs to.
    Name,
    /// At this byte of the text: what the reader found before there was a tree.
    Byte(usize),
}

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The value that is wrong.
    pub pointer: Pointer,
    /// What of it to show.
    pub place: Place,
    /// None: `found …`, with the value as it was written.
    pub message: Option<String>,
    /// What would be right.
    pub expected: Option<String>,
    /// The way out.
    pub hint: Option<String>,
}

impl Problem {
    /// The value at `pointer` is not what it should be: `found …, expected …`.
    pub fn unfit(pointer: Pointer, expected: impl Into<String>) -> Problem {
        Problem {
            pointer,
            place: Place::Value,
            message: None,
            expected: Some(expected.into()),
            hint: None,
        }
    }

    /// Something is wrong at `pointer`, in words.
    pub fn told(pointer: Pointer, message: impl Into<String>) -> Problem {
        Problem {
            pointer,
            place: Place::Value,
            message: Some(message.into()),
            expected: None,
            hint: None,
        }
    }

    /// A name at `pointer` that is none of those `known`; `what` says what kind of name.
    pub fn unknown_name<'a>(
        pointer: Pointer,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Problem {
        let mut names = known.clone().into_iter().peekable();
        let expected = match names.peek() {
            None => format!("the name of {what}; none is defined"),
            Some(_) => format!("the name of {what}: {}", diagnostic::listed(names)),
        };
        Problem::unfit(pointer, expected).hinted(diagnostic::did_you_mean(name, known))
    }

    /// With what would have been right.
    pub fn expected(self, expected: impl Into<String>) -> Problem {
        Problem {
            expected: Some(expected.into()),
            ..self
        }
    }

    /// With the way out.
    pub fn hint(self, hint: impl Into<String>) -> Problem {
        Problem {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// With the way out, if there is one.
    pub fn hinted(self, hint: Option<String>) -> Problem {
        Problem { hint, ..self }
    }

    /// Shown at the member's name instead of its value.
    pub fn at_name(self) -> Problem {
        Problem {
            place: Place::Name,
            ..self
        }
    }

    /// Something is missing in the value, which is otherwise good.
    pub fn around(self) -> Problem {
        Problem {
            place: Place::Around,
            ..self
        }
    }

    /// Shown at a byte of the text.
    pub fn at_byte(self, byte: usize) -> Problem {
        Problem {
            place: Place::Byte(byte),
            ..self
        }
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// One more.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether one was found at `pointer` or inside.
    pub fn within(&self, pointer: &Pointer) -> bool {
        self.0.iter().any(|problem| pointer.holds(&problem.pointer))
    }

    /// The value, or one more mistake.
    pub fn keep<T>(&mut self, outcome: Result<T, Problem>) -> Option<T> {
        outcome.map_err(|problem| self.push(problem)).ok()
    }
}
