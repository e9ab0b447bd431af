//! Rust literals as JSON.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Lit, Token, bracketed};

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

/// A literal as JSON; `None` for one without an equivalent.
fn literal(literal: &Lit) -> Option<String> {
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

/// A literal, or a list of literals in brackets, as JSON.
pub(crate) fn value(input: ParseStream<'_>) -> syn::Result<String> {
    if input.peek(syn::token::Bracket) {
        let inside;
        bracketed!(inside in input);
        let items = Punctuated::<Item, Token![,]>::parse_terminated(&inside)?;
        let items: Vec<String> = items.into_iter().map(|item| item.0).collect();
        return Ok(format!("[{}]", items.join(",")));
    }
    let sign = if input.parse::<Option<Token![-]>>()?.is_some() {
        "-"
    } else {
        ""
    };
    let written: Lit = input.parse()?;
    match literal(&written) {
        Some(text) => Ok(format!("{sign}{text}")),
        None => Err(syn::Error::new(
            written.span(),
            "expected a text, a number, true or false",
        )),
    }
}

struct Item(String);

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Item> {
        value(input).map(Item)
    }
}
