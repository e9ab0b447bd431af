//! The ways in which a message can be malformed, each with its code and its text.

/// Why a request, or an upstream's response, is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// A request line that is not method, target and version with single spaces.
    RequestLine,
    /// The request target is not a path (nor `*` for OPTIONS).
    Target,
    /// A fragment in the request target, which is for clients alone.
    Fragment,
    /// `%` without two hexadecimal digits after it.
    Escape,
    /// `%2F`, `%5C`, `%00`, a double encoding, a backslash, or a dot segment with parameters, on a listener that rejects them.
    AmbiguousPath,
    /// A path that a route's `rewrite` or `redirect` with an expression made, and that is no normal path.
    RewrittenPath,
    /// A line of the head that does not end in a carriage return and a line feed, or one of these elsewhere.
    LineEnd,
    /// NUL or another control character in the head.
    ControlCharacter,
    /// A line of the head that begins with a blank.
    Folding,
    /// A field whose name is no token, or has no colon directly after it.
    FieldName,
    /// A field name that upstreams read in different ways, on a listener that rejects it.
    AmbiguousName,
    /// A field value that begins or ends with a blank, which HTTP/2 does not allow.
    OuterBlank,
    /// HTTP/1.1 without `Host`, HTTP/2 without `:authority`.
    HostMissing,
    /// More than one `Host`, or one that contradicts the request target.
    HostConflict,
    /// A `Host` that is no host, with or without a port.
    HostInvalid,
    /// A `Content-Length` that is not one decimal number.
    ContentLength,
    /// `Transfer-Encoding` that is not exactly `chunked` on HTTP/1.1.
    TransferEncoding,
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// HTTP/2 with a field that belongs to an HTTP/1 connection.
    ConnectionField,
    /// `CONNECT`, which a gateway does not support.
    Connect,
    /// A body that broke off or whose chunks are malformed.
    Body,
}

impl Malformed {
    /// See [`super::Problem::code`].
    pub fn code(self) -> &'static str {
        match self {
            Self::RequestLine => "malformed_request_line",
            Self::Target => "malformed_target",
            Self::Fragment => "fragment",
            Self::Escape => "malformed_escape",
            Self::AmbiguousPath => "ambiguous_path",
            Self::RewrittenPath => "rewritten_path",
            Self::LineEnd => "malformed_line_end",
            Self::ControlCharacter => "control_character",
            Self::Folding => "folded_line",
            Self::FieldName => "malformed_field_name",
            Self::AmbiguousName => "ambiguous_field_name",
            Self::OuterBlank => "outer_blank",
            Self::HostMissing => "host_missing",
            Self::HostConflict => "host_conflict",
            Self::HostInvalid => "host_invalid",
            Self::ContentLength => "malformed_content_length",
            Self::TransferEncoding => "malformed_transfer_encoding",
            Self::TwoLengths => "two_lengths",
            Self::ConnectionField => "connection_field",
            Self::Connect => "connect",
            Self::Body => "malformed_body",
        }
    }

    /// See [`super::Problem::detail`].
    pub fn detail(self) -> &'static str {
        match self {
            Self::RequestLine => "The request line must be method, target and version, with single spaces.",
            Self::Target => "The request target is not a path.",
            Self::Fragment => "The request target contains a fragment.",
            Self::Escape => "The path contains a percent sign without two hexadecimal digits after it.",
            Self::AmbiguousPath => {
                "The path contains a backslash, a double encoding, or an escaped slash, backslash or NUL."
            }
            Self::RewrittenPath => "The path cannot be forwarded: rewritten by its route, it is no normal path.",
            Self::LineEnd => "Every line of the header section must end in a carriage return and a line feed.",
            Self::ControlCharacter => "The header section contains a control character.",
            Self::Folding => "No line of the header section may begin with a space or tab.",
            Self::FieldName => "A field name must be a token, directly followed by a colon.",
            Self::AmbiguousName => "A field name contains a character other than letters, digits and hyphens.",
            Self::OuterBlank => "No field value may begin or end with a space or tab.",
            Self::HostMissing => "The request names no host.",
            Self::HostConflict => "The request names more than one host.",
            Self::HostInvalid => "The request's host is not valid.",
            Self::ContentLength => "Content-Length must be one decimal number.",
            Self::TransferEncoding => "Transfer-Encoding must be exactly \"chunked\", and only in HTTP/1.1.",
            Self::TwoLengths => "Content-Length and Transfer-Encoding exclude each other.",
            Self::ConnectionField => "HTTP/2 does not allow connection-specific fields.",
            Self::Connect => "CONNECT is not supported.",
            Self::Body => "The request body is incomplete or malformed.",
        }
    }
}
