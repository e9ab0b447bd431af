//! The names of fields and variants in JSON.

use syn::{Ident, LitStr};

/// A naming convention, as in serde's `rename_all`.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    /// The convention of this name.
    pub(crate) fn parse(name: &LitStr) -> syn::Result<Case> {
        Ok(match name.value().as_str() {
            "lowercase" => Case::Lower,
            "UPPERCASE" => Case::Upper,
            "PascalCase" => Case::Pascal,
            "camelCase" => Case::Camel,
            "snake_case" => Case::Snake,
            "SCREAMING_SNAKE_CASE" => Case::ScreamingSnake,
            "kebab-case" => Case::Kebab,
            "SCREAMING-KEBAB-CASE" => Case::ScreamingKebab,
            _ => {
                let message = "expected lowercase, UPPERCASE, PascalCase, camelCase, snake_case, SCREAMING_SNAKE_CASE, \
                               kebab-case or SCREAMING-KEBAB-CASE";
                return Err(syn::Error::new(name.span(), message));
            }
        })
    }

    fn join(self, values: &[String]) -> String {
        let capital = |word: &String| {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect::<String>()
        };
        match self {
            Case::Lower => values.concat(),
            Case::Upper => values.concat().to_uppercase(),
            Case::Pascal => values.iter().map(capital).collect(),
            Case::Camel => values[..1].concat() + &values[1..].iter().map(capital).collect::<String>(),
            Case::Snake => values.join("_"),
            Case::ScreamingSnake => values.join("_").to_uppercase(),
            Case::Kebab => values.join("-"),
            Case::ScreamingKebab => values.join("-").to_uppercase(),
        }
    }
}

/// The name of a field in JSON, after `rename` or `rename_all`.
pub(crate) fn field(ident: &Ident, rename: Option<&LitStr>, case: Option<Case>) -> String {
    let name = ident.to_string();
    let name = name.strip_prefix("r#").unwrap_or(&name);
    let values: Vec<String> = name
        .split('_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    renamed(name, &values, rename, case)
}

/// The name of a variant in JSON, after `rename` or `rename_all`.
pub(crate) fn variant(ident: &Ident, rename: Option<&LitStr>, case: Option<Case>) -> String {
    let name = ident.to_string();
    let mut values: Vec<String> = Vec::new();
    for character in name.chars() {
        match values.last_mut() {
            Some(word) if !character.is_uppercase() => word.push(character),
            _ => values.push(character.to_lowercase().collect()),
        }
    }
    renamed(&name, &values, rename, case)
}

fn renamed(name: &str, values: &[String], rename: Option<&LitStr>, case: Option<Case>) -> String {
    match (rename, case) {
        (Some(rename), _) => rename.value(),
        (None, Some(case)) if !values.is_empty() => case.join(values),
        _ => name.to_owned(),
    }
}
