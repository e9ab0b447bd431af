//! The known name that is most similar to an unknown one, for error messages. Its edit distance stands here, and not in
//! a crate such as the host's `strsim`, so that modules stay small: it ignores the case of ASCII letters and works on
//! bytes.

/// The known name with the smallest edit distance to `name`. `None` if it exceeds a third of the longer name.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate));
    let near = near.filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()).div_ceil(3));
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance in bytes; the case of ASCII letters is ignored.
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
    fn a_similar_name_is_found_and_a_different_one_is_not() {
        let known = ["groups", "consumers", "path_prefixes"];
        assert_eq!(nearest("group", known), Some("groups"));
        assert_eq!(nearest("Consumer", known), Some("consumers"));
        assert_eq!(nearest("path-prefixes", known), Some("path_prefixes"));
        assert_eq!(nearest("cidrs", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
