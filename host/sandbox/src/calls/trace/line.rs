//! One host call as text: numbers by their names, pointers by what they point at, bounded, and without secrets.

use std::fmt::Write;

use lockgate_abi::{BufferType, LogLevel, MapType, MetricKind, PropertyPath, StreamType, decode_pairs};

use super::Payloads;
use super::arguments::{self, Part};
use crate::calls::HostCall;
use crate::memory::{Span, bytes};

/// Of a text or value, so many bytes are shown.
const LONGEST: usize = 128;
/// Of a header map, so many pairs.
const MAX_PAIRS: usize = 48;
/// What stands for a secret.
const REDACTED: &str = "<redacted>";
/// Parts of names, in small letters, whose values are nobody's business.
const SECRETS: [&str; 13] = [
    "authorization",
    "authenticat",
    "cookie",
    "token",
    "secret",
    "passw",
    "api-key",
    "api_key",
    "apikey",
    "session",
    "credential",
    "signature",
    "jwt",
];

/// A call that is under way: its arguments are told before it is made, its results after it.
pub(crate) struct CallLine {
    text: String,
    call: HostCall,
    payloads: Payloads,
    /// What the call was said to be about is a secret.
    is_secret: bool,
    /// What it was said to be about is a request's target, whose query may hold some.
    is_path: bool,
}

impl CallLine {
    /// The call's name and what the guest gave it.
    pub(crate) fn begin(memory: &[u8], call: HostCall, arguments: &[i32], payloads: Payloads) -> Self {
        let mut line = Self {
            text: format!("{}(", call.name()),
            call,
            payloads,
            is_secret: false,
            is_path: false,
        };
        line.each(arguments, |line, part, numbers| {
            if let Some(shown) = line.argument(memory, part, numbers) {
                let comma = if line.text.ends_with('(') { "" } else { ", " };
                line.push(format_args!("{comma}{shown}"));
            }
        });
        line.text.push(')');
        line
    }

    /// The whole, with what a call that succeeded has given.
    pub(crate) fn end(mut self, memory: &[u8], arguments: &[i32], succeeded: bool) -> String {
        if succeeded {
            let mut sign = " -> ";
            self.each(arguments, |line, part, numbers| {
                if let Some(shown) = line.result(memory, part, numbers) {
                    line.push(format_args!("{sign}{shown}"));
                    sign = ", ";
                }
            });
        }
        self.text
    }

    fn push(&mut self, what: std::fmt::Arguments<'_>) {
        self.text
            .write_fmt(what)
            .expect("a string takes whatever is written into it");
    }

    fn each(&mut self, mut arguments: &[i32], mut look: impl FnMut(&mut Self, Part, [i32; 2])) {
        for part in arguments::of(self.call) {
            let Some((own, rest)) = arguments.split_at_checked(part.width()) else {
                return;
            };
            arguments = rest;
            look(self, *part, [own[0], own.get(1).copied().unwrap_or_default()]);
        }
    }

    /// What the guest gave; none for a place that it wants a result in.
    fn argument(&mut self, memory: &[u8], part: Part, [one, two]: [i32; 2]) -> Option<String> {
        let span = Span::new(one, two);
        Some(match part {
            Part::Map => named::<MapType>(one),
            Part::Buffer => named::<BufferType>(one),
            Part::Stream => named::<StreamType>(one),
            Part::Level => named::<LogLevel>(one),
            Part::Metric => named::<MetricKind>(one),
            Part::Number(name) => format!("{name}={}", one.cast_unsigned()),
            Part::Signed(name) => format!("{name}={one}"),
            Part::Long(name) => format!("{name}={}", i64::from(two) << 32 | i64::from(one.cast_unsigned())),
            Part::Text(name) => format!("{name}={}", at(memory, span, text)),
            Part::Name(name) => {
                self.know(bytes(memory, span).unwrap_or_default());
                format!("{name}={}", at(memory, span, text))
            }
            Part::Path => {
                let path = bytes(memory, span).ok().and_then(PropertyPath::parse);
                let path = path.map(PropertyPath::dotted).unwrap_or_default();
                self.know(path.as_bytes());
                format!("path={}", text(path.as_bytes()))
            }
            Part::Value(name) => format!("{name}={}", at(memory, span, |value| self.value(value))),
            Part::Payload(name) => format!("{name}={}", at(memory, span, |value| self.payload(value))),
            Part::Pairs(name) => format!("{name}={}", at(memory, span, pairs)),
            _ => return None,
        })
    }

    /// What the host has put where the guest wanted it.
    fn result(&self, memory: &[u8], part: Part, [one, two]: [i32; 2]) -> Option<String> {
        let word = |at: i32| {
            let four = bytes(memory, Span::new(at, 4)).ok()?;
            Some(i32::from_le_bytes(four.try_into().ok()?))
        };
        let given = || Some(Span::new(word(one)?, word(two)?));
        Some(match part {
            Part::NumberOut(name) => format!("{name}={}", word(one)?.cast_unsigned()),
            Part::LongOut(name) => {
                let eight = bytes(memory, Span::new(one, 8)).ok()?;
                format!("{name}={}", u64::from_le_bytes(eight.try_into().ok()?))
            }
            Part::TextOut(name) => format!("{name}={}", at(memory, given()?, text)),
            Part::ValueOut(name) => format!("{name}={}", at(memory, given()?, |value| self.value(value))),
            Part::PayloadOut(name) => format!("{name}={}", at(memory, given()?, |value| self.payload(value))),
            Part::PairsOut => format!("pairs={}", at(memory, given()?, pairs)),
            _ => return None,
        })
    }

    /// What the values of this call belong to.
    fn know(&mut self, name: &[u8]) {
        self.is_secret = is_secret(name);
        self.is_path = is_target(name);
    }

    fn value(&self, value: &[u8]) -> String {
        if self.is_secret {
            REDACTED.to_owned()
        } else if self.is_path {
            target(value)
        } else {
            text(value)
        }
    }

    fn payload(&self, value: &[u8]) -> String {
        let count = format!("{} bytes", value.len());
        match self.payloads {
            Payloads::Shown if !value.is_empty() => format!("{count} {}", text(value)),
            _ => count,
        }
    }
}

/// A number that names something, by its name.
fn named<K: TryFrom<i32> + std::fmt::Debug>(number: i32) -> String {
    K::try_from(number).map_or_else(|_| format!("unknown({number})"), |kind| format!("{kind:?}"))
}

fn at(memory: &[u8], span: Span, show: impl FnOnce(&[u8]) -> String) -> String {
    bytes(memory, span).map_or_else(|_| format!("<{} bytes host of memory>", span.len.cast_unsigned()), show)
}

/// In quotes, on one line, cut where it is too long.
fn text(value: &[u8]) -> String {
    let shown = &value[..value.len().min(LONGEST)];
    let more = value.len() - shown.len();
    let shown = String::from_utf8_lossy(shown);
    if more == 0 {
        format!("{shown:?}")
    } else {
        format!("{shown:?}+{more}")
    }
}

/// A header map: every name, and the values that are no secrets.
fn pairs(value: &[u8]) -> String {
    let Ok(pairs) = decode_pairs(value) else {
        return format!("<{} bytes that are no header map>", value.len());
    };
    let mut shown = String::from("[");
    let mut more = 0;
    for (nth, (name, value)) in pairs.enumerate() {
        if nth >= MAX_PAIRS {
            more += 1;
            continue;
        }
        let value = match name {
            name if is_secret(name) => REDACTED.to_owned(),
            name if is_target(name) => target(value),
            _ => text(value),
        };
        let comma = if nth == 0 { "" } else { ", " };
        shown = format!(
            "{shown}{comma}{}: {value}",
            String::from_utf8_lossy(name).escape_debug()
        );
    }
    if more > 0 {
        shown = format!("{shown}, +{more}");
    }
    shown + "]"
}

/// A request's target: in its query only values whose names tell of no secret.
fn target(value: &[u8]) -> String {
    let Some(mark) = value.iter().position(|byte| *byte == b'?') else {
        return text(value);
    };
    let (path, query) = (&value[..=mark], &value[mark + 1..]);
    let pairs = query.split(|byte| *byte == b'&').map(|pair| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        if name.len() < pair.len() && is_secret(name) {
            [name, b"=", REDACTED.as_bytes()].concat()
        } else {
            pair.to_vec()
        }
    });
    text(&[path, &pairs.collect::<Vec<_>>().join(&b'&')].concat())
}

fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS
        .iter()
        .any(|part| name.windows(part.len()).any(|window| window == part.as_bytes()))
}

fn is_target(name: &[u8]) -> bool {
    [
        &b":path"[..],
        b"request.path",
        b"request.query",
        b"request.headers.:path",
        b"referer",
    ]
    .contains(&name)
}

#[cfg(test)]
mod tests {
    use lockgate_abi::{encode_pairs, encoded_len};

    use super::*;

    /// A guest's memory with these bytes one after the other, and where each is.
    fn memory(pieces: &[&[u8]]) -> (Vec<u8>, Vec<[i32; 2]>) {
        let mut memory = vec![0; 16];
        let mut places = Vec::new();
        for piece in pieces {
            places.push([memory.len() as i32, piece.len() as i32]);
            memory.extend_from_slice(piece);
        }
        (memory, places)
    }

    fn wire(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; encoded_len(pairs.iter().copied())];
        encode_pairs(pairs.iter().copied(), &mut bytes).unwrap();
        bytes
    }

    fn shown(call: HostCall, memory: &[u8], arguments: &[i32]) -> String {
        CallLine::begin(memory, call, arguments, Payloads::Counted).end(memory, arguments, true)
    }

    #[test]
    fn a_write_is_shown_with_its_map_its_name_and_its_value() {
        let (memory, at) = memory(&[b"x-user", b"ada\nmallory"]);
        let [name, value] = [at[0], at[1]];
        let arguments = [0, name[0], name[1], value[0], value[1]];
        assert_eq!(
            shown(HostCall::AddHeaderMapValue, &memory, &arguments),
            r#"proxy_add_header_map_value(HttpRequestHeaders, name="x-user", value="ada\nmallory")"#
        );
    }

    #[test]
    fn secrets_are_not_shown_whatever_way_they_take() {
        let map = wire(&[
            (b":path", b"/a?user=1&access_token=hunter2"),
            (b"Authorization", b"Bearer hunter2"),
            (b"x-user", b"ada"),
        ]);
        let (memory, at) = memory(&[&map, b"Cookie", b"session=hunter2", b"request\0headers\0authorization"]);
        let lines = [
            shown(HostCall::SetHeaderMapPairs, &memory, &[0, at[0][0], at[0][1]]),
            shown(
                HostCall::ReplaceHeaderMapValue,
                &memory,
                &[0, at[1][0], at[1][1], at[2][0], at[2][1]],
            ),
            shown(
                HostCall::SetProperty,
                &memory,
                &[at[3][0], at[3][1], at[2][0], at[2][1]],
            ),
            shown(HostCall::SetBufferBytes, &memory, &[0, 0, 0, at[2][0], at[2][1]]),
        ];
        assert!(lines.iter().all(|line| !line.contains("hunter2")), "{lines:?}");
        assert!(lines[0].contains("/a?user=1&access_token=<redacted>"), "{lines:?}");
        assert!(lines[0].contains(r#"x-user: "ada""#), "{lines:?}");
        assert!(lines[3].ends_with("bytes=15 bytes)"), "{lines:?}");
    }

    #[test]
    fn results_are_read_where_the_guest_wanted_them() {
        let (mut memory, at) = memory(&[b":method", b"GET"]);
        memory[0..4].copy_from_slice(&at[1][0].to_le_bytes());
        memory[4..8].copy_from_slice(&at[1][1].to_le_bytes());
        let arguments = [0, at[0][0], at[0][1], 0, 4];
        let line = shown(HostCall::GetHeaderMapValue, &memory, &arguments);
        assert_eq!(
            line,
            r#"proxy_get_header_map_value(HttpRequestHeaders, name=":method") -> value="GET""#
        );
    }

    #[test]
    fn wild_pointers_and_unknown_numbers_are_told_as_such_and_long_values_are_cut() {
        let long = [b'a'; 1000];
        let (memory, at) = memory(&[&long]);
        let wild = shown(HostCall::Log, &memory, &[77, -1, -1]);
        assert_eq!(
            wild,
            "proxy_log(unknown(77), message=<4294967295 bytes host of memory>)"
        );
        let cut = shown(HostCall::Log, &memory, &[2, at[0][0], at[0][1]]);
        assert!(cut.len() < 200 && cut.ends_with("+872)"), "{cut}");
    }

    #[test]
    fn sixty_four_bits_come_in_two_halves() {
        let line = shown(HostCall::IncrementMetric, &[], &[3, -2, -1]);
        assert_eq!(line, "proxy_increment_metric(metric=3, offset=-2)");
    }
}
