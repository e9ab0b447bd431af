//! Statuses of host calls, and which of them a Rust guest survives.
//!
//! The numbers are the specification's (`proxy_status_t`). The Rust SDK panics on a status that a wrapper does not expect.
//! [`Accepted`] lists, per kind of call, what `proxy-wasm` 0.2.5 accepts.

/// The status of a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// It does not exist, or not in this phase.
    NotFound = 1,
    /// An argument is malformed or not allowed.
    BadArgument = 2,
    /// The result cannot be serialised.
    SerializationFailure = 3,
    /// The argument cannot be parsed.
    ParseFailure = 4,
    /// A pointer or length is outside of the guest's memory. Unknown to the Rust SDK.
    InvalidMemoryAccess = 6,
    /// The queue is empty.
    Empty = 7,
    /// Another writer has changed the value.
    CasMismatch = 8,
    /// The host failed, or a limit is reached.
    InternalFailure = 10,
    /// The host does not implement the call. Unknown to the Rust SDK.
    Unimplemented = 12,
}

impl Status {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The name in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NotFound => "NOT_FOUND",
            Self::BadArgument => "BAD_ARGUMENT",
            Self::SerializationFailure => "SERIALIZATION_FAILURE",
            Self::ParseFailure => "PARSE_FAILURE",
            Self::InvalidMemoryAccess => "INVALID_MEMORY_ACCESS",
            Self::Empty => "EMPTY",
            Self::CasMismatch => "CAS_MISMATCH",
            Self::InternalFailure => "INTERNAL_FAILURE",
            Self::Unimplemented => "UNIMPLEMENTED",
        }
    }

    /// The status of a number, if the host ever returns it.
    #[must_use]
    pub const fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::Ok,
            1 => Self::NotFound,
            2 => Self::BadArgument,
            3 => Self::SerializationFailure,
            4 => Self::ParseFailure,
            6 => Self::InvalidMemoryAccess,
            7 => Self::Empty,
            8 => Self::CasMismatch,
            10 => Self::InternalFailure,
            12 => Self::Unimplemented,
            _ => return None,
        })
    }
}

/// The statuses of a group of host calls that the Rust SDK (`proxy-wasm` 0.2.5) accepts without panicking.
///
/// Where the host has a choice (something absent, a refused call) it returns one of these. Misuse, such as a wild pointer or a
/// header that would split a request, may get another status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// Only success: log, clock, header writes, continue, local response, define metric and others.
    OnlyOk,
    /// Success or absence: buffers, single header values, shared data reads, queue look-ups.
    Absent,
    /// `get_property`.
    Property,
    /// `http_call`.
    HttpCall,
    /// `grpc_call`, `grpc_stream`.
    GrpcOpen,
    /// `grpc_send`.
    GrpcSend,
    /// `grpc_cancel`, `grpc_close`, `enqueue_shared_queue`, `record_metric`.
    Known,
    /// `dequeue_shared_queue`.
    Dequeue,
    /// `set_shared_data`.
    SharedData,
    /// `get_metric`, `increment_metric`.
    Metric,
    /// `call_foreign_function`.
    Foreign,
    /// `set_effective_context`.
    Context,
}

impl Accepted {
    /// All accepted statuses, [`Status::Ok`] first.
    #[must_use]
    pub const fn statuses(self) -> &'static [Status] {
        use Status::{
            BadArgument, CasMismatch, Empty, InternalFailure, NotFound, Ok, ParseFailure, SerializationFailure,
        };
        match self {
            Self::OnlyOk => &[Ok],
            Self::Absent | Self::Known => &[Ok, NotFound],
            Self::Property => &[Ok, NotFound, SerializationFailure, InternalFailure],
            Self::HttpCall => &[Ok, BadArgument, InternalFailure],
            Self::GrpcOpen => &[Ok, ParseFailure, InternalFailure],
            Self::GrpcSend | Self::Metric => &[Ok, BadArgument, NotFound],
            Self::Dequeue => &[Ok, Empty, NotFound],
            Self::SharedData => &[Ok, CasMismatch],
            Self::Foreign => &[Ok, NotFound, BadArgument, SerializationFailure, InternalFailure],
            Self::Context => &[Ok, BadArgument],
        }
    }

    /// The status of a call that the capabilities do not allow: an error that the SDK accepts, otherwise `Ok`.
    #[must_use]
    pub const fn refusal(self) -> Status {
        match self {
            Self::OnlyOk | Self::SharedData => Status::Ok,
            Self::Absent | Self::Known | Self::Property | Self::Dequeue | Self::Metric | Self::Foreign => {
                Status::NotFound
            }
            Self::HttpCall | Self::GrpcSend | Self::Context => Status::BadArgument,
            Self::GrpcOpen => Status::InternalFailure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: [Accepted; 12] = [
        Accepted::OnlyOk,
        Accepted::Absent,
        Accepted::Property,
        Accepted::HttpCall,
        Accepted::GrpcOpen,
        Accepted::GrpcSend,
        Accepted::Known,
        Accepted::Dequeue,
        Accepted::SharedData,
        Accepted::Metric,
        Accepted::Foreign,
        Accepted::Context,
    ];

    #[test]
    fn a_refusal_is_always_a_status_that_the_sdk_accepts() {
        for group in GROUPS {
            assert!(group.statuses().contains(&group.refusal()), "{group:?}");
        }
    }

    #[test]
    fn accepted_statuses_are_known_to_the_sdk() {
        for group in GROUPS {
            for status in group.statuses() {
                assert!(
                    !matches!(status, Status::InvalidMemoryAccess | Status::Unimplemented),
                    "{group:?}"
                );
            }
        }
    }

    #[test]
    fn codes_survive_the_way_there_and_back() {
        for code in -1..=20 {
            if let Some(status) = Status::from_code(code) {
                assert_eq!(status.code(), code);
            }
        }
    }
}
