//! The words of a script's line: what is handed to a call, and how its results are shown.

use std::collections::BTreeMap;

/// The variables of a stream: numbers that calls have given out.
pub(crate) type Variables = BTreeMap<String, i64>;

/// What a word puts into a call's arguments.
pub(crate) enum Word {
    /// A number.
    Number(i64),
    /// A pointer and a length.
    Bytes(Vec<u8>),
    /// An out-pointer for a number, or for bytes.
    Out(Out),
}

/// How a result is shown.
#[derive(Clone, PartialEq)]
pub(crate) enum Out {
    /// A u32, as it is.
    U32,
    /// A u64, as it is.
    U64,
    /// A u64 whose value differs from run to run: whether it is zero.
    Clock,
    /// A u32 that is kept as a variable: whether it is zero.
    Kept(String),
    /// Bytes, as text.
    Text,
    /// Bytes: how many.
    Length,
    /// Bytes: a header map, the pairs that belong to the test.
    Pairs,
}

/// Cuts a line into words; quotes and braces hold together what stands in them.
pub(crate) fn split(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut depth) = (None, false, 0_u32);
    for (at, letter) in line.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth = depth.saturating_sub(1),
            ' ' if !quoted && depth == 0 => {
                words.extend(start.take().map(|start| &line[start..at]));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    words.extend(start.map(|start| &line[start..]));
    words
}

impl Word {
    /// Reads a word; none if it means nothing.
    pub(crate) fn parse(word: &str, variables: &Variables) -> Option<Self> {
        let (first, rest) = (word.chars().next()?, word.get(1..)?);
        Some(match first {
            '\'' => {
                let (text, times) = rest.rsplit_once('\'')?;
                let times = times.strip_prefix('*').map_or(Some(1), |times| times.parse().ok())?;
                Self::Bytes(unescaped(text).repeat(times))
            }
            '{' => Self::Bytes(serialized(rest.strip_suffix('}')?)),
            '$' => Self::Number(*variables.get(rest).unwrap_or(&0)),
            '>' => Self::Out(match rest {
                "u32" => Out::U32,
                "u64" => Out::U64,
                "clock" => Out::Clock,
                "text" => Out::Text,
                "length" => Out::Length,
                "pairs" => Out::Pairs,
                name => Out::Kept(name.to_string()),
            }),
            _ => Self::Number(word.parse().ok()?),
        })
    }
}

/// `%41` is a byte by its number.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or(0) as u8;
        out.push(if byte == b'%' {
            digit(rest.next()) * 16 + digit(rest.next())
        } else {
            byte
        });
    }
    out
}

/// `NAME=VALUE,NAME=VALUE` as the ABI lays a header map out. No pairs are no bytes.
fn serialized(text: &str) -> Vec<u8> {
    let pairs: Vec<_> = text
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| [unescaped(name), unescaped(value)])
        .collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
    for part in pairs.iter().flatten() {
        out.extend((part.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flatten() {
        out.extend(part);
        out.push(0);
    }
    out
}

/// Bytes as they are shown: what is no plain text by its number, what is long cut short.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 64;
    let mut out = String::from("\"");
    for &byte in &bytes[..bytes.len().min(LONGEST)] {
        match byte {
            b' '..=b'~' if byte != b'%' && byte != b'"' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02x}")),
        }
    }
    out.push('"');
    if bytes.len() > LONGEST {
        out.push_str(&format!("... {} bytes", bytes.len()));
    }
    out
}

/// The pairs of a map that belong to the test, and the pseudo-headers, sorted by name.
pub(crate) fn told_pairs(map: &[u8]) -> String {
    let number = |at: usize| {
        map.get(at..at + 4).map_or(0, |bytes| {
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
        })
    };
    let count = if map.len() < 4 { 0 } else { number(0) };
    let mut at = 4 + 8 * count;
    let mut pairs = Vec::new();
    for pair in 0..count {
        let (name, value) = (number(4 + 8 * pair), number(8 + 8 * pair));
        let part = |from: usize, len: usize| map.get(from..from + len).unwrap_or_default();
        let (name_bytes, value_bytes) = (part(at, name), part(at + name + 1, value));
        at += name + value + 2;
        let name = String::from_utf8_lossy(name_bytes).into_owned();
        if name.starts_with("x-c-") || name.starts_with(':') {
            pairs.push((name, shown(value_bytes)));
        }
    }
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("[{}]", pairs.join(" "))
}
