//! The contexts and their notes.

use crate::imports;
use crate::script::{self, Script};
use crate::words::Variables;
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
struct Context {
    parent: u32,
    token: String,
    script: Script,
    /// How often each callback was called.
    counts: BTreeMap<&'static str, u32>,
    variables: Variables,
    /// The bodies that came by: how much, and whether their end was shown.
    flows: [(u32, bool); 2],
}

thread_local! {
    static CONTEXTS: RefCell<BTreeMap<u32, Context>> = const { RefCell::new(BTreeMap::new()) };
    /// Which context began a callout.
    static CALLS: RefCell<BTreeMap<u32, u32>> = const { RefCell::new(BTreeMap::new()) };
    static NOTES: RefCell<BTreeMap<String, Vec<String>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The answer of a callback whose script says nothing.
pub(crate) const CONTINUE: i32 = 0;

fn note(token: &str, line: String) {
    NOTES.with_borrow_mut(|notes| notes.entry(token.to_string()).or_default().push(line));
}

/// A context appears. A root context, whose parent is 0, has its script in the configuration, which comes later.
pub(crate) fn create(id: u32, parent: u32) {
    let mut context = Context {
        parent,
        ..Context::default()
    };
    context.variables.extend([
        ("own".to_string(), i64::from(id)),
        ("root".to_string(), i64::from(parent)),
    ]);
    if parent == 0 {
        context.token = "root".to_string();
    }
    CONTEXTS.with_borrow_mut(|contexts| contexts.insert(id, context));
}

/// Gives a context its script.
pub(crate) fn assign(id: u32, token: &str, script: &str) {
    CONTEXTS.with_borrow_mut(|contexts| {
        if let Some(context) = contexts.get_mut(&id) {
            context.token = token.to_string();
            context.script = Script::parse(script);
        }
    });
}

/// The contexts whose script has a section for a callback that is not a stream's own.
pub(crate) fn waiting(callback: &'static str) -> Vec<u32> {
    CONTEXTS.with_borrow(|contexts| {
        let waits = |context: &Context| {
            let nth = context.counts.get(callback).unwrap_or(&0) + 1;
            context.script.lines(callback, nth, true).is_some()
        };
        contexts
            .iter()
            .filter(|(_, context)| waits(context))
            .map(|(id, _)| *id)
            .collect()
    })
}

/// The context that began a callout.
pub(crate) fn caller(call: u32) -> Option<u32> {
    CALLS.with_borrow(|calls| calls.get(&call).copied())
}

/// How a callback is shown.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Telling {
    /// Always, with what it was called with.
    Always,
    /// Only if the script has a section for it.
    Scripted,
    /// Not at all: only what its lines answer.
    Never,
}

/// Runs a callback: notes that it was called and does what the script says. Answers what the script wants returned.
pub(crate) fn run(id: u32, callback: &'static str, end: bool, telling: Telling, arguments: &str) -> Option<i32> {
    let taken = CONTEXTS.with_borrow_mut(|contexts| {
        let context = contexts.get_mut(&id).filter(|context| !context.token.is_empty())?;
        let count = context.counts.entry(callback).or_default();
        *count += 1;
        let lines = context.script.lines(callback, *count, end);
        Some((context.token.clone(), lines, std::mem::take(&mut context.variables)))
    });
    let (token, lines, mut variables) = taken?;
    if telling == Telling::Always || telling == Telling::Scripted && lines.is_some() {
        note(&token, format!("{callback}.called = {arguments}"));
    }
    let ran = script::run(&lines.unwrap_or_default(), &mut variables);
    for line in ran.notes {
        note(&token, format!("{callback}.{line}"));
    }
    CALLS.with_borrow_mut(|calls| calls.extend(ran.calls.iter().map(|call| (*call as u32, id))));
    CONTEXTS.with_borrow_mut(|contexts| {
        if let Some(context) = contexts.get_mut(&id) {
            context.variables = variables;
        }
    });
    ran.returns
}

/// A body callback. Into how many pieces a host cuts a body is its own affair: how much came is shown only while all of it is held.
pub(crate) fn run_body(id: u32, direction: usize, size: u32, end: bool) -> i32 {
    let callback = ["request_body", "response_body"][direction];
    let gone = CONTEXTS.with_borrow(|contexts| contexts.get(&id).map_or(0, |context| context.flows[direction].0));
    let shown = if gone == 0 {
        format!("{size} bytes, end true")
    } else {
        "the last of them, end true".to_string()
    };
    let telling = if end { Telling::Scripted } else { Telling::Never };
    let action = run(id, callback, end, telling, &shown).unwrap_or(CONTINUE);
    CONTEXTS.with_borrow_mut(|contexts| {
        if let Some(context) = contexts.get_mut(&id) {
            let flow = &mut context.flows[direction];
            // What was paused comes again, together with what follows.
            flow.0 += if action == CONTINUE { size } else { 0 };
            flow.1 |= end;
        }
    });
    action
}

/// How much of the bodies came by.
pub(crate) fn flows(id: u32) -> String {
    let flows = CONTEXTS.with_borrow(|contexts| contexts.get(&id).map(|context| context.flows).unwrap_or_default());
    let shown = flows.map(|(bytes, end)| format!("{bytes} bytes, end {end}"));
    format!("request {}; response {}", shown[0], shown[1])
}

/// Runs a callback that the host makes on the root context, on behalf of a context of the guest's own choice.
pub(crate) fn run_for(id: u32, callback: &'static str, arguments: &str) {
    let _ = imports::call("proxy_set_effective_context", &[i64::from(id)]);
    run(id, callback, true, Telling::Always, arguments);
}

/// A context's parent; 0 for a root.
pub(crate) fn parent(id: u32) -> u32 {
    CONTEXTS.with_borrow(|contexts| contexts.get(&id).map_or(0, |context| context.parent))
}

/// The notes under a token.
pub(crate) fn report(token: &str) -> String {
    NOTES.with_borrow(|notes| notes.get(token).map(|lines| lines.join("\n")).unwrap_or_default())
}
