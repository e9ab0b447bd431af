//! Texts and literals of Rust as JSON.

use syn::Lit;

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A literal as JSON; none for one that JSON does not know.
pub(crate) fn literal(literal: &Lit) -> Option<String> {
    match literal {
        Lit::Str(text) => Some(quoted(&text.value())),
        Lit::Int(number) => Some(number.base10_digits().to_owned()),
        Lit::Float(number) => {
            let digits = number.base10_digits();
            Some(if digits.ends_with('.') {
                format!("{digits}0")
            } else {
                digits.to_owned()
            })
        }
        Lit::Bool(value) => Some(value.value.to_string()),
        _ => None,
    }
}
