//! The formats of schemas that a plugin's configuration and cases files share with gateway.json: durations and sizes.

use lockgate_json::Format;
use lockgate_units::{Period, Size};

/// `lockgate-duration` and `lockgate-size`.
pub const FORMATS: &[Format] = &[
    Format {
        name: "lockgate-duration",
        noun: "a duration",
        expected: Period::EXPECTED,
        parse: |text| text.parse::<Period>().ok().map(|period| period.0.as_nanos()),
        hint_for_number: |number| format!("write \"{number}s\" for seconds, \"{number}ms\" for milliseconds"),
    },
    Format {
        name: "lockgate-size",
        noun: "a size",
        expected: Size::EXPECTED,
        parse: |text| text.parse::<Size>().ok().map(|size| size.bytes().into()),
        hint_for_number: |number| format!("write \"{number}B\" for bytes, \"{number}KiB\" for units of 1024 bytes"),
    },
];
