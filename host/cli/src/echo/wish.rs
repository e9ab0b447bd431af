//! What a request's query asks the demo upstream to do.

use std::time::Duration;

use http::StatusCode;
use lockgate_units::{Period, Size};

/// The answer that is wanted. Parameters of other names are left alone: they belong to the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// `status=404`
    pub(super) status: StatusCode,
    /// `delay=200ms`: how long to wait before answering.
    pub(super) delay: Duration,
    /// `size=1000` or `size=1MiB`: bytes of body to answer with, instead of JSON.
    pub(super) size: Option<u64>,
    /// `cache=60`: seconds that the answer may be kept.
    pub(super) cache: Option<u32>,
}

impl Default for Wish {
    fn default() -> Self {
        Wish {
            status: StatusCode::OK,
            delay: Duration::ZERO,
            size: None,
            cache: None,
        }
    }
}

impl Wish {
    /// Reads a query string; an error says which parameter is wrong and how it should look.
    pub(super) fn parse(query: &str) -> Result<Wish, String> {
        let mut wish = Wish::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let wrong = |expected: &str| format!("{name}={value}: expected {expected}");
            match name {
                "status" => wish.status = status(value).ok_or_else(|| wrong("a status from 200 to 599"))?,
                "delay" => {
                    let Period(delay) = value.parse().map_err(|_| wrong("a duration such as 200ms"))?;
                    wish.delay = delay;
                }
                "size" => wish.size = Some(size(value).ok_or_else(|| wrong("a size such as 1000 or 64KiB"))?),
                "cache" => wish.cache = Some(value.parse().map_err(|_| wrong("whole seconds"))?),
                _ => {}
            }
        }
        Ok(wish)
    }
}

/// An interim status would not end the exchange, so there is none below 200.
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
    fn an_ordinary_query_asks_for_nothing() {
        assert_eq!(Wish::parse(""), Ok(Wish::default()));
        assert_eq!(Wish::parse("page=2&flag&status_code=404"), Ok(Wish::default()));
    }

    #[test]
    fn every_knob_is_read() {
        let wish = Wish::parse("status=404&delay=200ms&size=64KiB&cache=60").expect("four good knobs");
        assert_eq!(
            wish,
            Wish {
                status: StatusCode::NOT_FOUND,
                delay: Duration::from_millis(200),
                size: Some(65536),
                cache: Some(60)
            }
        );
        assert_eq!(Wish::parse("size=1000").expect("bytes").size, Some(1000));
    }

    #[test]
    fn a_knob_that_makes_no_sense_is_named() {
        for query in [
            "status=abc",
            "status=99",
            "status=100",
            "status=600",
            "delay=5",
            "size=big",
            "cache=-1",
        ] {
            let error = Wish::parse(query).expect_err(query);
            assert!(error.starts_with(query), "{error}");
        }
    }
}
