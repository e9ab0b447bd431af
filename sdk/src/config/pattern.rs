//! Regular expressions, as small as a module wants them: what `#[config(pattern = "…")]` means at run time.
//!
//! Literals, `.`, classes with ranges, `\d` `\w` `\s` and their opposites, anchors, groups, alternatives and repetitions; no
//! look-around, no back references, no Unicode classes. The macros crate compiles this very file, too, so that a pattern that
//! is not understood is a compile error. A text that would take too long is no match.

/// Steps that a search may take.
const MOST_STEPS: u32 = 200_000;

/// How deeply a search may lie in itself: a guest's stack is small.
const DEEPEST: u32 = 1_000;

/// Alternatives, each a sequence.
pub(crate) type Pattern = Vec<Vec<Node>>;

/// A part of a pattern.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A character of these ranges, or of none of them.
    Class {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
    /// The text's beginning.
    Start,
    /// The text's end.
    End,
    /// A pattern in parentheses.
    Group(Pattern),
    /// This often.
    Repeat { inner: Box<Node>, least: u32, most: u32 },
}

/// Reads a pattern.
///
/// # Errors
/// What is not understood.
pub(crate) fn parse(pattern: &str) -> Result<Pattern, &'static str> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut parser = Parser {
        rest: &characters,
        depth: 0,
    };
    let parsed = parser.alternatives()?;
    match parser.rest {
        [] => Ok(parsed),
        _ => Err("a closing parenthesis too many"),
    }
}

/// Whether a pattern is found in a text.
pub(crate) fn is_found(pattern: &Pattern, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut search = Search {
        text: &text,
        steps: 0,
        depth: 0,
    };
    (0..=text.len()).any(|at| search.any(pattern, at, &mut |_, _| true))
}

struct Parser<'p> {
    rest: &'p [char],
    depth: u32,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Result<Pattern, &'static str> {
        let mut alternatives = vec![Vec::new()];
        while let Some((&first, behind)) = self.rest.split_first() {
            match first {
                '|' => {
                    self.rest = behind;
                    alternatives.push(Vec::new());
                }
                ')' => break,
                _ => {
                    let node = self.repeated()?;
                    if let Some(last) = alternatives.last_mut() {
                        last.push(node);
                    }
                }
            }
        }
        Ok(alternatives)
    }

    fn repeated(&mut self) -> Result<Node, &'static str> {
        let inner = self.one()?;
        let (least, most) = match self.rest.first() {
            Some('*') => (0, u32::MAX),
            Some('+') => (1, u32::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                self.rest = &self.rest[1..];
                self.counts()?
            }
            _ => return Ok(inner),
        };
        self.rest = &self.rest[1..];
        // Lazy or not, the same texts match.
        if self.rest.first() == Some(&'?') {
            self.rest = &self.rest[1..];
        }
        match inner {
            Node::Start | Node::End => Err("a repeated anchor"),
            inner => Ok(Node::Repeat {
                inner: Box::new(inner),
                least,
                most,
            }),
        }
    }

    /// What stands between braces; the closing one is left.
    fn counts(&mut self) -> Result<(u32, u32), &'static str> {
        let least = self.count()?.ok_or("braces without a count")?;
        let most = match self.rest.first() {
            Some(',') => {
                self.rest = &self.rest[1..];
                self.count()?.unwrap_or(u32::MAX)
            }
            _ => least,
        };
        match self.rest.first() {
            Some('}') if least <= most => Ok((least, most)),
            _ => Err("braces that hold no counts"),
        }
    }

    fn count(&mut self) -> Result<Option<u32>, &'static str> {
        let mut count = None;
        while let Some(digit) = self.rest.first().and_then(|digit| digit.to_digit(10)) {
            let larger = count.unwrap_or(0_u32).saturating_mul(10).saturating_add(digit);
            if larger > 1_000 {
                return Err("a count of more than 1000");
            }
            count = Some(larger);
            self.rest = &self.rest[1..];
        }
        Ok(count)
    }

    fn one(&mut self) -> Result<Node, &'static str> {
        let Some((&first, behind)) = self.rest.split_first() else {
            return Err("an end too early");
        };
        self.rest = behind;
        Ok(match first {
            '^' => Node::Start,
            '$' => Node::End,
            '.' => class(vec![('\n', '\n')], true),
            '[' => self.class()?,
            '\\' => self.escaped()?,
            '(' => self.group()?,
            '*' | '+' | '?' | '{' => return Err("a repetition of nothing"),
            plain => class(vec![(plain, plain)], false),
        })
    }

    fn group(&mut self) -> Result<Node, &'static str> {
        if let [first, second, ..] = self.rest
            && *first == '?'
        {
            match second {
                ':' => self.rest = &self.rest[2..],
                _ => return Err("a group with an option, such as look-around"),
            }
        }
        self.depth += 1;
        if self.depth > 32 {
            return Err("groups nested too deeply");
        }
        let inner = self.alternatives()?;
        self.depth -= 1;
        match self.rest.split_first() {
            Some((')', behind)) => {
                self.rest = behind;
                Ok(Node::Group(inner))
            }
            _ => Err("a group without its end"),
        }
    }

    fn escaped(&mut self) -> Result<Node, &'static str> {
        let (&letter, behind) = self.rest.split_first().ok_or("a backslash at the end")?;
        self.rest = behind;
        match shorthand(letter) {
            Some((ranges, is_negated)) => Ok(class(ranges, is_negated)),
            None => literal(letter).map(|plain| class(vec![(plain, plain)], false)),
        }
    }

    fn class(&mut self) -> Result<Node, &'static str> {
        let is_negated = self.rest.first() == Some(&'^');
        if is_negated {
            self.rest = &self.rest[1..];
        }
        let mut ranges = Vec::new();
        loop {
            match self.rest.first() {
                None => return Err("a class without its end"),
                Some(']') => {
                    self.rest = &self.rest[1..];
                    return Ok(class(ranges, is_negated));
                }
                Some('\\') => {
                    if let Some((more, is_negated)) = self.rest.get(1).copied().and_then(shorthand) {
                        if is_negated {
                            return Err("a negated class inside of a class");
                        }
                        ranges.extend(more);
                        self.rest = &self.rest[2..];
                        continue;
                    }
                }
                Some(_) => {}
            }
            let low = self.in_class()?;
            let high = match self.rest {
                ['-', next, ..] if *next != ']' => {
                    self.rest = &self.rest[1..];
                    self.in_class()?
                }
                _ => low,
            };
            if high < low {
                return Err("a range whose end comes before its beginning");
            }
            ranges.push((low, high));
        }
    }

    /// One character of a class.
    fn in_class(&mut self) -> Result<char, &'static str> {
        let (&first, behind) = self.rest.split_first().ok_or("a class without its end")?;
        self.rest = behind;
        match first {
            '[' => Err("a bracket inside of a class; write \\["),
            '\\' => {
                let (&letter, behind) = self.rest.split_first().ok_or("a backslash at the end")?;
                self.rest = behind;
                literal(letter)
            }
            plain => Ok(plain),
        }
    }
}

fn class(ranges: Vec<(char, char)>, is_negated: bool) -> Node {
    Node::Class { ranges, is_negated }
}

/// The classes that have a letter of their own.
fn shorthand(letter: char) -> Option<(Vec<(char, char)>, bool)> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => vec![('0', '9')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        's' => vec![(' ', ' '), ('\t', '\r')],
        _ => return None,
    };
    Some((ranges, letter.is_ascii_uppercase()))
}

/// The character that an escape stands for.
fn literal(letter: char) -> Result<char, &'static str> {
    match letter {
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        letter if letter.is_ascii_alphanumeric() => Err("an escape that is not known"),
        plain => Ok(plain),
    }
}

struct Search<'t> {
    text: &'t [char],
    steps: u32,
    depth: u32,
}

/// What follows; gets the place that was reached.
type Then<'c, 't> = &'c mut dyn FnMut(&mut Search<'t>, usize) -> bool;

impl<'t> Search<'t> {
    fn any(&mut self, pattern: &[Vec<Node>], at: usize, then: Then<'_, 't>) -> bool {
        pattern.iter().any(|sequence| self.sequence(sequence, at, &mut *then))
    }

    fn sequence(&mut self, nodes: &[Node], at: usize, then: Then<'_, 't>) -> bool {
        let Some((first, rest)) = nodes.split_first() else {
            return then(self, at);
        };
        self.node(first, at, &mut |search, at| search.sequence(rest, at, &mut *then))
    }

    fn node(&mut self, node: &Node, at: usize, then: Then<'_, 't>) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.depth > DEEPEST {
            return false;
        }
        self.depth += 1;
        let found = match node {
            Node::Start => at == 0 && then(self, at),
            Node::End => at == self.text.len() && then(self, at),
            Node::Class { .. } => self.is_in(node, at) && then(self, at + 1),
            Node::Group(pattern) => self.any(pattern, at, then),
            Node::Repeat { inner, least, most } if matches!(**inner, Node::Class { .. }) => {
                self.repeat_class(inner, *least, *most, at, then)
            }
            Node::Repeat { inner, least, most } => self.repeat(inner, *least, *most, at, then),
        };
        self.depth -= 1;
        found
    }

    fn is_in(&self, node: &Node, at: usize) -> bool {
        match (node, self.text.get(at)) {
            (Node::Class { ranges, is_negated }, Some(found)) => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&found)) != *is_negated
            }
            _ => false,
        }
    }

    /// As many characters as there are, then fewer; needs no stack for them.
    fn repeat_class(&mut self, class: &Node, least: u32, most: u32, at: usize, then: Then<'_, 't>) -> bool {
        let (least, most) = (least as usize, most as usize);
        let mut count = 0;
        while count < most && self.is_in(class, at + count) {
            count += 1;
        }
        while count >= least {
            if then(self, at + count) {
                return true;
            }
            self.steps += 1;
            if count == 0 || self.steps > MOST_STEPS {
                break;
            }
            count -= 1;
        }
        false
    }

    fn repeat(&mut self, inner: &Node, least: u32, most: u32, at: usize, then: Then<'_, 't>) -> bool {
        let once_more = most > 0
            && self.node(inner, at, &mut |search, next| {
                // A round that takes nothing is not repeated for ever.
                (next > at || least > 0) && search.repeat(inner, least.saturating_sub(1), most - 1, next, &mut *then)
            });
        once_more || (least == 0 && then(self, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> bool {
        is_found(&parse(pattern).expect(pattern), text)
    }

    #[test]
    fn patterns_find_what_the_regex_crate_finds() {
        let patterns = [
            "^[a-z0-9]+(-[a-z0-9]+)*$",
            "^(a|b|)c?$",
            "a{2,3}b",
            "^\\d{3}-\\w+\\s?$",
            "[^x]y",
            "^.{2}$",
            "x*",
            "(ab)+c",
            "^(?:foo|ba[rz]){2}$",
            "\\.",
            "^[\\w.-]+@[\\w-]+\\.[a-z]{2,}$",
            "^(a*)*$",
            "a+?b",
            "^$",
            "\\D",
            "[\\d_-]+$",
            "(|a)+b",
        ];
        let texts = [
            "",
            "a",
            "c",
            "ac",
            "bc",
            "aab",
            "aaaab",
            "abc",
            "ababc",
            "123-x",
            "123-x ",
            "xy",
            "yy",
            "ab\n",
            "foobar",
            "bazbaz",
            "a.b",
            "me@example.com",
            "a-b-c",
            "a--b",
            "-",
            "äy",
            "ää",
            "_1-",
            "b",
        ];
        for pattern in patterns {
            let theirs = regex::Regex::new(pattern).expect(pattern);
            for text in texts {
                assert_eq!(found(pattern, text), theirs.is_match(text), "{pattern} in {text:?}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for pattern in [
            "(", ")", "[a", "a{", "a{2,1}", "*a", "(?=a)", "\\p{L}", "\\1", "[z-a]", "^*", "a{1001}", "\\",
        ] {
            assert!(parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_search_ends_and_does_not_use_up_the_stack() {
        let long = "a".repeat(20_000);
        assert!(found("^a*$", &long));
        assert!(!found("^(a+)+b$", &long));
        assert!(!found("(a|aa)*b", &long));
    }
}
