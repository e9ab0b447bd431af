//! Reads one entry of the tree into its raw type, so that a mistake in it costs nothing but itself.

use lockgate_json::decode::decode;
use lockgate_json::pointer::Pointer;
use lockgate_json::problem::{Problem, Problems};
use lockgate_json::tree::{Node, Value};
use lockgate_units::{Period, Size};
use serde::de::DeserializeOwned;

/// The raw form of `node`; what is wrong in it is told (unless it was already) and left out.
/// None if what is left is not enough, or nothing that the type could be read from.
pub(super) fn read<T: DeserializeOwned>(node: &Node, here: &Pointer, problems: &mut Problems) -> Option<T> {
    let mut rest = node.clone();
    // Each round leaves one member out, so the rounds end; more than these are not worth telling.
    for _ in 0..64 {
        let problem = match decode(&rest, here) {
            Ok(read) => return Some(read),
            Err(problem) => problem,
        };
        let inside = problem
            .pointer
            .as_str()
            .strip_prefix(here.as_str())
            .unwrap_or_default()
            .to_owned();
        if !problems.within(&problem.pointer) {
            problems.push(problem);
        }
        if inside.is_empty() {
            return None;
        }
        rest.mark(&inside);
    }
    None
}

/// The member `name` of `node`, read like [`read`]; none if it is absent, null or was found faulty.
pub(super) fn part<T: DeserializeOwned>(node: &Node, here: &Pointer, name: &str, problems: &mut Problems) -> Option<T> {
    let member = node.member(name).filter(|member| member.value != Value::Null)?;
    read(member, &here.key(name), problems)
}

/// The entries of the object `section` at the top, in the order of the file: name, value, pointer. Tells names that
/// would not do in a log line, a metric's label or another name.
pub(super) fn section<'a>(root: &'a Node, section: &str, problems: &mut Problems) -> Vec<(&'a str, &'a Node, Pointer)> {
    let here = Pointer::root().key(section);
    // A faulty section still has names that are referred to.
    let node = root
        .members()
        .iter()
        .find(|member| member.name == section)
        .map(|member| &member.node);
    let members = node.map(Node::members).unwrap_or_default();
    for member in members.iter().filter(|member| !is_name(&member.name)) {
        problems.push(
            Problem::told(here.key(&member.name), "found an invalid name")
                .expected("1 to 64 letters, digits, \"-\", \"_\" and \".\"")
                .at_name(),
        );
    }
    members
        .iter()
        .map(|member| (member.name.as_str(), &member.node, here.key(&member.name)))
        .collect()
}

fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Tells a period that must not be zero.
pub(super) fn positive(period: Period, here: &Pointer, problems: &mut Problems) {
    if period.is_zero() {
        problems.push(Problem::unfit(here.clone(), "a duration above zero"));
    }
}

/// Tells a size out of its range.
pub(super) fn between(size: Size, least: Size, most: Size, here: &Pointer, problems: &mut Problems) {
    if size < least || size > most {
        problems.push(Problem::unfit(here.clone(), format!("a size from {least} to {most}")));
    }
}
