//! [`GrpcStatus`]: how a gRPC call or stream has ended.

use std::fmt;

/// A status of gRPC, by its number. Its constants are those of the
/// [standard](https://grpc.io/docs/guides/status-codes/); an upstream may send any other number, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrpcStatus(pub u32);

/// Declares the statuses: a constant for each, and its name.
macro_rules! statuses {
    ($($(#[$about:meta])* $name:ident = $code:literal,)+) => {
        impl GrpcStatus {
            $($(#[$about])* pub const $name: GrpcStatus = GrpcStatus($code);)+

            /// The name, like `PERMISSION_DENIED`; none for a number that the standard does not know.
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
    /// It went well.
    OK = 0,
    /// Given up by who asked.
    CANCELLED = 1,
    /// No reason that can be told.
    UNKNOWN = 2,
    /// What was asked makes no sense, whatever the state of the upstream is.
    INVALID_ARGUMENT = 3,
    /// It took too long.
    DEADLINE_EXCEEDED = 4,
    /// There is no such thing.
    NOT_FOUND = 5,
    /// There is such a thing already.
    ALREADY_EXISTS = 6,
    /// Who asks may not.
    PERMISSION_DENIED = 7,
    /// A quota or a space is used up.
    RESOURCE_EXHAUSTED = 8,
    /// The upstream is not in the state that this takes.
    FAILED_PRECONDITION = 9,
    /// Something else happened at the same time.
    ABORTED = 10,
    /// Past the end.
    OUT_OF_RANGE = 11,
    /// The upstream has no such method.
    UNIMPLEMENTED = 12,
    /// The upstream, or its answer, is broken.
    INTERNAL = 13,
    /// The upstream cannot be reached, or not now.
    UNAVAILABLE = 14,
    /// Data are lost.
    DATA_LOSS = 15,
    /// It is not known who asks.
    UNAUTHENTICATED = 16,
}

impl GrpcStatus {
    /// Its number.
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
