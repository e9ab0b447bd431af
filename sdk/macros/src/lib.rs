//! The attribute `#[plugin]`: turns an `impl Plugin for X` into the exports of a proxy-wasm module.
//!
//! It looks at the names in the `impl` block and at nothing else, so that it needs no parser: each hook that is
//! written gets its export, and `Config` and `State` get their defaults when they are left out.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// A hook, the export that it stands for, its parameters, and the call that the export makes.
struct Hook {
    name: &'static str,
    export: &'static str,
    call: &'static str,
}

const HOOKS: [Hook; 8] = [
    Hook {
        name: "on_request",
        export: "proxy_on_request_headers(id: u32, _headers: usize, end: u32) -> u32",
        call: "request_headers(id, end)",
    },
    Hook {
        name: "on_request_body",
        export: "proxy_on_request_body(id: u32, size: usize, end: u32) -> u32",
        call: "request_body(id, size, end)",
    },
    Hook {
        name: "on_request_trailers",
        export: "proxy_on_request_trailers(id: u32, _trailers: usize) -> u32",
        call: "request_trailers(id)",
    },
    Hook {
        name: "on_response",
        export: "proxy_on_response_headers(id: u32, _headers: usize, end: u32) -> u32",
        call: "response_headers(id, end)",
    },
    Hook {
        name: "on_response_body",
        export: "proxy_on_response_body(id: u32, size: usize, end: u32) -> u32",
        call: "response_body(id, size, end)",
    },
    Hook {
        name: "on_response_trailers",
        export: "proxy_on_response_trailers(id: u32, _trailers: usize) -> u32",
        call: "response_trailers(id)",
    },
    Hook {
        name: "on_log",
        export: "proxy_on_log(id: u32)",
        call: "log(id)",
    },
    Hook {
        name: "on_tick",
        export: "proxy_on_tick(id: u32)",
        call: "tick(id)",
    },
];

/// What every module exports besides its hooks. None of them is called for a hook that is not there.
const ALWAYS: [(&str, &str); 4] = [
    ("proxy_on_context_create(id: u32, parent: u32)", "create(id, parent)"),
    (
        "proxy_on_configure(id: u32, size: usize) -> u32",
        "configure(id, size) as u32",
    ),
    ("proxy_on_delete(id: u32)", "delete(id)"),
    (
        "proxy_on_http_call_response(_id: u32, call: u32, headers: usize, body: usize, _trailers: usize)",
        "call_answered(call, headers, body)",
    ),
];

/// Makes a module of an `impl Plugin for X`. A module has one plugin.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        return error("#[plugin] takes no arguments");
    }
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let Some(TokenTree::Group(body)) = tokens.pop() else {
        return error("#[plugin] stands before `impl Plugin for X { … }`");
    };
    let Some(target) = tokens.iter().position(|token| is(token, "for")) else {
        return error("#[plugin] stands before `impl Plugin for X { … }`");
    };
    let plugin: TokenStream = tokens[target + 1..].iter().cloned().collect();
    let (functions, types) = (names_after(&body, "fn"), names_after(&body, "type"));

    let mut members = body.stream();
    for (name, default) in [("Config", "::lockgate_sdk::NoConfig"), ("State", "()")] {
        if !types.iter().any(|known| known == name) {
            members.extend(tokenize(&format!("type {name} = {default};")));
        }
    }
    tokens.push(TokenTree::Group(Group::new(Delimiter::Brace, members)));

    // A hook may return any kind of flow; that it says which one is no fault.
    let lint = r#"#[allow(refining_impl_trait, reason = "a hook says which kind of flow it returns")]"#;
    let mut output = tokenize(lint);
    output.extend(tokens);
    output.extend(tokenize(&exports(&plugin.to_string(), &functions)));
    output.extend(tokenize(&uses(&plugin.to_string(), &functions)));
    output
}

/// What uses the plugin in builds without exports, so that the compiler does not take it for dead.
fn uses(plugin: &str, functions: &[String]) -> String {
    let uses = functions
        .iter()
        .map(|function| format!("let _ = <{plugin} as ::lockgate_sdk::Plugin>::{function};"));
    format!(
        "#[cfg(not(target_arch = \"wasm32\"))] const _: () = {{ {} }};",
        uses.collect::<String>()
    )
}

/// The exports, in a scope of their own.
fn exports(plugin: &str, functions: &[String]) -> String {
    let hooks = HOOKS
        .iter()
        .filter(|hook| functions.iter().any(|function| function == hook.name));
    let exports = ALWAYS.into_iter().chain(hooks.map(|hook| (hook.export, hook.call)));
    let mut text = format!(
        "#[cfg(target_arch = \"wasm32\")] const _: () = {{
            ::std::thread_local! {{
                static GUEST: ::lockgate_sdk::guest::Guest<{plugin}> =
                    const {{ ::lockgate_sdk::guest::Guest::new() }};
            }}"
    );
    for (signature, call) in exports {
        text += &format!("#[unsafe(no_mangle)] extern \"C\" fn {signature} {{ GUEST.with(|guest| guest.{call}) }}");
    }
    text + "};"
}

/// The names that follow a keyword in the block itself, not in the blocks inside it.
fn names_after(body: &Group, keyword: &str) -> Vec<String> {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let pairs = tokens.windows(2).filter(|pair| is(&pair[0], keyword));
    pairs.map(|pair| pair[1].to_string()).collect()
}

fn is(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn tokenize(text: &str) -> TokenStream {
    text.parse()
        .expect("the text is written above, and parses for every type name")
}

fn error(message: &str) -> TokenStream {
    tokenize(&format!("::core::compile_error!({message:?});"))
}
