//! Reads one entry of the tree into its raw type. A mistake in it does not hide others.

use lockgate_json::decode::decode;
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::{Node, Value};
use lockgate_units::{Period, Size};
use serde::de::DeserializeOwned;

/// Maximum number of mistakes that are reported of one entry.
const MAX_MISTAKES: usize = 64;

/// The raw form of `node`. A faulty member is reported, unless it already was, and skipped. None: the type cannot be read without it.
pub(super) fn read<T: DeserializeOwned>(node: &Node, here: &Pointer, mistakes: &mut Mistakes) -> Option<T> {
    let mut rest = node.clone();
    // Each round skips one more member, so the rounds end.
    for _ in 0..MAX_MISTAKES {
        let mistake = match decode(&rest, here) {
            Ok(read) => return Some(read),
            Err(mistake) => mistake,
        };
        let inside = mistake
            .pointer
            .as_str()
            .strip_prefix(here.as_str())
            .unwrap_or_default()
            .to_owned();
        if !mistakes.within(&mistake.pointer) {
            mistakes.push(mistake);
        }
        if inside.is_empty() {
            return None;
        }
        rest.mark(&inside);
    }
    None
}

/// The member `name` of `node`, as by [`read`]. None: it is absent, null or faulty.
pub(super) fn part<T: DeserializeOwned>(node: &Node, here: &Pointer, name: &str, mistakes: &mut Mistakes) -> Option<T> {
    let member = node.member(name).filter(|member| member.value != Value::Null)?;
    read(member, &here.key(name), mistakes)
}

/// The entries of the top-level object `section`, in the order of the file: name, value, pointer. Reports names that are not safe in a
/// log line, a metric's label or another name.
pub(super) fn section<'a>(root: &'a Node, section: &str, mistakes: &mut Mistakes) -> Vec<(&'a str, &'a Node, Pointer)> {
    let here = Pointer::root().key(section);
    // A faulty section still has names, which others refer to.
    let node = root
        .members()
        .iter()
        .find(|member| member.name == section)
        .map(|member| &member.node);
    let members = node.map(Node::members).unwrap_or_default();
    for member in members.iter().filter(|member| !is_name(&member.name)) {
        mistakes.push(
            Mistake::new(here.key(&member.name), "found an invalid name")
                .expected("1 to 64 letters, digits, \"-\", \"_\" and \".\"")
                .at_key(),
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

/// Reports a period of zero.
pub(super) fn positive(period: Period, here: &Pointer, mistakes: &mut Mistakes) {
    if period.is_zero() {
        mistakes.push(Mistake::invalid(here.clone(), "a duration above zero"));
    }
}

/// Reports a size outside its range.
pub(super) fn between(size: Size, minimum: Size, maximum: Size, here: &Pointer, mistakes: &mut Mistakes) {
    if size < minimum || size > maximum {
        mistakes.push(Mistake::invalid(
            here.clone(),
            format!("a size from {minimum} to {maximum}"),
        ));
    }
}
