//! JSON with places: a reader, a validator and a decoder that tell every mistake at its line, column and pointer.
//!
//! `gateway.json`, cases files and plugins' settings are read by it. It knows no setting of any of them: a type and its JSON
//! Schema say what is expected. It opens files only in [`typed`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod decode;
pub mod diagnostic;
pub mod document;
pub mod pointer;
pub mod problem;
pub mod reader;
pub mod report;
pub mod tree;
pub mod typed;
pub mod validate;

pub use diagnostic::{Diagnostic, Position, Report, nearest};
pub use document::Document;
