//! The validator against small schemas of its own, and against what our types produce.
