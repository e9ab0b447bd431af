//! [`StatusRange`]: the statuses that a probe may be answered with.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Statuses from a first to a last one, 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// 200 to 299.
    pub const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Whether a status is one of these.
    pub fn contains(self, status: StatusCode) -> bool {
        (self.first..=self.last).contains(&status.as_u16())
    }

    fn read(text: &str) -> Option<Self> {
        let (first, last) = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) if class.len() == 1 => (read_status(class)? * 100, read_status(class)? * 100 + 99),
            (None, Some((first, last))) => (read_status(first)?, read_status(last)?),
            _ => (read_status(text)?, read_status(text)?),
        };
        Self::new(first, last)
    }

    fn new(first: u16, last: u16) -> Option<Self> {
        (first >= 100 && first <= last && last <= 599).then_some(Self { first, last })
    }
}

/// Digits alone: `parse` would take a sign.
fn read_status(digits: &str) -> Option<u16> {
    let is_number = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for StatusRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = *self;
        if first == last {
            write!(out, "{first}")
        } else if first.is_multiple_of(100) && last == first + 99 {
            write!(out, "{}xx", first / 100)
        } else {
            write!(out, "{first}-{last}")
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl serde::de::Visitor<'_> for Form {
            type Value = StatusRange;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a status: 204, \"2xx\" or \"200-399\"")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<StatusRange, E> {
                let status = u16::try_from(number)
                    .ok()
                    .and_then(|status| StatusRange::new(status, status));
                status.ok_or_else(|| E::custom(format_args!("{number} is not a status; expected 100 to 599")))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StatusRange, E> {
                StatusRange::read(text).ok_or_else(|| {
                    E::custom(format_args!(
                        "{text:?} is not a status; expected a number such as 204, a class such as \"2xx\" or a range such as \"200-399\""
                    ))
                })
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for StatusRange {
    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A status: a number, a class or a range.",
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^([1-5]xx|[1-5][0-9][0-9](-[1-5][0-9][0-9])?)$", "examples": ["2xx", "200-399"] },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range(value: serde_json::Value) -> Result<StatusRange, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn statuses_are_numbers_classes_and_ranges() {
        for (written, within, outside) in [
            (json!(204), [204, 204], [203, 205]),
            (json!("204"), [204, 204], [203, 205]),
            (json!("2xx"), [200, 299], [199, 300]),
            (json!("200-399"), [200, 399], [199, 400]),
        ] {
            let range = range(written.clone()).expect("a status");
            let has = |status: u16| range.contains(StatusCode::from_u16(status).expect("a status"));
            assert!(
                within.into_iter().all(has) && !outside.into_iter().any(has),
                "{written}"
            );
        }
    }

    #[test]
    fn other_statuses_are_refused() {
        for written in [
            json!(99),
            json!(600),
            json!("6xx"),
            json!("0xx"),
            json!("2XX"),
            json!("20x"),
            json!("+20"),
        ] {
            let reason = range(written.clone()).expect_err("no status");
            assert!(reason.contains("is not a status"), "{written}: {reason}");
        }
        assert!(range(json!("399-200")).is_err() && range(json!(true)).is_err() && range(json!("")).is_err());
    }
}
