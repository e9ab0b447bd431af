//! What an import does not carry: each with its place, the reason and what to do instead.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// Something that the result does not have, or has in another way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Loss {
    /// Whether it is missing or only different.
    pub kind: LossKind,
    /// Where it was found.
    pub spot: Spot,
    /// The value, shortened.
    pub found: String,
    /// Why it is not carried, or how it is.
    pub why: String,
    /// What to do instead.
    pub instead: Option<String>,
}

/// Kind of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LossKind {
    /// The result does not have it.
    Lost,
    /// The result has it in another way, or supposes something that the files do not say.
    Changed,
}

/// A place in the imported files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spot {
    /// Name of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Kind and name of the resource: `VirtualService reviews`.
    pub resource: String,
    /// Path in the document: `spec.http[0].match[1].uri`. Empty: all of it.
    pub path: String,
    /// Position of the file in the command line, for the order of messages.
    pub(crate) file_index: usize,
}

impl fmt::Display for Loss {
    /// `a.yaml:9: VirtualService reviews, spec.gateways[0]: not carried over: mesh: REASON`, and what to do on its own line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot {
            file,
            line,
            resource,
            path,
            ..
        } = &self.spot;
        write!(out, "{file}:{line}: {resource}")?;
        if !path.is_empty() {
            write!(out, ", {path}")?;
        }
        out.write_str(match self.kind {
            LossKind::Lost => ": not carried over: ",
            LossKind::Changed => ": note: ",
        })?;
        if !self.found.is_empty() {
            write!(out, "{}: ", self.found)?;
        }
        out.write_str(&self.why)?;
        if let Some(instead) = &self.instead {
            write!(out, "\n  instead: {instead}")?;
        }
        Ok(())
    }
}

/// `text` with control characters as escapes: it goes to a terminal, and may come from a stranger.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_debug()),
            false => out.push(c),
        }
    }
    out
}

/// The losses so far.
#[derive(Debug, Default)]
pub(crate) struct Losses(RefCell<Found>);

#[derive(Debug, Default)]
struct Found {
    losses: Vec<Loss>,
    /// The same ones: a route that becomes several ones has each loss once.
    known: HashSet<Loss>,
}

impl Losses {
    pub(crate) fn add(&self, kind: LossKind, spot: &Spot, found: &str, why: &str, instead: &str) {
        let spot = Spot {
            resource: printable(&spot.resource),
            path: printable(&spot.path),
            ..spot.clone()
        };
        let loss = Loss {
            kind,
            spot,
            found: printable(found),
            why: printable(why),
            instead: (!instead.is_empty()).then(|| printable(instead)),
        };
        let mut found = self.0.borrow_mut();
        if found.known.insert(loss.clone()) {
            found.losses.push(loss);
        }
    }

    /// Something is missing. `instead` may be empty.
    pub(crate) fn lost(&self, spot: &Spot, found: &str, why: &str, instead: &str) {
        self.add(LossKind::Lost, spot, found, why, instead);
    }

    /// Something is different. `instead` may be empty.
    pub(crate) fn changed(&self, spot: &Spot, found: &str, why: &str, instead: &str) {
        self.add(LossKind::Changed, spot, found, why, instead);
    }

    /// All of them, in the order of the files.
    pub(crate) fn into_sorted(self) -> Vec<Loss> {
        let mut losses = self.0.into_inner().losses;
        losses.sort_by_key(|loss| (loss.spot.file_index, loss.spot.line));
        losses
    }
}
