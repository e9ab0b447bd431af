//! [`Percent`]: a share of the requests.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A share of the requests in percent: a number from 0 to 100. All of them, if it is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(f64);

impl Percent {
    /// A percentage, unless it is out of range.
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// The share as a fraction of 2^64; none for all.
    pub(crate) fn threshold(self) -> Option<u64> {
        // Below 2^64, so the conversion does not saturate.
        (self.0 < 100.0).then_some((self.0 / 100.0 * 2f64.powi(64)) as u64)
    }
}

impl Default for Percent {
    fn default() -> Self {
        Self(100.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = f64::deserialize(deserializer)?;
        Self::new(percent).ok_or_else(|| {
            de::Error::custom(format_args!(
                "{percent} is no percentage; expected a number from 0 to 100"
            ))
        })
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number", "minimum": 0, "maximum": 100, "default": 100,
            "description": "A number from 0 to 100.",
        })
    }
}
