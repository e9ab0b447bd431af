//! The expansion of an `impl Plugin for X`: the implementation without its hooks, the hooks as functions of `X`, the
//! implementation of the hidden trait `Hooks`, which calls them with their parameters, and the module's exports.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

use crate::hooks::{EXPORTS, Hook, Written};
use crate::members::{Block, Function, Kind, Parameter};
use crate::{Fault, located, tokenize};

pub(crate) fn expand(block: &Block) -> Result<TokenStream, Fault> {
    let mut others = TokenStream::new();
    let mut hooks = TokenStream::new();
    let mut glue = TokenStream::new();
    let mut written = Vec::new();
    for member in &block.members {
        match &member.kind {
            Kind::Function(function) if function.name != "new" => {
                glue.extend(located(tokenize(&glue_of(block, function)?), function.place));
                hooks.extend(member.tokens.clone());
                written.push(function);
            }
            _ => others.extend(member.tokens.clone()),
        }
    }
    let has_config = block.has_type("Config");
    for (name, default) in [("Config", "::lockgate_sdk::NoConfig"), ("State", "()")] {
        if !block.has_type(name) {
            others.extend(tokenize(&format!("type {name} = {default};")));
        }
    }
    let written = Written(written);
    let mut output = block.head.clone();
    output.extend([braces(others)]);
    // The SDK defines the parameter types of hooks, so that the author cannot follow lints about them.
    output.extend(tokenize(
        "#[allow(clippy::ptr_arg, reason = \"the SDK defines the parameters of hooks\")] impl",
    ));
    output.extend(block.target.clone());
    output.extend([braces(hooks)]);
    glue.extend(tokenize(&constants(block, &written, has_config)));
    if block.interface == "TcpPlugin" {
        output.extend(tokenize("impl ::lockgate_sdk::Plugin for"));
        output.extend(block.target.clone());
        output.extend(tokenize(AS_PLUGIN));
    }
    output.extend(tokenize("impl ::lockgate_sdk::guest::Hooks for"));
    output.extend(block.target.clone());
    output.extend([braces(glue)]);
    output.extend(tokenize(&exports(&block.target.to_string(), &written)));
    Ok(output)
}

/// A `TcpPlugin` implements `Plugin`, too, which the rest of the SDK requires.
const AS_PLUGIN: &str = "{
    type Config = <Self as ::lockgate_sdk::TcpPlugin>::Config;
    type State = <Self as ::lockgate_sdk::TcpPlugin>::State;
    fn new(config: Self::Config) -> ::core::result::Result<Self, ::lockgate_sdk::ConfigError> {
        <Self as ::lockgate_sdk::TcpPlugin>::new(config)
    }
}";

fn braces(inner: TokenStream) -> TokenTree {
    TokenTree::Group(Group::new(Delimiter::Brace, inner))
}

/// The constants of `Hooks`, and the function that reads the configuration.
fn constants(block: &Block, written: &Written<'_>, has_config: bool) -> String {
    let names: String = written.0.iter().map(|hook| format!("{:?},", hook.name)).collect();
    let read = if has_config { "read" } else { "none" };
    format!(
        "const WAITS: bool = {};
        const STATELESS: bool = {};
        const TCP: bool = {};
        const ENDS: bool = {};
        const NAMES: &'static [&'static str] = &[{names}];
        fn config(size: usize) -> ::core::result::Result<<Self as ::lockgate_sdk::Plugin>::Config, ::lockgate_sdk::ConfigError> {{
            ::lockgate_sdk::guest::config::{read}(size)
        }}",
        written.waits(),
        !(written.waits() || written.takes_state() || block.has_type("State")),
        block.interface == "TcpPlugin",
        written.ends()
    )
}

/// The function of `Hooks` that calls one hook.
fn glue_of(block: &Block, function: &Function) -> Result<String, Fault> {
    let fault = |message: String| (function.place, message);
    let name = &function.name;
    let Some(hook) = Hook::find(&block.interface, name) else {
        let known = Hook::names(&block.interface);
        let advice = "put other functions into a separate `impl`";
        return Err(fault(format!(
            "`{name}` is not a hook of {}. The hooks are {known}; {advice}",
            block.interface
        )));
    };
    if function.is_async && !hook.may_wait {
        return Err(fault(format!(
            "`{name}` cannot be `async`: only `on_request`, `on_response`, `on_tick` and `on_done` can"
        )));
    }
    if let Some(order) = out_of_order(hook, function) {
        return Err(fault(order));
    }
    let has = |parameter| function.parameters.contains(&parameter);
    if has(Parameter::Body) && !function.is_async {
        return Err(fault(format!(
            "`{name}` takes `body`, and so must be `async`; without waiting, use `{name}_body`"
        )));
    }
    let body = match (hook.glue, function.is_async) {
        ("tick", true) => "guest.background(id, \"on_tick\", |plugin| async move {
            ::lockgate_sdk::IntoFlow::into_flow(<Self>::on_tick(&plugin).await)
        })"
        .to_owned(),
        ("done", true) => "guest.background(id, \"on_done\", |plugin| async move {
            ::lockgate_sdk::IntoFlow::into_flow(<Self>::on_done(&plugin).await)
        })"
        .to_owned(),
        ("done", false) => call_once(hook, "", "finish", "|plugin|", "plugin"),
        ("tick", false) => call_once(hook, "", "stateless", "|plugin|", "plugin"),
        ("queue", _) => call_once(
            hook,
            "",
            "stateless",
            "|plugin|",
            if has(Parameter::Queue) {
                "plugin, ::lockgate_sdk::Queue::from_host(queue)"
            } else {
                "plugin"
            },
        ),
        (_, false) => called(hook, function),
        (_, true) => waiting_hook(hook, function),
    };
    let result = if matches!(
        hook.glue,
        "log" | "tick" | "done" | "queue" | "downstream_closed" | "upstream_closed"
    ) {
        ("", ";")
    } else {
        ("-> u32", "")
    };
    Ok(format!(
        "#[allow(unused_variables, reason = \"a hook may omit parameters\")]
        fn {}(guest: &::lockgate_sdk::guest::Guest<Self>, {}) {} {{ {body}{} }}",
        hook.glue, hook.glue_takes, result.0, result.1
    ))
}

/// The message about a hook's parameters; `None` if they are right.
fn out_of_order(hook: &Hook, function: &Function) -> Option<String> {
    let mut rest = hook.takes.iter();
    let fits = function
        .parameters
        .iter()
        .all(|parameter| rest.any(|known| known == parameter));
    let words: Vec<_> = hook.takes.iter().map(|parameter| word(*parameter)).collect();
    let all = words.join(", ");
    (!fits).then(|| {
        format!(
            "`{}` takes `&self, {all}` in this order; parameters may be omitted",
            hook.name
        )
    })
}

fn word(parameter: Parameter) -> &'static str {
    match parameter {
        Parameter::Request => "request: &mut Request",
        Parameter::Response => "response: &mut Response",
        Parameter::Body => "body: &mut Body",
        Parameter::Chunk => "chunk: &mut Chunk",
        Parameter::Queue => "queue: Queue",
        Parameter::Peer => "peer: Peer",
        Parameter::State => "state: &mut State",
    }
}

/// The call of a hook that does not wait.
fn called(hook: &Hook, function: &Function) -> String {
    let end = if hook.glue_takes.contains("end") { "end" } else { "true" };
    let mut arguments = "plugin".to_owned();
    for parameter in &function.parameters {
        arguments += &match parameter {
            Parameter::Request => format!(", &mut ::lockgate_sdk::Request::from_host({end})"),
            Parameter::Response => format!(", &mut ::lockgate_sdk::Response::from_host({end})"),
            Parameter::Chunk => format!(
                ", &mut ::lockgate_sdk::Chunk::from_host(::lockgate_sdk::guest::Direction::{}, size, end)",
                hook.direction
            ),
            Parameter::Peer => ", ::lockgate_sdk::Peer::from_host(peer)".to_owned(),
            Parameter::State => ", state".to_owned(),
            Parameter::Body | Parameter::Queue => String::new(),
        };
    }
    let deferred = match (hook.takes.first(), hook.glue) {
        (Some(Parameter::Chunk), _) => "Chunk(size, end)",
        (_, "request_trailers" | "response_trailers") => "Trailers",
        (_, "request_headers" | "response_headers") => "Headers(end)",
        _ => "No",
    };
    let (direction, path) = (hook.direction, "::lockgate_sdk::guest");
    let direction = format!("{path}::Direction::{direction}, {path}::Deferred::{deferred}, ");
    if function.parameters.contains(&Parameter::State) {
        call_once(hook, &direction, "with_state", "move |plugin, state|", &arguments)
    } else {
        call_once(hook, "", "stateless", "|plugin|", &arguments)
    }
}

fn call_once(hook: &Hook, direction: &str, runner: &str, closure: &str, arguments: &str) -> String {
    format!(
        "guest.{runner}(id, {direction}{:?}, {closure} ::lockgate_sdk::IntoFlow::into_flow(<Self>::{}({arguments})))",
        hook.name, hook.name
    )
}

/// The call of a hook that waits: a future that owns everything that the hook borrows.
fn waiting_hook(hook: &Hook, function: &Function) -> String {
    let has = |parameter| function.parameters.contains(&parameter);
    let (mut owned, mut arguments) = (String::new(), "&plugin".to_owned());
    if has(Parameter::State) {
        owned += "let mut state = state.await;";
    }
    for (parameter, name, kind) in [
        (Parameter::Request, "request", "Request"),
        (Parameter::Response, "response", "Response"),
        (Parameter::Body, "body", "Body"),
    ] {
        if has(parameter) {
            owned += &format!("let mut {name} = ::lockgate_sdk::{kind}::of_stream(&message);");
            arguments += &format!(", &mut {name}");
        }
    }
    let (runner, closure) = if has(Parameter::State) {
        arguments += ", &mut state";
        ("task_with_state", "|plugin, message, state|")
    } else {
        ("task", "|plugin, message|")
    };
    format!(
        "guest.{runner}(id, ::lockgate_sdk::guest::Direction::{}, {:?}, end, {closure} async move {{
            {owned}
            ::lockgate_sdk::IntoFlow::into_flow(<Self>::{}({arguments}).await)
        }})",
        hook.direction, hook.name, hook.name
    )
}

/// The exports, in a scope of their own.
fn exports(plugin: &str, written: &Written<'_>) -> String {
    let mut text = format!(
        "const _: () = {{
            use ::lockgate_sdk::guest::Hooks as _;
            type LockgatePlugin = {plugin};
            ::std::thread_local! {{
                static GUEST: ::lockgate_sdk::guest::Guest<LockgatePlugin> = const {{ ::lockgate_sdk::guest::Guest::new() }};
            }}"
    );
    for export in EXPORTS.iter().filter(|export| export.is_needed(written)) {
        let (signature, call) = (export.signature, export.call.replace("P::", "LockgatePlugin::"));
        // In native builds nothing calls it, but it uses the plugin's code, which is then no dead code.
        text += &format!(
            "#[cfg_attr(target_arch = \"wasm32\", unsafe(no_mangle))]
             #[allow(dead_code, reason = \"called by the host\")]
             extern \"C\" fn {signature} {{ GUEST.with(|guest| {call}) }}"
        );
    }
    text + "};"
}
