//! The attribute `#[plugin]`: turns an `impl Plugin for X` into the exports of a proxy-wasm module.
//!
//! It looks at the names and parameters of the hooks in the `impl` block and at nothing else, so that it needs no
//! parser. [`members`] takes the block apart, [`hooks`] knows the hooks, [`expand`] writes what comes of them.

mod expand;
mod hooks;
mod members;

use proc_macro::{Span, TokenStream, TokenTree};

/// Makes a module of an `impl Plugin for X` (or `impl TcpPlugin for X`). A module has one plugin.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        return error(Span::call_site(), "#[plugin] takes no arguments");
    }
    match members::Block::read(item).and_then(|block| expand::expand(&block)) {
        Ok(output) => output,
        Err((place, message)) => error(place, &message),
    }
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
