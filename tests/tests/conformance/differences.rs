//! Where the gateway answers a module otherwise than Envoy 1.40 does, on purpose. A `*` stands for anything, a `?` for one
//! byte. A line that nothing
//! needs any more fails the test.

mod connections;
mod guests_of_the_crate;
mod scripted;

use std::sync::LazyLock;

/// One deliberate difference.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The cases.
    pub(crate) cases: &'static [&'static str],
    /// The lines.
    pub(crate) keys: &'static [&'static str],
    /// What the gateway answers.
    pub(crate) here: &'static str,
    /// What Envoy answers.
    pub(crate) envoy: &'static str,
    /// Why that is better, or at least no worse.
    #[allow(dead_code, reason = "read by people")]
    pub(crate) why: &'static str,
}

/// All of them, in the order in which the document tells them.
pub(crate) static ALLOWED: LazyLock<Vec<&'static Difference>> = LazyLock::new(|| {
    let parts = [guests_of_the_crate::ALLOWED, connections::ALLOWED, scripted::ALLOWED];
    parts.into_iter().flatten().collect()
});
