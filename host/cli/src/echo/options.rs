//! The options of a response, from the request's query.

use std::time::Duration;

use http::StatusCode;
use lockgate_units::{Period, Size};

/// Options of a response. Other parameters are ignored: they belong to the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResponseOptions {
    /// `status=404`
    pub(super) status: StatusCode,
    /// `delay=200ms`: time before the response.
    pub(super) delay: Duration,
    /// `size=1000` or `size=1MiB`: size of a body instead of JSON.
    pub(super) size: Option<u64>,
    /// `cache=60`: seconds for which the response may be cached.
    pub(super) cache: Option<u32>,
}

impl Default for ResponseOptions {
    fn default() -> Self {
        ResponseOptions {
            status: StatusCode::OK,
            delay: Duration::ZERO,
            size: None,
            cache: None,
        }
    }
}

impl ResponseOptions {
    /// Parses a query. An error names the parameter and the expected form.
    pub(super) fn parse(query: &str) -> Result<ResponseOptions, String> {
        let mut options = ResponseOptions::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let wrong = |expected: &str| format!("{name}={value}: expected {expected}");
            match name {
                "status" => options.status = status(value).ok_or_else(|| wrong("a status from 200 to 599"))?,
                "delay" => {
                    let Period(delay) = value.parse().map_err(|_| wrong("a duration such as 200ms"))?;
                    options.delay = delay;
                }
                "size" => options.size = Some(size(value).ok_or_else(|| wrong("a size such as 1000 or 64KiB"))?),
                "cache" => options.cache = Some(value.parse().map_err(|_| wrong("whole seconds"))?),
                _ => {}
            }
        }
        Ok(options)
    }
}

/// Parses a final status: one below 200 would not end the exchange.
fn status(text: &str) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(text.as_bytes()).ok()?;
    (200..600).contains(&status.as_u16()).then_some(status)
}

fn size(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| text.parse().ok().map(|Size(bytes)| bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_parameters_are_ignored() {
        assert_eq!(ResponseOptions::parse(""), Ok(ResponseOptions::default()));
        assert_eq!(
            ResponseOptions::parse("page=2&flag&status_code=404"),
            Ok(ResponseOptions::default())
        );
    }

    #[test]
    fn all_options_are_read() {
        let options = ResponseOptions::parse("status=404&delay=200ms&size=64KiB&cache=60").expect("four valid options");
        assert_eq!(
            options,
            ResponseOptions {
                status: StatusCode::NOT_FOUND,
                delay: Duration::from_millis(200),
                size: Some(65536),
                cache: Some(60)
            }
        );
        assert_eq!(ResponseOptions::parse("size=1000").expect("bytes").size, Some(1000));
    }

    #[test]
    fn an_error_names_the_invalid_option() {
        for query in [
            "status=abc",
            "status=99",
            "status=100",
            "status=600",
            "delay=5",
            "size=big",
            "cache=-1",
        ] {
            let error = ResponseOptions::parse(query).expect_err(query);
            assert!(error.starts_with(query), "{error}");
        }
    }
}
