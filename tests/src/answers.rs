//! What tests expect of an answer more than once.

use crate::http::{Ending, Message};

/// A problem document of this status, whoever made it.
///
/// # Panics
/// When it is none.
#[track_caller]
pub fn is_problem(response: &Message, status: u16) {
    assert_eq!(
        (response.status(), response.header("content-type")),
        (status, Some("application/problem+json")),
        "{response:?}"
    );
    assert_eq!(response.json()["status"], status);
}

/// A problem document of this status, as the gateway makes it: with all its parts, and without an address.
///
/// # Panics
/// When it is none.
#[track_caller]
pub fn is_the_gateways_problem(response: &Message, status: u16) {
    is_problem(response, status);
    let problem = response.json();
    for key in ["type", "title", "detail", "request_id"] {
        assert!(problem[key].is_string(), "{key} in {problem}");
    }
    assert!(
        !problem.to_string().contains("127.0.0.1"),
        "an address leaks: {problem}"
    );
}

/// Whether the gateway refused it because of a plugin that failed.
#[must_use]
pub fn is_refused(response: &Message) -> bool {
    response.status() == 503
        && response.header("content-type") == Some("application/problem+json")
        && response.json()["status"] == 503
        && response.json()["request_id"].is_string()
}

/// Whether it is the whole answer of an upstream that says `the answer`.
#[must_use]
pub fn is_answered(response: &Message) -> bool {
    response.status() == 200 && response.ending == Ending::Whole && response.text() == "the answer"
}
