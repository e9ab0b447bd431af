//! From the JSON text of gateway.json to a checked model, or to everything that is wrong with it.
//!
//! The only place where configuration text becomes values. It opens the files that the text names as far as needed to say
//! whether they can be used; it compiles no module, binds no socket and knows no request.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod check;
mod load;
pub mod model;
mod raw;
mod schema;
pub mod settings;
mod substitute;

pub use load::{Loaded, Refused, Sketch, load, load_or_sketch, load_text};
pub use model::*;
pub use schema::{schema, schema_with};
pub use substitute::Inserted;
