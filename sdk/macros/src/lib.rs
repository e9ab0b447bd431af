//! The attribute `#[plugin]`: turns an `impl Plugin for X` into the exports of a proxy-wasm module, and the derive
//! `Config`.
//!
//! The attribute looks at the names and parameters of the hooks in the `impl` block and at nothing else, so that it needs no
//! parser. [`members`] takes the block apart, [`hooks`] knows the hooks, [`expand`] writes what comes of them,
//! [`manifest`] what is told about them.

mod config;
mod expand;
mod hooks;
mod json;
mod manifest;
mod members;

use proc_macro::{Span, TokenStream, TokenTree};

/// Makes a module of an `impl Plugin for X` (or `impl TcpPlugin for X`). A module has one plugin.
///
/// What the plugin is goes to the module's manifest, the custom section `lockgate.manifest`: its name, version and
/// description (Cargo's, if nothing else is said), its hooks, the schema of its configuration, and the capabilities that
/// it needs, written like the plugin setting `capabilities`:
///
/// ```ignore
/// #[plugin(name = "tokens", capabilities(upstreams = ["issuer"], headers = ["authorization", "x-*"]))]
/// impl Plugin for Tokens { /* … */ }
/// ```
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let manifest = manifest::expand(arguments.into(), item.clone().into());
    match members::Block::read(item).and_then(|block| expand::expand(&block)) {
        Ok(mut output) => {
            output.extend(TokenStream::from(manifest));
            output
        }
        Err((place, message)) => error(place, &message),
    }
}

/// Makes a type readable from a configuration, and makes its JSON Schema at compile time.
///
/// Structs with named fields, structs of one field (they are that field), and enums: of names alone, with data
/// (`{ "variant": … }`), with `tag = "kind"` inside of the object, or `untagged`. Doc comments are the descriptions. Keys
/// that are not known are refused. An `Option` may be left out; anything else may be if it has a default.
///
/// On the type: `#[config(rename_all = "snake_case")]`, `tag = "…"`, `untagged`, `default` (from `Default`),
/// `deny_unknown_fields` (what happens anyway), `allow_unknown_fields`.
///
/// On a variant: `#[config(rename = "…")]`.
///
/// On a field: `#[config(rename = "…")]`; `default` (from `Default`), `default = 5` or `"5s"` (as it would be written),
/// `default = make` (a function); `min`, `max` (a number, or a text such as `"1s"` for periods and sizes); `min_length`,
/// `max_length` (of a text, a list, a map); `pattern = "…"`; `format = "…"`; `secret` (no message shows
/// it, editors hide it); `check = function` (`fn(&T) -> Result<(), String>`); `title`, `example`, `deprecated`, `skip`;
/// `schema = "…"` (JSON Schema in place of the type's own).
///
/// `#[serde(…)]` is read, too, where it means the same, so that a type may be `Deserialize` as well.
#[proc_macro_derive(Config, attributes(config, serde))]
pub fn derive_config(item: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(item as syn::DeriveInput);
    config::expand(&input)
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

/// A fault in what the author wrote, and where.
type Fault = (Span, String);

fn tokenize(text: &str) -> TokenStream {
    text.parse()
        .expect("the text is written in this crate, and parses for every type name")
}

/// Gives generated tokens the place of what they were generated for, so that a type error points there.
fn located(tokens: TokenStream, place: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &token {
                let mut inner = proc_macro::Group::new(group.delimiter(), located(group.stream(), place));
                inner.set_span(Span::call_site().located_at(place));
                return TokenTree::Group(inner);
            }
            token.set_span(Span::call_site().located_at(place));
            token
        })
        .collect()
}

fn error(place: Span, message: &str) -> TokenStream {
    located(tokenize(&format!("::core::compile_error!({message:?});")), place)
}
