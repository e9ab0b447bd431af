//! One host call as text: kinds by their names, pointers by what they point to. The text is bounded and holds no secrets.

use std::fmt::Write;

use lockgate_abi::{BufferType, LogLevel, MapType, MetricKind, PropertyPath, StreamType, decode_pairs};

use super::Payloads;
use super::arguments::{self, Argument};
use crate::calls::HostCall;
use crate::memory::{Span, bytes};

/// Bytes of a text or value that are shown.
const MAX_VALUE_BYTES: usize = 128;
/// Pairs of a header map that are shown.
const MAX_PAIRS: usize = 48;
/// The replacement of a secret.
const REDACTED: &str = "<redacted>";
/// Parts of names, in lower case, whose values are secrets.
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

/// The line of a call in progress. Its arguments are decoded before the call, its results after it.
pub(crate) struct CallLine {
    text: String,
    call: HostCall,
    payloads: Payloads,
    /// The value is a secret.
    is_secret: bool,
    /// The value is a request target, whose query may hold secrets.
    is_path: bool,
}

impl CallLine {
    /// The call's name and arguments.
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

    /// The whole line, with the results of a call that succeeded.
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

    fn each(&mut self, mut arguments: &[i32], mut look: impl FnMut(&mut Self, Argument, [i32; 2])) {
        for part in arguments::of(self.call) {
            let Some((own, rest)) = arguments.split_at_checked(part.width()) else {
                return;
            };
            arguments = rest;
            look(self, *part, [own[0], own.get(1).copied().unwrap_or_default()]);
        }
    }

    /// An argument as text. `None` for a place for a result.
    fn argument(&mut self, memory: &[u8], part: Argument, [one, two]: [i32; 2]) -> Option<String> {
        let span = Span::new(one, two);
        Some(match part {
            Argument::Map => named::<MapType>(one),
            Argument::Buffer => named::<BufferType>(one),
            Argument::Stream => named::<StreamType>(one),
            Argument::Level => named::<LogLevel>(one),
            Argument::Metric => named::<MetricKind>(one),
            Argument::Number(name) => format!("{name}={}", one.cast_unsigned()),
            Argument::Signed(name) => format!("{name}={one}"),
            Argument::Long(name) => format!("{name}={}", i64::from(two) << 32 | i64::from(one.cast_unsigned())),
            Argument::Text(name) => format!("{name}={}", at(memory, span, text)),
            Argument::Name(name) => {
                self.set_subject(bytes(memory, span).unwrap_or_default());
                format!("{name}={}", at(memory, span, text))
            }
            Argument::Path => {
                let path = bytes(memory, span).ok().and_then(PropertyPath::parse);
                let path = path.map(PropertyPath::dotted).unwrap_or_default();
                self.set_subject(path.as_bytes());
                format!("path={}", text(path.as_bytes()))
            }
            Argument::Value(name) => format!("{name}={}", at(memory, span, |value| self.value(value))),
            Argument::Payload(name) => format!("{name}={}", at(memory, span, |value| self.payload(value))),
            Argument::Pairs(name) => format!("{name}={}", at(memory, span, pairs)),
            _ => return None,
        })
    }

    /// A result as text. `None` for an argument.
    fn result(&self, memory: &[u8], part: Argument, [one, two]: [i32; 2]) -> Option<String> {
        let word = |at: i32| {
            let four = bytes(memory, Span::new(at, 4)).ok()?;
            Some(i32::from_le_bytes(four.try_into().ok()?))
        };
        let given = || Some(Span::new(word(one)?, word(two)?));
        Some(match part {
            Argument::NumberOut(name) => format!("{name}={}", word(one)?.cast_unsigned()),
            Argument::LongOut(name) => {
                let eight = bytes(memory, Span::new(one, 8)).ok()?;
                format!("{name}={}", u64::from_le_bytes(eight.try_into().ok()?))
            }
            Argument::TextOut(name) => format!("{name}={}", at(memory, given()?, text)),
            Argument::ValueOut(name) => format!("{name}={}", at(memory, given()?, |value| self.value(value))),
            Argument::PayloadOut(name) => format!("{name}={}", at(memory, given()?, |value| self.payload(value))),
            Argument::PairsOut => format!("pairs={}", at(memory, given()?, pairs)),
            _ => return None,
        })
    }

    /// Sets the name or path that the call's value belongs to.
    fn set_subject(&mut self, name: &[u8]) {
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

/// A number by the name of its kind.
fn named<K: TryFrom<i32> + std::fmt::Debug>(number: i32) -> String {
    K::try_from(number).map_or_else(|_| format!("unknown({number})"), |kind| format!("{kind:?}"))
}

fn at(memory: &[u8], span: Span, show: impl FnOnce(&[u8]) -> String) -> String {
    bytes(memory, span).map_or_else(|_| format!("<{} bytes host of memory>", span.len.cast_unsigned()), show)
}

/// Text in quotes, on one line, cut to its maximum length.
fn text(value: &[u8]) -> String {
    let shown = &value[..value.len().min(MAX_VALUE_BYTES)];
    let more = value.len() - shown.len();
    let shown = String::from_utf8_lossy(shown);
    if more == 0 {
        format!("{shown:?}")
    } else {
        format!("{shown:?}+{more}")
    }
}

/// A header map: all names, and the values that are not secrets.
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

/// A request target without the secrets in its query.
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

    /// A guest's memory with these bytes one after another, and their places.
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
    fn wild_pointers_and_unknown_numbers_are_shown_as_such_and_long_values_are_cut() {
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
