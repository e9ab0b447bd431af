//! JSON as people write it: members in the order in which they were set, short values on one line.

/// Maximum length of a line that holds more than one value.
const MAX_LINE: usize = 120;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// An object, its members in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object(Vec<(String, Json)>);

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets a member; an earlier one of this name is replaced at its place.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<Json>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// As [`Object::set`], if there is a value.
    pub(crate) fn set_some(&mut self, name: &str, value: Option<impl Into<Json>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// As [`Object::set`], if the object or list has content.
    pub(crate) fn set_filled(&mut self, name: &str, value: impl Into<Json>) {
        let value = value.into();
        let is_empty = match &value {
            Json::List(items) => items.is_empty(),
            Json::Object(object) => object.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.set(name, value);
        }
    }

    /// Sets all members of another object.
    pub(crate) fn extend(&mut self, other: &Object) {
        for (name, value) in &other.0 {
            self.set(name.clone(), value.clone());
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether there was such a member.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| known != name);
        self.0.len() < before
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The text of a file.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        write(&Json::Object(self.clone()), 0, 0, &mut out);
        out.push('\n');
        out
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.to_string())
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Number(value.to_string())
    }
}

impl From<f64> for Json {
    /// Without a fraction where there is none. The value is finite.
    fn from(value: f64) -> Self {
        Self::Number(value.to_string())
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Object> for Json {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Writes a value that begins in `column` of a line with this indentation.
fn write(value: &Json, indent: usize, column: usize, out: &mut String) {
    let is_file = indent == 0;
    if let Some(line) = one_line(value)
        && !is_file
        && column + line.chars().count() < MAX_LINE
    {
        return out.push_str(&line);
    }
    let inner = indent + 2;
    let parts: Vec<(String, &Json)> = match value {
        Json::List(items) => items.iter().map(|item| (String::new(), item)).collect(),
        Json::Object(Object(members)) => {
            let named = members.iter();
            named
                .map(|(name, value)| (format!("{}: ", quoted(name, false)), value))
                .collect()
        }
        _ => return out.push_str(&one_line(value).unwrap_or_default()),
    };
    let (open, close) = if matches!(value, Json::List(_)) {
        ('[', ']')
    } else {
        ('{', '}')
    };
    out.push(open);
    for (index, (name, part)) in parts.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n(' ', inner));
        out.push_str(name);
        write(part, inner, inner + name.chars().count(), out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
}

/// A value without line ends. None: it is longer than a line.
fn one_line(value: &Json) -> Option<String> {
    let list = |parts: Vec<String>, open: &str, close: &str| match parts.is_empty() {
        true => format!("{open}{close}"),
        false => format!("{open} {} {close}", parts.join(", ")),
    };
    let line = match value {
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.clone(),
        Json::Text(text) => return Some(quoted(text, true)),
        Json::List(items) => list(items.iter().map(one_line).collect::<Option<_>>()?, "[", "]"),
        Json::Object(Object(members)) => {
            let member =
                |(name, value): &(String, Json)| Some(format!("{}: {}", quoted(name, false), one_line(value)?));
            list(members.iter().map(member).collect::<Option<_>>()?, "{", "}")
        }
    };
    (line.len() <= 4 * MAX_LINE).then_some(line)
}

/// A JSON string. In a value, `${` would be a substitution: it is written `$${`.
fn quoted(text: &str, is_value: bool) -> String {
    let text = if is_value {
        text.replace("${", "$${")
    } else {
        text.to_owned()
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_stand_on_a_line_and_long_ones_are_broken() {
        let short = Object::new().with("listen", "0.0.0.0:8080");
        let long = Object::new()
            .with("a", vec!["0123456789".repeat(6), "0123456789".repeat(6)])
            .with("b", 1.5);
        let file = Object::new()
            .with("listeners", Object::new().with("web", short))
            .with("long", long);
        let number = "0123456789".repeat(6);
        assert_eq!(
            file.to_text(),
            format!(
                "{{\n  \"listeners\": {{ \"web\": {{ \"listen\": \"0.0.0.0:8080\" }} }},\n  \"long\": {{\n    \"a\": [\n      \
                 \"{number}\",\n      \"{number}\"\n    ],\n    \"b\": 1.5\n  }}\n}}\n"
            )
        );
    }

    #[test]
    fn texts_are_escaped_and_no_value_is_a_substitution() {
        let text = "a\"b\\c\n\u{1}${env:HOME}ä";
        let written = quoted(text, true);
        assert_eq!(
            serde_json::from_str::<String>(&written).unwrap(),
            "a\"b\\c\n\u{1}$${env:HOME}ä"
        );
        assert_eq!(Json::from(100.0), Json::Number("100".into()));
    }
}
