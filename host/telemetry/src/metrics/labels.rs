//! Labels in the names of plugins' metrics: `refused{method="GET",why="expired"}`, as in Prometheus' text format. proxy-wasm has names
//! alone, so they are part of the name.

/// Names and values of labels, in the order of the names.
pub(super) type Labels = Vec<(String, String)>;

/// Maximum number of labels. A name with more has none.
const MAX_LABELS: usize = 8;
/// Maximum characters of a value; the rest is cut off.
const MAX_VALUE: usize = 128;

/// Splits a name from its labels. What is malformed is all name.
pub(super) fn split(text: &str) -> (&str, Labels) {
    let parts = text.strip_suffix('}').and_then(|text| text.split_once('{'));
    match parts.and_then(|(name, labels)| Some((name, parse(labels)?))) {
        Some((name, labels)) => (name, labels),
        None => (text, Labels::new()),
    }
}

fn parse(mut text: &str) -> Option<Labels> {
    let mut labels = Labels::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = value(rest)?;
        let is_new = labels.iter().all(|(known, _)| known != name);
        if !is_name(name) || !is_new || labels.len() == MAX_LABELS {
            return None;
        }
        labels.push((name.to_owned(), value));
        text = match rest.strip_prefix(',') {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    labels.sort_unstable();
    Some(labels)
}

/// A value up to its quotation mark, and what follows.
fn value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut length = 0;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        let character = match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            },
            character => character,
        };
        length += 1;
        if length <= MAX_VALUE {
            value.push(character);
        }
    }
    None
}

/// Whether it is the name of a label that no exposition reserves.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() <= MAX_VALUE
        && !name.starts_with("__")
        && name != "le"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_split_from_the_name_and_sorted() {
        let owned = |pairs: &[(&str, &str)]| -> Labels {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            pairs.collect()
        };
        assert_eq!(split("plain"), ("plain", Labels::new()));
        assert_eq!(split("none{}"), ("none", Labels::new()));
        let text = r#"refused{why="a \"b\" \\ \n,}={",method="GET"}"#;
        let labels = owned(&[("method", "GET"), ("why", "a \"b\" \\ \n,}={")]);
        assert_eq!(split(text), ("refused", labels));
        assert_eq!(split(r#"empty{a=""}"#), ("empty", owned(&[("a", "")])));
        let long = format!("n{{a=\"{}\"}}", "ä".repeat(500));
        assert_eq!(split(&long).1[0].1, "ä".repeat(128));
    }

    #[test]
    fn malformed_labels_are_part_of_the_name() {
        let many: String = (0..9).map(|index| format!("l{index}=\"\",")).collect();
        for text in [
            "a{b}",
            "a{b=c}",
            "a{b=\"c}",
            "a{b=\"c\"",
            "a{b=\"c\"d=\"e\"}",
            "a{b=\"c\",b=\"d\"}",
            "a{1b=\"c\"}",
            "a{=\"c\"}",
            "a{le=\"1\"}",
            "a{__name__=\"x\"}",
            "a{b=\"\\x\"}",
            "a{b-c=\"d\"}",
            &format!("a{{{many}}}"),
        ] {
            assert_eq!(split(text), (text, Labels::new()));
        }
    }
}
