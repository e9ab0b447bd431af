//! A script: lines between `;`, in sections that begin with `@`. A section says in which callback its lines run.

use crate::imports::{self, Uncallable};
use crate::words::{self, Out, Variables, Word};

/// A part of a script.
struct Section {
    callback: String,
    /// Only in the call of this number, from 1.
    nth: Option<u32>,
    /// Only at the end of the stream.
    at_end: bool,
    lines: Vec<String>,
}

/// What one stream, or the root, is to do.
#[derive(Default)]
pub(crate) struct Script(Vec<Section>);

/// What running a callback's lines came to.
#[derive(Default)]
pub(crate) struct Ran {
    /// Every line with its answer.
    pub(crate) notes: Vec<String>,
    /// What the callback is to return, if a line said so.
    pub(crate) returns: Option<i32>,
    /// Callouts that were begun.
    pub(crate) calls: Vec<i64>,
}

impl Script {
    pub(crate) fn parse(text: &str) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        for line in text.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(name) = line.strip_prefix('@') {
                let (name, at_end) = name.strip_suffix(".end").map_or((name, false), |name| (name, true));
                let (name, nth) = name
                    .split_once('#')
                    .map_or((name, None), |(name, nth)| (name, nth.parse().ok()));
                sections.push(Section {
                    callback: name.to_string(),
                    nth,
                    at_end,
                    lines: Vec::new(),
                });
            } else if let Some(section) = sections.last_mut() {
                section.lines.push(line.to_string());
            }
        }
        Self(sections)
    }

    /// The lines for the n-th call of a callback; none when no section is for it.
    pub(crate) fn lines(&self, callback: &str, nth: u32, end: bool) -> Option<Vec<String>> {
        let fits = |section: &&Section| {
            section.callback == callback && section.nth.is_none_or(|only| only == nth) && (end || !section.at_end)
        };
        let mut fitting = self.0.iter().filter(fits).peekable();
        fitting.peek()?;
        Some(fitting.flat_map(|section| section.lines.clone()).collect())
    }
}

/// Runs lines, one after the other.
pub(crate) fn run(lines: &[String], variables: &mut Variables) -> Ran {
    let mut ran = Ran::default();
    for line in lines {
        let words = words::split(line);
        match words[..] {
            ["return", value] => ran.returns = value.parse().ok(),
            [name, ref rest @ ..] => {
                let answer = answer(name, rest, variables, &mut ran.calls);
                ran.notes.push(format!("{line} = {answer}"));
            }
            [] => {}
        }
    }
    ran
}

/// Where a call writes a result.
struct Cell {
    out: Out,
    /// Two words, as a pointer and a length or one number of 64 bits need.
    place: Box<[u32; 2]>,
}

fn answer(name: &str, rest: &[&str], variables: &mut Variables, calls: &mut Vec<i64>) -> String {
    let (mut args, mut cells, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for word in rest {
        match Word::parse(word, variables) {
            None => return format!("the word {word} means nothing"),
            Some(Word::Number(number)) => args.push(number),
            Some(Word::Bytes(bytes)) => {
                args.extend([bytes.as_ptr() as i64, bytes.len() as i64]);
                kept.push(bytes);
            }
            Some(Word::Out(out)) => {
                let mut place = Box::new([0_u32; 2]);
                let at = place.as_mut_ptr() as i64;
                args.push(at);
                if matches!(out, Out::Text | Out::Length | Out::Pairs) {
                    args.push(at + 4);
                }
                cells.push(Cell { out, place });
            }
        }
    }
    match imports::call(name, &args) {
        Err(Uncallable::Unknown) => "no such call".to_string(),
        Err(Uncallable::Arguments) => format!("not with {} arguments", args.len()),
        Ok(0) => {
            let mut shown = String::from("0");
            for cell in cells {
                shown.push(' ');
                shown.push_str(&result(cell, name, variables, calls));
            }
            shown
        }
        Ok(status) => status.to_string(),
    }
}

fn result(cell: Cell, name: &str, variables: &mut Variables, calls: &mut Vec<i64>) -> String {
    // What the host has written is read from memory, whatever the compiler believes about it.
    let [low, high] = unsafe { std::ptr::read_volatile(&*cell.place) };
    let zero = |number: u64| if number == 0 { "0" } else { "some" }.to_string();
    let wide = u64::from(low) | u64::from(high) << 32;
    match cell.out {
        Out::U32 => low.to_string(),
        Out::U64 => wide.to_string(),
        Out::Clock => zero(wide),
        Out::Kept(variable) => {
            if name.ends_with("_call") || name.ends_with("grpc_stream") {
                calls.push(i64::from(low));
            }
            variables.insert(variable, i64::from(low));
            zero(u64::from(low))
        }
        out => {
            let bytes = taken(low, high);
            match out {
                Out::Length => format!("{} bytes", bytes.len()),
                Out::Pairs => words::told_pairs(&bytes),
                _ => words::shown(&bytes),
            }
        }
    }
}

/// Takes over what the host has allocated through `proxy_on_memory_allocate`.
fn taken(data: u32, size: u32) -> Vec<u8> {
    if data == 0 || size == 0 {
        return Vec::new();
    }
    unsafe { Vec::from_raw_parts(data as usize as *mut u8, size as usize, size as usize) }
}
