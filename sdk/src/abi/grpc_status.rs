//! [`GrpcStatus`]: the status that ends a gRPC call or stream.

use std::fmt;

/// A gRPC status, by its number. The constants are those of the
/// [standard](https://grpc.io/docs/guides/status-codes/). An upstream may send any other number, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrpcStatus(pub u32);

/// Declares the statuses: a constant for each, and its name.
macro_rules! statuses {
    ($($(#[$about:meta])* $name:ident = $code:literal,)+) => {
        impl GrpcStatus {
            $($(#[$about])* pub const $name: GrpcStatus = GrpcStatus($code);)+

            /// The name, like `PERMISSION_DENIED`; `None` for a number that the standard does not define.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// Success.
    OK = 0,
    /// The caller cancelled the call.
    CANCELLED = 1,
    /// Unknown error.
    UNKNOWN = 2,
    /// An argument is invalid, regardless of the upstream's state.
    INVALID_ARGUMENT = 3,
    /// The deadline passed before the call was complete.
    DEADLINE_EXCEEDED = 4,
    /// The requested entity does not exist.
    NOT_FOUND = 5,
    /// The entity to create exists already.
    ALREADY_EXISTS = 6,
    /// The caller is not permitted to do this.
    PERMISSION_DENIED = 7,
    /// A quota or another resource is exhausted.
    RESOURCE_EXHAUSTED = 8,
    /// The upstream is not in the state that the call requires.
    FAILED_PRECONDITION = 9,
    /// The call was aborted, for example by a concurrent change.
    ABORTED = 10,
    /// The call went past the valid range.
    OUT_OF_RANGE = 11,
    /// The upstream does not implement the method.
    UNIMPLEMENTED = 12,
    /// An internal error of the upstream, or a malformed response.
    INTERNAL = 13,
    /// The upstream is unavailable; another try may succeed.
    UNAVAILABLE = 14,
    /// Data were lost or corrupted.
    DATA_LOSS = 15,
    /// The caller is not authenticated.
    UNAUTHENTICATED = 16,
}

impl GrpcStatus {
    /// The number.
    pub fn code(self) -> u32 {
        self.0
    }
}

impl From<u32> for GrpcStatus {
    fn from(code: u32) -> GrpcStatus {
        GrpcStatus(code)
    }
}

impl PartialEq<u32> for GrpcStatus {
    fn eq(&self, code: &u32) -> bool {
        self.0 == *code
    }
}

/// The number.
impl fmt::Display for GrpcStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_standard() {
        let names = (0..18).map(|code| GrpcStatus(code).name());
        let ends: Vec<_> = names.collect();
        assert_eq!(ends[0], Some("OK"));
        assert_eq!(ends[7], Some("PERMISSION_DENIED"));
        assert_eq!(ends[16], Some("UNAUTHENTICATED"));
        assert_eq!(ends[17], None);
        assert_eq!(GrpcStatus::UNAVAILABLE, 14);
    }
}
