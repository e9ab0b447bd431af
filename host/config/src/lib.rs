//! From the JSON text of gateway.json to a checked model.

pub mod diagnostic;
pub mod model;
pub mod settings;

pub use diagnostic::{Diagnostic, Position, Report};
pub use model::*;
