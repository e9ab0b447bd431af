//! JSON with positions: a reader, a validator and a decoder that report every mistake with its line, column and pointer.
//!
//! It reads `gateway.json`, cases files and plugins' settings, and knows no setting and no unit of them: the caller brings the type,
//! its JSON Schema and the [`Format`]s. It opens files only in [`typed`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod decode;
pub mod diagnostic;
pub mod document;
pub mod format;
pub mod mistake;
pub mod pointer;
pub mod reader;
pub mod report;
pub mod tree;
pub mod typed;
pub mod validate;

pub use diagnostic::{Diagnostic, Position, Report, nearest};
pub use document::Document;
pub use format::Format;
