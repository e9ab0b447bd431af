//! Replaces words in a stream of bytes that arrives in chunks. It makes no host calls, and so is tested natively.

/// The replacements: `FROM=TO`, separated by spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<(Vec<u8>, Vec<u8>)>);

impl Words {
    /// Parses the replacements.
    ///
    /// # Errors
    /// A message with the text that is not of the form `FROM=TO`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let word = |text: &str| match text.split_once('=') {
            Some((from, to)) if !from.is_empty() => Ok((from.as_bytes().to_vec(), to.as_bytes().to_vec())),
            _ => Err(format!("{text:?} is not of the form FROM=TO")),
        };
        text.split_whitespace().map(word).collect::<Result<_, _>>().map(Self)
    }
}

/// The state of one direction of a connection.
#[derive(Debug, Default)]
pub struct Rewriter {
    /// The last bytes, which may be the start of a word.
    tail: Vec<u8>,
}

impl Rewriter {
    /// Rewrites the next bytes. Bytes that may be the start of a word are held back until more arrive, or the end.
    pub fn rewrite(&mut self, words: &Words, data: &[u8], end: bool) -> Vec<u8> {
        self.tail.extend_from_slice(data);
        let all = std::mem::take(&mut self.tail);
        let (mut out, mut rest) = (Vec::with_capacity(all.len()), &all[..]);
        while let Some(first) = rest.first() {
            if let Some((from, to)) = words.0.iter().find(|(from, _)| rest.starts_with(from)) {
                out.extend_from_slice(to);
                rest = &rest[from.len()..];
            } else if !end && words.0.iter().any(|(from, _)| from.starts_with(rest)) {
                self.tail = rest.to_vec();
                break;
            } else {
                out.push(*first);
                rest = &rest[1..];
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(words: &str, pieces: &[&str]) -> String {
        let words = Words::parse(words).unwrap();
        let mut rewriter = Rewriter::default();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(rewriter.rewrite(&words, piece.as_bytes(), false));
        }
        out.extend(rewriter.rewrite(&words, b"", true));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn words_are_replaced_wherever_the_chunks_are_split() {
        let text = "a cat, a cart, cacat and a ca";
        for at in 0..text.len() {
            for then in at..text.len() {
                let pieces = [&text[..at], &text[at..then], &text[then..]];
                assert_eq!(
                    through("cat=lion cart=", &pieces),
                    "a lion, a , calion and a ca",
                    "{pieces:?}"
                );
            }
        }
    }

    #[test]
    fn only_a_possible_prefix_of_a_word_is_held_back() {
        let words = Words::parse("cat=dog").unwrap();
        let mut rewriter = Rewriter::default();
        assert_eq!(rewriter.rewrite(&words, b"hello", false), b"hello");
        assert_eq!(rewriter.rewrite(&words, b"a ca", false), b"a ");
        assert_eq!(rewriter.rewrite(&words, b"r", false), b"car");
    }

    #[test]
    fn a_malformed_word_is_reported() {
        assert_eq!(
            Words::parse("cat=dog dog").unwrap_err(),
            "\"dog\" is not of the form FROM=TO"
        );
        assert_eq!(Words::parse("=dog").unwrap_err(), "\"=dog\" is not of the form FROM=TO");
        assert_eq!(Words::parse(" "), Ok(Words::default()));
    }
}
