//! The routes of the API: every path, its methods, and what each takes and returns. Dispatch and `docs/admin-api.md` are made of their
//! table.

mod table;

use std::pin::Pin;

use http::Method;
use lockgate_control::Handle;
use schemars::Schema;

pub use self::table::ROUTES;
use crate::api::Call;
use crate::error::ApiError;
use crate::response::ApiResponse;

/// A path with its methods.
pub struct Route {
    /// The path; `{name}` and `{address}` stand for one segment each.
    pub path: &'static str,
    /// Whether it needs no token.
    pub is_open: bool,
    /// Its methods. Where there is GET, HEAD is allowed too.
    pub operations: &'static [Operation],
}

/// A method of a path.
pub struct Operation {
    /// The method.
    pub method: Method,
    /// One sentence.
    pub summary: &'static str,
    /// Parameters of the query.
    pub query: &'static [Parameter],
    /// The schema of its body; none if it takes no body.
    pub body: Option<fn() -> Schema>,
    /// The body of a successful response, which has the status 200.
    pub response: Content,
    /// Errors beside those that every path has.
    pub errors: fn() -> Vec<(ApiError, &'static str)>,
    handler: Handler,
}

/// A parameter of a query.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type, default and meaning, in words.
    pub meaning: &'static str,
}

/// The body of a response.
pub enum Content {
    /// JSON by this schema.
    Json(fn() -> Schema),
    /// Plain text, in words.
    Text(&'static str),
}

type Handler = for<'a> fn(&'a Handle, Call) -> Pin<Box<dyn Future<Output = Result<ApiResponse, ApiError>> + Send + 'a>>;

/// The values of `{name}` and `{address}` in a path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl Route {
    /// The route of a path, and the names in it.
    pub(crate) fn find(path: &str) -> Option<(&'static Self, Names)> {
        ROUTES.iter().find_map(|route| Some((route, route.matches(path)?)))
    }

    fn matches(&self, path: &str) -> Option<Names> {
        let (mut wanted, mut found) = (self.path.split('/'), path.split('/'));
        let mut names = Names::default();
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return Some(names),
                (Some("{name}"), Some(value)) => names.name = decoded(value)?,
                (Some("{address}"), Some(value)) => names.address = decoded(value)?,
                (Some(wanted), Some(found)) if wanted == found => {}
                _ => return None,
            }
        }
    }

    /// The operation of a method.
    pub(crate) fn operation(&self, method: &Method) -> Result<&Operation, ApiError> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let found = self.operations.iter().find(|operation| operation.method == *method);
        found.ok_or_else(|| ApiError::MethodNotAllowed(self.allowed()))
    }

    /// The value of the header `allow`.
    fn allowed(&self) -> String {
        let names = self
            .operations
            .iter()
            .flat_map(|operation| match operation.method.as_str() {
                "GET" => vec!["GET", "HEAD"],
                method => vec![method],
            });
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Operation {
    pub(crate) async fn run(&self, handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
        (self.handler)(handle, call).await
    }
}

/// A segment of a path without percent-encoding; none if it is not UTF-8, or a percent sign encodes nothing.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            // `from_str_radix` takes a sign.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Option<(String, String)> {
        Route::find(path).map(|(_, names)| (names.name, names.address))
    }

    #[test]
    fn names_in_a_path_are_decoded() {
        for (path, name, address) in [
            ("/api/plugins/routes%2F0%3Acors", "routes/0:cors", ""),
            (
                "/api/upstreams/orders/endpoints/127.0.0.1:9001",
                "orders",
                "127.0.0.1:9001",
            ),
            ("/api/upstreams/orders/endpoints/[::1]:9001", "orders", "[::1]:9001"),
            (
                "/api/upstreams/orders/endpoints/%5B%3a%3a1%5D%3A9001",
                "orders",
                "[::1]:9001",
            ),
        ] {
            assert_eq!(names(path), Some((name.to_owned(), address.to_owned())), "{path}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_name() {
        for path in [
            "/api/plugins/%",
            "/api/plugins/%4",
            "/api/plugins/%+1",
            "/api/plugins/%ff",
            "/api/plugins/a/b",
        ] {
            assert_eq!(names(path), None, "{path}");
        }
    }
}
