//! Changes of paths, in a rewrite and in a redirect: a whole path, a prefix, or an expression with its replacement.

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_routing::settings::RewriteSettings;
use lockgate_routing::{Match, PathChange, PathMatch, RegexChange, TemplateError};

use super::{matches, paths};

/// What is written of a change.
pub(super) struct Given {
    pub(super) path: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) regex: Option<String>,
    pub(super) to: Option<String>,
}

impl Given {
    pub(super) fn is_empty(&self) -> bool {
        self.path.is_none() && self.prefix.is_none() && self.regex.is_none() && self.to.is_none()
    }
}

/// Maximum bytes of a replacement.
const MAX_TO: usize = 4096;

/// A rewrite, which has one change.
pub(super) fn rewrite(
    raw: RewriteSettings,
    route: &Match,
    here: &Pointer,
    mistakes: &mut Mistakes,
) -> Option<PathChange> {
    let given = Given {
        path: raw.path,
        prefix: raw.prefix,
        regex: raw.regex,
        to: raw.to,
    };
    // It may be empty because a faulty member was skipped.
    if given.is_empty() && !mistakes.within(here) {
        let mistake = Mistake::new(here.clone(), "this rewrite changes nothing");
        mistakes.push(mistake.expected("one of \"path\", \"prefix\", and \"regex\" with \"to\""));
    }
    read(given, route, here, mistakes)
}

/// The change of a route with these conditions; none if there is none, or a mistake in it.
pub(super) fn read(given: Given, route: &Match, here: &Pointer, mistakes: &mut Mistakes) -> Option<PathChange> {
    let kinds = [
        ("path", given.path.is_some()),
        ("prefix", given.prefix.is_some()),
        ("regex", given.regex.is_some()),
    ];
    let mut kinds = kinds.into_iter().filter_map(|(key, is_given)| is_given.then_some(key));
    let kind = kinds.next();
    for other in kinds {
        let mistake = Mistake::new(
            here.key(other),
            format!("\"{other}\" excludes \"{}\"", kind.unwrap_or_default()),
        );
        mistakes.push(
            mistake
                .expected("one of \"path\", \"prefix\", and \"regex\" with \"to\"")
                .at_key(),
        );
    }
    if given.to.is_some() && given.regex.is_none() && !mistakes.within(&here.key("regex")) {
        let mistake = Mistake::new(here.key("to"), "\"to\" has no effect without \"regex\"").at_key();
        mistakes.push(mistake.expected("\"regex\": what \"to\" replaces"));
    }
    match kind? {
        "path" => {
            let path = mistakes.ok_or_record(paths::path(&given.path?, &here.key("path")))?;
            Some(PathChange::Full(path))
        }
        "prefix" => prefix(&given.prefix?, route, &here.key("prefix"), mistakes),
        _ => regex(&given.regex?, given.to, here, mistakes),
    }
}

fn prefix(text: &str, route: &Match, here: &Pointer, mistakes: &mut Mistakes) -> Option<PathChange> {
    if matches!(route.path, PathMatch::Exact(_) | PathMatch::Regex(_)) {
        mistakes.push(
            Mistake::new(here.clone(), "this route has no path prefix to replace")
                .expected("\"path_prefix\" in \"match\", or no condition on the path"),
        );
    }
    let prefix = mistakes.ok_or_record(paths::prefix(text, here))?;
    Some(PathChange::Prefix(prefix))
}

fn regex(text: &str, to: Option<String>, here: &Pointer, mistakes: &mut Mistakes) -> Option<PathChange> {
    let regex = mistakes.ok_or_record(matches::free_regex(text, &here.key("regex")));
    let Some(to) = to else {
        if !mistakes.within(&here.key("to")) {
            let mistake = Mistake::missing_key(here.clone(), "to");
            mistakes.push(mistake.expected("the replacement for what \"regex\" matches"));
        }
        return None;
    };
    let here = here.key("to");
    if to.len() > MAX_TO {
        mistakes.push(Mistake::invalid(here, format!("at most {MAX_TO} bytes")));
        return None;
    }
    let regex = regex?;
    // What begins with the path's beginning replaces the slash there, too.
    let begins = regex.as_str().starts_with("^/") && !to.starts_with(['/', '$']);
    if begins {
        let mistake = Mistake::invalid(here.clone(), "a path that starts with \"/\"");
        mistakes.push(mistake.hint(format!("write \"/{to}\"")));
        return None;
    }
    let change = RegexChange::new(regex, &to).map_err(|error| mistake(&error, here));
    mistakes
        .ok_or_record(change)
        .map(|change| PathChange::Regex(Box::new(change)))
}

/// A replacement that is wrong, with the way out.
fn mistake(error: &TemplateError, here: Pointer) -> Mistake {
    let mistake = Mistake::invalid(here, format!("a replacement in a path: {error}"));
    match error {
        TemplateError::UnknownGroup { meant, .. } => {
            mistake.optional_hint(meant.as_ref().map(|meant| format!("write \"{meant}\"")))
        }
        TemplateError::Dollar => mistake.hint("for a literal \"$\", write \"$$\""),
        TemplateError::Backslash => mistake.hint("write \"$1\" for the first group"),
        TemplateError::Character('?') => mistake.hint("the query is kept as it is; it cannot be rewritten"),
        TemplateError::Character(_) => mistake.hint("percent-encode it"),
        TemplateError::DotSegment => mistake.hint("remove it: request paths have none after they are normalised"),
    }
}
