//! The arguments of `#[plugin]`, and the manifest from them and the `impl` block: a constant, and in a module the
//! custom section with its JSON.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token, parenthesized};

use crate::json::{self, value};

/// The arguments of `#[plugin(…)]`.
#[derive(Default)]
struct Arguments {
    name: Option<LitStr>,
    version: Option<LitStr>,
    description: Option<LitStr>,
    /// As JSON.
    capabilities: Option<String>,
}

/// The manifest of the plugin that `item` implements, or a compile error.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = match syn::parse2::<Arguments>(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return error.into_compile_error(),
    };
    let tokens: Vec<TokenTree> = item.into_iter().collect();
    let position = |word: &str| tokens.iter().position(|token| is(token, word));
    // If it is not an `impl X for Y`, the other half of the macro reports it.
    let (Some(start), Some(middle), Some(TokenTree::Group(body))) = (position("impl"), position("for"), tokens.last())
    else {
        return TokenStream::new();
    };
    let interface: TokenStream = tokens[start + 1..middle].iter().cloned().collect();
    let plugin: TokenStream = tokens[middle + 1..tokens.len() - 1].iter().cloned().collect();
    let hooks = hooks(body.stream());
    let or_cargo = |given: &Option<LitStr>, variable: &str| match given {
        Some(given) => given.to_token_stream(),
        None => quote!(::core::env!(#variable)),
    };
    let name = or_cargo(&arguments.name, "CARGO_PKG_NAME");
    let version = or_cargo(&arguments.version, "CARGO_PKG_VERSION");
    let description = or_cargo(&arguments.description, "CARGO_PKG_DESCRIPTION");
    let capabilities = arguments.capabilities.unwrap_or_else(|| "{}".to_owned());
    quote! {
        impl ::lockgate_sdk::manifest::Described for #plugin {
            const MANIFEST: ::lockgate_sdk::manifest::Manifest = ::lockgate_sdk::manifest::Manifest {
                name: #name,
                version: #version,
                description: #description,
                hooks: &[#(#hooks),*],
                stateless: <#plugin as ::lockgate_sdk::guest::Hooks>::STATELESS,
                config: <<#plugin as #interface>::Config as ::lockgate_sdk::config::Config>::SCHEMA,
                capabilities: #capabilities,
            };
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const MANIFEST: ::lockgate_sdk::manifest::Manifest =
                <#plugin as ::lockgate_sdk::manifest::Described>::MANIFEST;
            // Not `#[used]`: that would add a second copy, in the guest's memory.
            #[allow(dead_code, reason = "hosts read it from the module")]
            #[unsafe(link_section = "lockgate.manifest")]
            static SECTION: [u8; MANIFEST.length()] = MANIFEST.text();
        };
    }
}

/// The names of the hooks in the block.
fn hooks(body: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let functions = tokens.windows(2).filter(|pair| is(&pair[0], "fn"));
    let names = functions.map(|pair| pair[1].to_string());
    names.filter(|name| name.starts_with("on_")).collect()
}

fn is(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Arguments> {
        let mut arguments = Arguments::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "capabilities" {
                let inside;
                parenthesized!(inside in input);
                arguments.capabilities = Some(object(&inside)?);
            } else {
                input.parse::<Token![=]>()?;
                let place = match key.to_string().as_str() {
                    "name" => &mut arguments.name,
                    "version" => &mut arguments.version,
                    "description" => &mut arguments.description,
                    _ => {
                        let message = "expected `name`, `version`, `description` or `capabilities`";
                        return Err(syn::Error::new(key.span(), message));
                    }
                };
                *place = Some(input.parse()?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

/// `name = value` or `name(…)`, separated by commas, as a JSON object.
fn object(input: ParseStream<'_>) -> syn::Result<String> {
    let mut members = Vec::new();
    while !input.is_empty() {
        let name: Ident = input.parse()?;
        let value = if input.peek(syn::token::Paren) {
            let inside;
            parenthesized!(inside in input);
            object(&inside)?
        } else {
            input.parse::<Token![=]>()?;
            value(input)?
        };
        members.push(format!("{}:{value}", json::quoted(&name.to_string())));
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(format!("{{{}}}", members.join(",")))
}
