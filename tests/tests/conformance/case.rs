//! One request to one guest, and the files that most of them come from.

use crate::crate_cases;
use crate::upstreams::TRAILERS;
use lockgate_tests::http::{Request, request};
use lockgate_tests::modules::{built, root};
use std::fs;
use std::time::Duration;

/// The guest whose cases are its own functions.
pub(crate) const CRATE: &str = "conformance";

/// The guests that need npm, which not every machine can reach.
pub(crate) const FROM_NPM: [&str; 2] = ["assemblyscript", "proxy-runtime"];

/// How the names of guests begin that are written by hand. They keep no notes: what they saw is in the answer.
pub(crate) const BY_HAND: &str = "wat-";

/// Whether a guest has been built.
pub(crate) fn is_built(guest: &str) -> bool {
    built("LOCKGATE_GUESTS", "guests")
        .join(format!("{guest}.wasm"))
        .exists()
}

/// One case in one guest.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// What it is for, in a sentence.
    pub(crate) what: String,
    /// The guest's name, which is also that of its plugin.
    pub(crate) guest: String,
    pub(crate) request: Request,
    /// How long to wait before the guest is asked what it saw.
    pub(crate) settle: Duration,
    /// What the guest tells after the end of the stream, if it tells it: that is waited for.
    pub(crate) until: Option<String>,
    /// When the request's body is sent.
    pub(crate) body: BodyComes,
}

/// When a request's body is sent.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum BodyComes {
    /// With the head.
    #[default]
    AtOnce,
    /// When the upstream has the head.
    BehindTheHead,
}

impl Case {
    /// The host name by which requests find the guest.
    pub(crate) fn host(&self) -> String {
        host(&self.guest)
    }

    /// The case and its guest.
    pub(crate) fn run_name(&self) -> String {
        format!("{} ({})", self.name, self.guest)
    }
}

/// The host name that leads to a guest.
pub(crate) fn host(guest: &str) -> String {
    if guest == CRATE {
        "gateway.test".to_string()
    } else {
        format!("{guest}.test")
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let folder = root().join("tests/tests/conformance/cases");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of the cases is there")
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    files.sort();
    let scripted = files.iter().flat_map(|file| {
        let text = fs::read_to_string(file).expect("a file of cases is readable");
        parsed(&text).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display()))
    });
    let mut cases: Vec<_> = crate_cases::all().into_iter().chain(scripted).collect();
    for guest in FROM_NPM.into_iter().filter(|guest| !is_built(guest)) {
        eprintln!("\n########## {guest} IS NOT BUILT (no npm?): its cases are SKIPPED ##########\n");
        cases.retain(|case| case.guest != guest);
    }
    cases
}

/// Reads a file of cases, which are parted by empty lines:
///
/// ```text
/// [NAME] GUEST GUEST
/// What it is for.
/// > GET /path            the request: GET / if there is none; then its headers, and its body as one of
/// > x-c-one: 1
/// > | text               with a length
/// > + text               a chunk
/// > - name: value        a trailer
/// settle 100             milliseconds to wait before the guest is asked
/// until LINE             what is told after the end of the stream, by one host at least: it is waited for
/// body behind the head   the body is sent when the upstream has the head
/// @request_headers       the script
/// get_header_map_value 0 'x-c-one' >text
/// ```
fn parsed(text: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    let parts = text.split("\n\n").map(str::trim).filter(|part| part.starts_with('['));
    for part in parts {
        let mut lines = part.lines();
        let head = lines.next().unwrap_or_default();
        let (name, guests) = head
            .strip_prefix('[')
            .and_then(|head| head.split_once(']'))
            .ok_or_else(|| format!("no [NAME] in {head}"))?;
        let mut draft = Draft::default();
        lines.try_for_each(|line| draft.take(line).ok_or_else(|| format!("{name}: {line}")))?;
        for guest in guests.split_whitespace() {
            cases.push(draft.case(name, guest));
        }
    }
    Ok(cases)
}

#[derive(Default)]
struct Draft {
    what: String,
    start: Option<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    chunks: Vec<String>,
    trailers: Vec<(String, String)>,
    settle: u64,
    until: Option<String>,
    comes: BodyComes,
    script: Vec<String>,
}

impl Draft {
    fn take(&mut self, line: &str) -> Option<()> {
        let field = |text: &str| {
            let (name, value) = text.split_once(':')?;
            Some((name.trim().to_string(), repeated(value.trim())))
        };
        if let Some(rest) = line.strip_prefix("> ") {
            if let Some(text) = rest.strip_prefix("| ") {
                self.body = Some(repeated(text));
            } else if let Some(text) = rest.strip_prefix("+ ") {
                self.chunks.push(repeated(text));
            } else if let Some(text) = rest.strip_prefix("- ") {
                self.trailers.push(field(text)?);
            } else if self.start.is_none() {
                let (method, target) = rest.split_once(' ')?;
                self.start = Some((method.to_string(), target.to_string()));
            } else {
                self.headers.push(field(rest)?);
            }
        } else if let Some(milliseconds) = line.strip_prefix("settle ") {
            self.settle = milliseconds.parse().ok()?;
        } else if let Some(awaited) = line.strip_prefix("until ") {
            self.until = Some(awaited.to_string());
        } else if line == "body behind the head" {
            self.comes = BodyComes::BehindTheHead;
        } else if line.starts_with('@') || !self.script.is_empty() {
            self.script.push(line.trim().to_string());
        } else {
            self.what = format!("{} {}", self.what, line).trim().to_string();
        }
        Some(())
    }

    fn case(&self, name: &str, guest: &str) -> Case {
        let (method, target) = self
            .start
            .clone()
            .unwrap_or_else(|| ("GET".to_string(), "/".to_string()));
        let mut sent = request(&method, &target).header("host", &host(guest));
        for (name, value) in &self.headers {
            sent = sent.header(name, value);
        }
        if !self.trailers.is_empty() || target == "/trailers" {
            sent = sent.header("te", "trailers").header("trailer", TRAILERS);
        }
        if let Some(body) = &self.body {
            sent = sent.body(body);
        } else if !self.chunks.is_empty() || !self.trailers.is_empty() {
            let chunks: Vec<_> = self.chunks.iter().map(String::as_str).collect();
            let trailers: Vec<_> = self
                .trailers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            sent = sent.chunks(&chunks, &trailers);
        }
        Case {
            name: name.to_string(),
            what: self.what.clone(),
            guest: guest.to_string(),
            request: sent.header("x-script", &self.script.join(" ; ")),
            settle: Duration::from_millis(self.settle),
            until: self.until.clone(),
            body: self.comes,
        }
    }
}

/// `abc*1000` is a text that many times; anything else is itself.
fn repeated(text: &str) -> String {
    match text
        .rsplit_once('*')
        .map(|(text, times)| (text, times.parse::<usize>()))
    {
        Some((text, Ok(times))) => text.repeat(times),
        _ => text.to_string(),
    }
}
