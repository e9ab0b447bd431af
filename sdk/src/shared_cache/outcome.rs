//! Failures as bytes, so that requests of other workers get the same error.

use serde::{Deserialize, Serialize};

use crate::abi::grpc_status::GrpcStatus;
use crate::error::Error;
use crate::http::reply::Reply;

/// The errors that keep their kind. All others become [`Error::Plugin`] with their text.
#[derive(Serialize, Deserialize)]
enum Failure {
    NoResponse(String),
    Status(u16),
    Grpc(u32, String),
    TooLarge(usize),
    Reply(Box<Reply>),
    Plugin(String),
}

/// The bytes of a failure, behind `tag`.
pub(crate) fn encode(tag: u8, error: &Error) -> Vec<u8> {
    let failure = match error.clone() {
        Error::NoResponse(reason) => Failure::NoResponse(reason),
        Error::UnexpectedStatus(status) => Failure::Status(status),
        Error::Grpc { status, message } => Failure::Grpc(status.0, message),
        Error::TooLarge(limit) => Failure::TooLarge(limit),
        Error::Reply(reply) => Failure::Reply(Box::new(reply.reply().clone())),
        other => Failure::Plugin(other.to_string()),
    };
    let mut bytes = vec![tag];
    // Text and numbers can always be written.
    let _ = serde_json::to_writer(&mut bytes, &failure);
    bytes
}

/// The failure of these bytes; `None` if they are malformed.
pub(crate) fn decode(bytes: &[u8]) -> Option<Error> {
    Some(match serde_json::from_slice(bytes).ok()? {
        Failure::NoResponse(reason) => Error::NoResponse(reason),
        Failure::Status(status) => Error::UnexpectedStatus(status),
        Failure::Grpc(status, message) => Error::Grpc {
            status: GrpcStatus(status),
            message,
        },
        Failure::TooLarge(limit) => Error::TooLarge(limit),
        Failure::Reply(reply) => Error::from(*reply),
        Failure::Plugin(text) => Error::Plugin(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_the_same_for_those_who_share_it() {
        for error in [
            Error::NoResponse("timeout".to_owned()),
            Error::UnexpectedStatus(502),
            Error::Grpc {
                status: GrpcStatus(14),
                message: "down".to_owned(),
            },
            Error::TooLarge(7),
            Error::from(crate::reply(401).header("www-authenticate", "Bearer").text("no")),
            Error::Plugin("mine".to_owned()),
        ] {
            assert_eq!(decode(&encode(b'e', &error)[1..]), Some(error));
        }
        assert_eq!(decode(b"{"), None);
        let other = Error::Unsupported("f");
        assert_eq!(
            decode(&encode(b'e', &other)[1..]),
            Some(Error::Plugin(other.to_string()))
        );
    }
}
