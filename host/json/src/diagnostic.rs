//! Diagnostics: a mistake with its file, line and column, as the user reads it; and the nearest known name.

use std::fmt;
use std::path::PathBuf;

/// A position in the text. Lines and columns start at 1; columns count characters, as editors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// One mistake with its position. It never shows a value that came from the environment or another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the caller named it.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// JSON pointer (RFC 6901) of the value. Empty: the whole file.
    pub pointer: String,
    /// What was found, or what is wrong with it.
    pub message: String,
    /// What would have been right.
    pub expected: Option<String>,
    /// How to correct it, often the nearest known name.
    pub hint: Option<String>,
}

/// All mistakes of a file, in the order of the text. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Report {
    /// In the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Diagnostic {
    /// `gateway.json:12:7: /upstreams/orders/balance: found "fair", expected …`, and the hint on its own line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: ", self.file.display(), self.line, self.column)?;
        if !self.pointer.is_empty() {
            write!(out, "{}: ", self.pointer)?;
        }
        out.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(out, ", expected {expected}")?;
        }
        if let Some(hint) = &self.hint {
            write!(out, "\n  help: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{diagnostic}")?;
        }
        Ok(())
    }
}

/// The known name that is nearest to `name`: at most a third of the letters differ.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(lower.chars().count()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "NAME"?`, if a known name is near enough.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|candidate| format!("did you mean \"{candidate}\"?"))
}

/// Names in a sentence: `"a", "b" or "c"`. At most twenty of them.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MAX_NAMES: usize = 20;
    let names: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        all if all.len() > MAX_NAMES => format!("{} and {} more", all[..MAX_NAMES].join(", "), all.len() - MAX_NAMES),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not_suggested() {
        let known = ["round_robin", "random"];
        assert_eq!(nearest("round-robin", known), Some("round_robin"));
        assert_eq!(nearest("Random", known), Some("random"));
        assert_eq!(nearest("least_connections", known), None);
        assert_eq!(nearest("x", known), None);
        assert_eq!(nearest("anything", []), None);
    }

    #[test]
    fn a_diagnostic_prints_position_message_expectation_and_hint() {
        let diagnostic = Diagnostic {
            file: "gateway.json".into(),
            line: 12,
            column: 7,
            pointer: "/upstreams/orders/balance".into(),
            message: "found \"round-robin\"".into(),
            expected: Some("one of \"round_robin\", \"random\"".into()),
            hint: Some("did you mean \"round_robin\"?".into()),
        };
        assert_eq!(
            diagnostic.to_string(),
            "gateway.json:12:7: /upstreams/orders/balance: found \"round-robin\", expected one of \"round_robin\", \"random\"\n  \
             help: did you mean \"round_robin\"?"
        );
    }
}
