//! The name that was probably meant.

/// The known name that is nearest to `name`, if one is near enough.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate));
    let near = near.filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()).div_ceil(3));
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many bytes must be inserted, dropped or replaced (Levenshtein), case aside.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.bytes().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (at, right) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(!left.eq_ignore_ascii_case(&right));
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not_suggested() {
        let known = ["groups", "consumers", "path_prefixes"];
        assert_eq!(nearest("group", known), Some("groups"));
        assert_eq!(nearest("Consumer", known), Some("consumers"));
        assert_eq!(nearest("path-prefixes", known), Some("path_prefixes"));
        assert_eq!(nearest("cidrs", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
