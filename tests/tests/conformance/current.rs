//! Whether what was written down is what has just been found; where it is not, which case and which answers.

use std::fmt::Write;

/// How many cases a failure shows.
const SHOWN: usize = 5;

/// Compares two texts of parts, each of which begins with its name: `### NAME`, or `[NAME]`.
///
/// # Panics
/// When they differ, with the lines that do under the names of their cases. What stands outside of cases is made of them, so it is
/// shown only when nothing else differs.
pub(crate) fn same(what: &str, written: &str, found: &str) {
    if written == found {
        return;
    }
    let (written, found) = (parts(written), parts(found));
    let names = found
        .iter()
        .chain(
            written
                .iter()
                .filter(|(name, _)| !found.iter().any(|(known, _)| known == name)),
        )
        .map(|(name, _)| *name);
    let mut differing: Vec<_> = names
        .filter_map(|name| difference(name, &of(&written, name), &of(&found, name)))
        .collect();
    if differing.len() > 1 {
        differing.retain(|(name, _)| !name.is_empty());
    }
    let mut told = String::new();
    for (name, lines) in differing.iter().take(SHOWN) {
        let _ = write!(told, "\n{name}{lines}");
    }
    if differing.len() > SHOWN {
        let _ = write!(told, "\nand {} more", differing.len() - SHOWN);
    }
    panic!("{what} is not current (`make conformance` writes it anew):{told}");
}

/// The parts of a text, by their names; what comes before the first has none, and so have chapters.
fn parts(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut parts: Vec<(&str, Vec<&str>)> = vec![("", Vec::new())];
    for line in text.lines() {
        let is_name = line.starts_with("### ") || line.starts_with('[') && line.ends_with(')') | line.ends_with(']');
        match parts.last_mut() {
            Some((_, lines)) if !is_name => lines.push(line),
            _ => parts.push((line, Vec::new())),
        }
    }
    parts
}

/// The lines of all parts of a name: a case has one for each group of guests that answer alike.
fn of<'a>(parts: &[(&str, Vec<&'a str>)], name: &str) -> Vec<&'a str> {
    let named = parts.iter().filter(|(known, _)| *known == name);
    named.flat_map(|(_, lines)| lines.iter().copied()).collect()
}

fn difference<'a>(name: &'a str, written: &[&str], found: &[&str]) -> Option<(&'a str, String)> {
    let mut told = String::new();
    for (which, lines, others) in [("written", written, found), ("found:  ", found, written)] {
        for line in lines.iter().filter(|line| !others.contains(line)) {
            let _ = write!(told, "\n    {which} {line}");
        }
    }
    if told.is_empty() && written != found {
        told.push_str("\n    the same lines in another order or number");
    }
    Some((name, told)).filter(|(_, told)| !told.is_empty())
}
