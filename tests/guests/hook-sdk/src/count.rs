//! What this hook and `hook-async` have in common.

use lockgate_sdk::prelude::*;

#[derive(Config)]
pub(crate) struct Hook {
    /// The header that is read and set. Several of these plugins in a chain count how many they are.
    pub(crate) header: String,
    /// How far they count.
    #[config(default = 9, max = 9)]
    pub(crate) limit: usize,
}

/// Counts in a fixed table, so that the guest's own work stays out of the figure.
pub(crate) fn one_more(seen: Option<String>, limit: usize) -> &'static str {
    const COUNT: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let seen = seen.and_then(|text| text.parse().ok()).unwrap_or(0).min(limit);
    COUNT.get(seen).copied().unwrap_or("9")
}
