//! The HTTP probe: a whole response, and its status.

use lockgate_client::{Protocol, Target};
use lockgate_upstream::StatusRange;

use super::{Pools, receive, send};
use crate::check::Check;
use crate::failure::ProbeFailure;
use crate::request::ProbeRequest;

pub(super) async fn probe(
    check: &Check,
    pools: &Pools,
    target: &Target,
    protocol: Protocol,
    request: &ProbeRequest,
    expect: &[StatusRange],
) -> Result<(), ProbeFailure> {
    let response = send(check, pools, target, protocol, request).await?.response;
    let status = response.status();
    if !expect.iter().any(|range| range.contains(status)) {
        return Err(ProbeFailure::Status {
            found: status,
            expected: in_words(expect),
        });
    }
    // An endpoint that breaks off its responses is not healthy.
    receive(response.into_body()).await.map(drop)
}

/// `2xx`, `2xx or 304`, `200, 204 or 304`.
fn in_words(expect: &[StatusRange]) -> String {
    let ranges: Vec<_> = expect.iter().map(ToString::to_string).collect();
    match &ranges[..] {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_statuses_are_listed_in_words() {
        let words = |written| in_words(&serde_json::from_value::<Vec<StatusRange>>(written).unwrap());
        assert_eq!(words(serde_json::json!(["2xx"])), "2xx");
        assert_eq!(words(serde_json::json!([200, "204-206", 304])), "200, 204-206 or 304");
    }
}
