//! How an endpoint is chosen among those that take requests.

pub(crate) mod cycle;
pub(crate) mod two_choices;
