//! [`Status`]: the result codes of host calls.

/// The status of a failed host call: every one but `OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// 1: the header, property, map or function does not exist, or not in this phase.
    NotFound,
    /// 2: the host does not accept an argument.
    BadArgument,
    /// 3: a value could not be serialized.
    SerializationFailure,
    /// 4: a message could not be parsed.
    ParseFailure,
    /// 6: a pointer outside the guest's memory.
    InvalidMemoryAccess,
    /// 7: the queue is empty.
    Empty,
    /// 8: the value has changed since it was read.
    CasMismatch,
    /// 10: the host failed.
    InternalFailure,
    /// 12: the host does not implement this call.
    Unimplemented,
    /// Any other number.
    Other(u32),
}

impl Status {
    /// The result of a host call that returned this number; 0 (`OK`) is `Ok(())`.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        allow(dead_code, reason = "the host in memory returns statuses, not numbers")
    )]
    // Every host call checks its status, and modules are built for size, so that the compiler would not inline this by
    // itself.
    #[inline(always)]
    pub(crate) fn check(code: u32) -> Result<(), Status> {
        if code == 0 { Ok(()) } else { Err(Status::of(code)) }
    }

    /// The status with this number, other than 0.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        allow(dead_code, reason = "the host in memory returns statuses, not numbers")
    )]
    #[inline(never)]
    fn of(code: u32) -> Status {
        match code {
            1 => Status::NotFound,
            2 => Status::BadArgument,
            3 => Status::SerializationFailure,
            4 => Status::ParseFailure,
            6 => Status::InvalidMemoryAccess,
            7 => Status::Empty,
            8 => Status::CasMismatch,
            10 => Status::InternalFailure,
            12 => Status::Unimplemented,
            other => Status::Other(other),
        }
    }

    /// The name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Status::NotFound => "NOT_FOUND",
            Status::BadArgument => "BAD_ARGUMENT",
            Status::SerializationFailure => "SERIALIZATION_FAILURE",
            Status::ParseFailure => "PARSE_FAILURE",
            Status::InvalidMemoryAccess => "INVALID_MEMORY_ACCESS",
            Status::Empty => "EMPTY",
            Status::CasMismatch => "CAS_MISMATCH",
            Status::InternalFailure => "INTERNAL_FAILURE",
            Status::Unimplemented => "UNIMPLEMENTED",
            Status::Other(_) => "an unknown status",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_wasm::types;

    #[test]
    fn the_statuses_are_those_of_the_proxy_wasm_crate() {
        let check = |status: types::Status| Status::check(status as u32);
        assert_eq!(check(types::Status::Ok), Ok(()));
        assert_eq!(check(types::Status::NotFound), Err(Status::NotFound));
        assert_eq!(check(types::Status::BadArgument), Err(Status::BadArgument));
        assert_eq!(
            check(types::Status::SerializationFailure),
            Err(Status::SerializationFailure)
        );
        assert_eq!(check(types::Status::ParseFailure), Err(Status::ParseFailure));
        assert_eq!(check(types::Status::Empty), Err(Status::Empty));
        assert_eq!(check(types::Status::CasMismatch), Err(Status::CasMismatch));
        assert_eq!(check(types::Status::InternalFailure), Err(Status::InternalFailure));
        assert_eq!(Status::check(4_000_000_000), Err(Status::Other(4_000_000_000)));
    }
}
