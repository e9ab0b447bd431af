//! Names in gateway.json: 1 to 64 letters, digits, `-`, `_` and `.`, each one once.

use std::collections::HashSet;

/// `text` as a name of at most `max` characters that is not used yet; it is then.
pub(super) fn unused(text: &str, max: usize, used: &mut HashSet<String>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain: String = text.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    let plain = if plain.is_empty() { "unnamed" } else { &plain };
    let mut number = 1;
    loop {
        let suffix = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let length = plain.len().min(max - suffix.len());
        let name = format!("{}{suffix}", &plain[..length]);
        if used.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_short_and_unique() {
        let mut used = HashSet::new();
        let mut name = |text: &str| unused(text, 8, &mut used);
        assert_eq!(
            (name("a/ä b"), name("a/ä b"), name("")),
            ("a---b".into(), "a---b-2".into(), "unnamed".into())
        );
        assert_eq!(
            (name("0123456789"), name("0123456789")),
            ("01234567".into(), "012345-2".into())
        );
    }
}
