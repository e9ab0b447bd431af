//! From the JSON text of gateway.json to a checked model, or to a report of all its mistakes.
//!
//! Only this crate turns configuration text into values. It opens the files that the text names, to check that they can be used. It
//! compiles no module, binds no socket and knows no request.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod check;
mod formats;
mod load;
pub mod model;
mod raw;
mod schema;
pub mod settings;
mod substitute;

pub use formats::FORMATS;
pub use load::{LoadError, Loaded, PartialConfig, load, load_text};
pub use model::*;
pub use schema::{schema, schema_with};
pub use substitute::IncludedFile;
