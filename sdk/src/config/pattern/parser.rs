//! The syntax of patterns: from text to a tree. The macros crate compiles this file, too, so that a pattern with
//! unknown syntax is a compile error. Hence it imports nothing.

/// A pattern: alternatives, each a sequence of nodes.
pub(crate) type Pattern = Vec<Vec<Node>>;

/// A node of a pattern.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A character in these ranges, or, if negated, in none of them.
    Class {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
    /// The start of the text.
    Start,
    /// The end of the text.
    End,
    /// A pattern in parentheses.
    Group(Pattern),
    /// A repeated node.
    Repeat { inner: Box<Node>, min: u32, max: u32 },
}

/// The characters that begin a quantifier.
const QUANTIFIERS: [char; 4] = ['*', '+', '?', '{'];

/// Parses a pattern.
///
/// # Errors
/// What is wrong with it, to follow the words "the pattern has".
pub(crate) fn parse(pattern: &str) -> Result<Pattern, &'static str> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut parser = Parser {
        rest: &characters,
        depth: 0,
    };
    let parsed = parser.alternatives()?;
    match parser.rest {
        [] => Ok(parsed),
        _ => Err("an unmatched closing parenthesis"),
    }
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
        let inner = self.atom()?;
        let (min, max) = match self.rest.first() {
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
        // A lazy quantifier matches the same texts.
        if self.rest.first() == Some(&'?') {
            self.rest = &self.rest[1..];
        }
        match inner {
            Node::Start | Node::End => Err("a quantifier after an anchor"),
            inner => Ok(Node::Repeat {
                inner: Box::new(inner),
                min,
                max,
            }),
        }
    }

    /// The counts between braces. The closing brace is left for the caller.
    fn counts(&mut self) -> Result<(u32, u32), &'static str> {
        let min = self.count()?.ok_or("braces without a count")?;
        let max = match self.rest.first() {
            Some(',') => {
                self.rest = &self.rest[1..];
                self.count()?.unwrap_or(u32::MAX)
            }
            _ => min,
        };
        match self.rest.first() {
            Some('}') if min <= max => Ok((min, max)),
            _ => Err("braces with invalid counts"),
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

    fn atom(&mut self) -> Result<Node, &'static str> {
        let Some((&first, behind)) = self.rest.split_first() else {
            return Err("an unexpected end");
        };
        self.rest = behind;
        Ok(match first {
            '^' => Node::Start,
            '$' => Node::End,
            '.' => class(vec![('\n', '\n')], true),
            '[' => self.class()?,
            '\\' => self.escaped()?,
            '(' => self.group()?,
            quantifier if QUANTIFIERS.contains(&quantifier) => return Err("a quantifier without anything to repeat"),
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
            _ => Err("a group without its closing parenthesis"),
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
                None => return Err("a class without its closing bracket"),
                Some(']') => {
                    self.rest = &self.rest[1..];
                    return Ok(class(ranges, is_negated));
                }
                Some('\\') => {
                    if let Some((more, is_negated)) = self.rest.get(1).copied().and_then(shorthand) {
                        if is_negated {
                            return Err("a negated class inside a class");
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
                return Err("a range in the wrong order");
            }
            ranges.push((low, high));
        }
    }

    /// One character of a class.
    fn in_class(&mut self) -> Result<char, &'static str> {
        let (&first, behind) = self.rest.split_first().ok_or("a class without its closing bracket")?;
        self.rest = behind;
        match first {
            '[' => Err("a bracket inside a class; write \\["),
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

/// The class of an escaped letter, like `\d`.
fn shorthand(letter: char) -> Option<(Vec<(char, char)>, bool)> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => vec![('0', '9')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        's' => vec![(' ', ' '), ('\t', '\r')],
        _ => return None,
    };
    Some((ranges, letter.is_ascii_uppercase()))
}

/// The character of an escape.
fn literal(letter: char) -> Result<char, &'static str> {
    match letter {
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        letter if letter.is_ascii_alphanumeric() => Err("an unknown escape"),
        plain => Ok(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_syntax_is_an_error() {
        for pattern in [
            "(", ")", "[a", "a{", "a{2,1}", "*a", "(?=a)", "\\p{L}", "\\1", "[z-a]", "^*", "a{1001}", "\\",
        ] {
            assert!(parse(pattern).is_err(), "{pattern}");
        }
    }
}
