//! Typed configuration: what `#[derive(Config)]` makes readable, and the JSON Schema that comes with it.
//!
//! ```
//! use lockgate_sdk::prelude::*;
//! use lockgate_sdk::config::Duration;
//!
//! /// Refuses who comes too often.
//! #[derive(Config)]
//! struct Settings {
//!     /// How many requests are let through.
//!     #[config(min = 1, max = 1000)]
//!     limit: u64,
//!     /// In which time.
//!     #[config(default = "1m")]
//!     window: Duration,
//!     /// What is not counted.
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
//! A configuration is read from a tree, not from a stream: every error has its JSON pointer, also inside of tagged
//! enums, and a module carries less code. The schema is a constant: it goes to the module's manifest at compile time,
//! and no byte of it into the guest's memory.

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

/// What can stand in a configuration. Derive it; the macro's attributes are listed at
/// [`derive(Config)`](macro@crate::Config).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a configuration",
    label = "has no `Config`",
    note = "write `#[derive(Config)]` before it, or wrap a type that is only `Deserialize` in `lockgate_sdk::config::Untyped`"
)]
pub trait Config: Sized {
    /// The JSON Schema of the values that are read.
    const SCHEMA: Schema;

    /// What `Default` makes, as JSON, where that is known at compile time; else empty.
    #[doc(hidden)]
    const DEFAULT: &'static str = "";

    /// Whether it may be left out, whatever its default.
    #[doc(hidden)]
    const IS_OPTIONAL: bool = false;

    /// Reads a value.
    ///
    /// # Errors
    /// Says what was found and what was expected, at its place inside `value`.
    fn read(value: &Value<'_>) -> Result<Self, ConfigError>;

    /// The value of a member that is not there; none if it must be.
    #[doc(hidden)]
    fn absent() -> Option<Self> {
        None
    }
}

/// A configuration without any settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoConfig {}

/// Reads a configuration from its text. None at all (`""` or `null`) is an empty object.
///
/// # Errors
/// The first mistake, with its JSON pointer.
pub fn parse<T: Config>(text: &str) -> Result<T, ConfigError> {
    let value = match text.trim_ascii() {
        "" | "null" => Value::Object(Vec::new()),
        text => json::parse(text)?,
    };
    T::read(&value)
}

/// Reads a value that the plugin's author wrote.
fn parse_value<T: Config>(text: &str) -> Result<T, ConfigError> {
    T::read(&json::parse(text)?)
}

/// The configuration of the plugin that is being configured.
#[doc(hidden)]
pub fn read<T: Config>(size: usize) -> Result<T, ConfigError> {
    let bytes = bytes(size)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ConfigError::new("it is not UTF-8"))?;
    parse(text)
}

fn bytes(size: usize) -> Result<Vec<u8>, ConfigError> {
    match size {
        0 => Ok(Vec::new()),
        _ => host::buffer(Buffer::Configuration, 0, size)
            .map(Option::unwrap_or_default)
            .map_err(|status| ConfigError::new(["it cannot be read: ", status.name()].concat())),
    }
}

/// The configuration of a plugin that has none: nothing, or an empty object. Reads no JSON, so that its module need not.
#[doc(hidden)]
pub fn none(size: usize) -> Result<NoConfig, ConfigError> {
    let mut text = bytes(size)?;
    text.retain(|byte| !byte.is_ascii_whitespace());
    match &text[..] {
        b"" | b"{}" | b"null" => Ok(NoConfig {}),
        _ => Err(ConfigError::new(
            "this plugin has no settings, so that only {} can stand here",
        )),
    }
}
