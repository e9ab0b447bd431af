//! [`Registration`]: an endpoint that has registered itself by the admin API, and the bounds of what it may say.

use std::collections::BTreeMap;

use lockgate_units::Period;
use lockgate_upstream::Weight;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The maximum number of registered endpoints of an upstream.
pub const MAX_PER_UPSTREAM: usize = 1_000;
/// The maximum number of registered endpoints.
pub const MAX_REGISTRATIONS: usize = 10_000;
/// The shortest time to live.
pub const MIN_TTL: Period = Period::millis(100);
/// The longest time to live.
pub const MAX_TTL: Period = Period::seconds(7 * 24 * 3600);
/// The maximum number of labels.
pub const MAX_LABELS: usize = 32;
/// The maximum bytes of a label's name.
pub const MAX_LABEL_NAME: usize = 128;
/// The maximum bytes of a label's value.
pub const MAX_LABEL_VALUE: usize = 256;

/// The registration of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Time to live: the endpoint leaves when it has not registered again for so long. 100ms to 7d. Absent: it stays until it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Period>,
    /// Weight, relative to the other endpoints.
    pub weight: Weight,
    /// Labels of the endpoint: at most 32, names of at most 128 bytes, values of at most 256 bytes, visible ASCII.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Registration {
    /// Checks what its types do not.
    ///
    /// # Errors
    /// The key that is wrong, and what was found and expected.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if let Some(ttl) = self.ttl.filter(|ttl| *ttl < MIN_TTL || *ttl > MAX_TTL) {
            return Err((
                "ttl",
                format!("found \"{ttl}\", expected a duration from {MIN_TTL} to {MAX_TTL}"),
            ));
        }
        if self.labels.len() > MAX_LABELS {
            let found = self.labels.len();
            return Err(("labels", format!("found {found} labels, expected at most {MAX_LABELS}")));
        }
        let is_visible = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        for (name, value) in &self.labels {
            if name.is_empty() || name.len() > MAX_LABEL_NAME || !is_visible(name) {
                let expected =
                    format!("found the name {name:?}, expected 1 to {MAX_LABEL_NAME} visible ASCII characters");
                return Err(("labels", expected));
            }
            if value.len() > MAX_LABEL_VALUE || !is_visible(value) {
                let expected = format!("up to {MAX_LABEL_VALUE} visible ASCII characters");
                return Err((
                    "labels",
                    format!("found {value:?} as the value of {name:?}, expected {expected}"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_label(name: &str, value: &str) -> Registration {
        Registration {
            labels: [(name.to_owned(), value.to_owned())].into(),
            ..Registration::default()
        }
    }

    #[test]
    fn what_is_within_the_bounds_is_accepted() {
        assert_eq!(Registration::default().check(), Ok(()));
        assert_eq!(with_label("topology/zone", "eu west 1").check(), Ok(()));
        let ttl = Some(MIN_TTL);
        assert_eq!(
            Registration {
                ttl,
                ..Registration::default()
            }
            .check(),
            Ok(())
        );
    }

    #[test]
    fn what_is_outside_is_refused_with_its_key() {
        let ttl = |ttl| Registration {
            ttl: Some(ttl),
            ..Registration::default()
        };
        for (registration, key, reason) in [
            (
                ttl(Period::millis(99)),
                "ttl",
                "found \"99ms\", expected a duration from 100ms to 7d",
            ),
            (ttl(Period::seconds(8 * 24 * 3600)), "ttl", "found \"8d\""),
            (with_label("", "x"), "labels", "found the name \"\""),
            (with_label(&"n".repeat(129), "x"), "labels", "1 to 128 visible"),
            (with_label("a", "line\nbreak"), "labels", "line\\nbreak"),
            (with_label("a", &"v".repeat(257)), "labels", "up to 256"),
        ] {
            let (found, text) = registration.check().unwrap_err();
            assert_eq!(found, key);
            assert!(text.contains(reason), "{text}");
        }
        let labels = (0..33).map(|label| (label.to_string(), String::new())).collect();
        let many = Registration {
            labels,
            ..Registration::default()
        };
        assert_eq!(many.check().unwrap_err().1, "found 33 labels, expected at most 32");
    }
}
