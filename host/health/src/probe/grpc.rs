//! The gRPC probe: a call of `grpc.health.v1.Health/Check`, by gRPC's health checking protocol.

use http::{HeaderMap, StatusCode};
use lockgate_client::{Protocol, Target};

use super::{Pools, receive, send};
use crate::check::Check;
use crate::failure::ProbeFailure;
use crate::grpc_message::decode;
use crate::request::ProbeRequest;

/// `HealthCheckResponse.ServingStatus`, by number.
const SERVING_STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// The one of them that passes.
const SERVING: u64 = 1;
/// gRPC's statuses, by number.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Calls over HTTP/2, whatever the upstream's protocol is: gRPC has no other.
pub(super) async fn probe(
    check: &Check,
    pools: &Pools,
    target: &Target,
    request: &ProbeRequest,
) -> Result<(), ProbeFailure> {
    let (head, body) = send(check, pools, target, Protocol::Http2, request)
        .await?
        .response
        .into_parts();
    if head.status != StatusCode::OK {
        return Err(ProbeFailure::Status {
            found: head.status,
            expected: "200".to_owned(),
        });
    }
    let (data, trailers) = receive(body).await?;
    // A response without a message has its status in its headers.
    let status = status(trailers.as_ref().unwrap_or(&head.headers))?;
    if status != 0 {
        return Err(ProbeFailure::Grpc(format!("gRPC status {}", named(&STATUSES, status))));
    }
    match decode(&data) {
        Some(SERVING) => Ok(()),
        Some(other) => Err(ProbeFailure::Grpc(named(&SERVING_STATUSES, other))),
        None => Err(ProbeFailure::Broken("malformed HealthCheckResponse".to_owned())),
    }
}

/// The number and its name, or the number alone.
fn named(names: &[&str], number: u64) -> String {
    let name = usize::try_from(number).ok().and_then(|number| names.get(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

fn status(fields: &HeaderMap) -> Result<u64, ProbeFailure> {
    let value = fields.get("grpc-status").and_then(|status| status.to_str().ok());
    value
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| ProbeFailure::Broken("response without a gRPC status".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_where_there_is_one() {
        assert_eq!(named(&STATUSES, 12), "UNIMPLEMENTED");
        assert_eq!(named(&SERVING_STATUSES, 9), "9");
    }
}
