//! Formats of texts that stand for an amount, such as a duration. Which formats there are is for the caller to say.

/// A value of the keyword `format`, with which a schema may bound a text by `formatMinimum` and `formatMaximum`.
#[derive(Debug)]
pub struct Format {
    /// The keyword's value.
    pub name: &'static str,
    /// The kind of amount, with its article, for messages: `a duration`.
    pub noun: &'static str,
    /// The shape of the text, for messages. A schema with this `title` is of this format, too: that is how a type's own schema names it.
    pub expected: &'static str,
    /// The amount in its smallest unit; none for a text of another shape.
    pub parse: fn(&str) -> Option<u128>,
    /// The hint for a bare number in place of such a text.
    pub hint_for_number: fn(&str) -> String,
}
