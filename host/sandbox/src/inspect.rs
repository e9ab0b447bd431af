//! stub
/// Which callbacks a module exports. The chain skips a plugin in phases that it has no hook for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `proxy_on_request_headers`
    pub request_headers: bool,
    /// `proxy_on_request_body`
    pub request_body: bool,
    /// `proxy_on_request_trailers`
    pub request_trailers: bool,
    /// `proxy_on_response_headers`
    pub response_headers: bool,
    /// `proxy_on_response_body`
    pub response_body: bool,
    /// `proxy_on_response_trailers`
    pub response_trailers: bool,
    /// `proxy_on_done`, `proxy_on_log` or `proxy_on_delete`
    pub finish: bool,
}
