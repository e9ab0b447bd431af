//! Typed configuration: [`Config`], the types that can be read from a configuration, each with its JSON Schema.
//! `#[derive(Config)]` implements it.
//!
//! ```
//! use lockgate_sdk::prelude::*;
//! use lockgate_sdk::config::Duration;
//!
//! /// Limits the rate of requests.
//! #[derive(Config)]
//! struct Settings {
//!     /// The number of requests in a window.
//!     #[config(min = 1, max = 1000)]
//!     limit: u64,
//!     /// The length of the window.
//!     #[config(default = "1m")]
//!     window: Duration,
//!     /// Requests that are not counted.
//!     #[config(default)]
//!     except: Vec<Exception>,
//! }
//!
//! #[derive(Config)]
//! #[config(tag = "by", rename_all = "snake_case")]
//! enum Exception {
//!     Address { cidrs: Vec<String> },
//!     PathPrefix { prefix: String },
//! }
//!
//! let settings: Settings = lockgate_sdk::config::parse(r#"{ "limit": 5, "except": [ { "by": "address", "cidrs": [] } ] }"#)?;
//! assert_eq!(settings.window.milliseconds(), 60_000);
//! assert_eq!(settings.except.len(), 1);
//!
//! let refused = lockgate_sdk::config::parse::<Settings>(r#"{ "limit": 0 }"#).err().expect("zero is too few");
//! assert_eq!(refused.to_string(), "at /limit: found 0, expected a number from 1 to 1000");
//! # Ok::<(), ConfigError>(())
//! ```
//!
//! A configuration is read from a tree, not from a stream. So every error has its JSON pointer, also inside of tagged
//! enums, and modules are smaller. The schema is a constant: it is written to the module's manifest at compile time,
//! and takes no memory of the guest.

mod bounds;
mod duration;
mod json;
mod nearest;
mod object;
mod pattern;
mod schema;
pub(crate) mod size;
mod text;
mod types;
mod value;

use crate::abi::Buffer;
use crate::error::ConfigError;
use crate::host;

pub use bounds::{AsText, Bounded, Length};
#[doc(hidden)]
pub use bounds::{has_length, has_pattern};
pub use duration::Duration;
pub use lockgate_sdk_macros::Config;
#[doc(hidden)]
pub use object::{CheckError, Default, Member, Object, Reader, checked, choice, tag, untagged, variant};
pub use schema::{EnumValue, Kind, Property, Schema};
pub use text::Text;
pub use types::{Json, Size, Untyped};
pub use value::Value;

/// A type that can be read from a configuration. Derive it; [`derive(Config)`](macro@crate::Config) lists the
/// attributes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a configuration",
    label = "does not implement `Config`",
    note = "derive it with `#[derive(Config)]`; wrap a type that only implements `Deserialize` in `lockgate_sdk::config::Untyped`"
)]
pub trait Config: Sized {
    /// The JSON Schema of the accepted values.
    const SCHEMA: Schema;

    /// The value of `Default`, as JSON; empty if it is not known at compile time.
    #[doc(hidden)]
    const DEFAULT: &'static str = "";

    /// Whether it may be omitted without a default.
    #[doc(hidden)]
    const IS_OPTIONAL: bool = false;

    /// Reads a value.
    ///
    /// # Errors
    /// What was found and what was expected, with its place inside `value`.
    fn read(value: &Value<'_>) -> Result<Self, ConfigError>;

    /// The value of an omitted member; `None` if it is required.
    #[doc(hidden)]
    fn absent() -> Option<Self> {
        None
    }
}

/// The configuration of a plugin without settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoConfig {}

/// Reads a configuration from JSON. An empty text and `null` are an empty object.
///
/// # Errors
/// The first error, with its JSON pointer.
pub fn parse<T: Config>(text: &str) -> Result<T, ConfigError> {
    let value = match text.trim_ascii() {
        "" | "null" => Value::Object(Vec::new()),
        text => json::parse(text)?,
    };
    T::read(&value)
}

/// Reads a default that the plugin's author wrote as JSON.
fn parse_value<T: Config>(text: &str) -> Result<T, ConfigError> {
    T::read(&json::parse(text)?)
}

/// Reads the configuration of the plugin, of this size in bytes, from the host.
#[doc(hidden)]
pub fn read<T: Config>(size: usize) -> Result<T, ConfigError> {
    let bytes = bytes(size)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ConfigError::new("the configuration is not UTF-8"))?;
    parse(text)
}

fn bytes(size: usize) -> Result<Vec<u8>, ConfigError> {
    match size {
        0 => Ok(Vec::new()),
        _ => host::buffer(Buffer::Configuration, 0, size)
            .map(Option::unwrap_or_default)
            .map_err(|status| ConfigError::new(["the configuration cannot be read: ", status.name()].concat())),
    }
}

/// Reads the configuration of a plugin without settings: nothing, or an empty object. It does without the JSON reader,
/// which the module then does not contain.
#[doc(hidden)]
pub fn none(size: usize) -> Result<NoConfig, ConfigError> {
    let mut text = bytes(size)?;
    text.retain(|byte| !byte.is_ascii_whitespace());
    match &text[..] {
        b"" | b"{}" | b"null" => Ok(NoConfig {}),
        _ => Err(ConfigError::new("this plugin has no settings; expected {}")),
    }
}
