//! Durations: read as Go writes them (`1h30m`, `1.5s`), written as gateway.json has them (`90m`, `1500ms`).

use std::time::Duration;

/// Units, the largest first, in nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration of Go's `time.ParseDuration`, not negative. None: the text is none.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let unit = if unit == "µs" { "us" } else { unit };
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(amount(number, *size)?)?;
        rest = behind;
    }
    let nanos = u64::try_from(total).ok()?;
    (!text.trim_start_matches('+').is_empty()).then(|| Duration::from_nanos(nanos))
}

/// A decimal number of units, in nanoseconds.
fn amount(number: &str, size: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 20 || whole.len() > 20 {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u128>().ok()
        }
    };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = digits(fraction)?.checked_mul(size)? / scale;
    digits(whole)?.checked_mul(size)?.checked_add(part)
}

/// The text in gateway.json, in the largest unit that needs no fraction. Less than a microsecond becomes one.
pub(crate) fn written(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let nanos = duration.as_nanos().max(1_000) / 1_000 * 1_000;
    let unit = UNITS.iter().find(|(_, size)| nanos.is_multiple_of(*size));
    let (name, size) = unit.copied().unwrap_or(("us", 1_000));
    format!("{}{name}", nanos / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_become_those_of_gateway_json() {
        for (text, expected) in [
            ("3m", "3m"),
            ("1s", "1s"),
            ("90s", "90s"),
            ("1h30m", "90m"),
            ("1.5s", "1500ms"),
            ("0.5h", "30m"),
            (".25s", "250ms"),
            ("100ms", "100ms"),
            ("5us", "5us"),
            ("5µs", "5us"),
            ("10ns", "1us"),
            ("0", "0s"),
            ("0s", "0s"),
            ("24h", "24h"),
            ("3600s", "1h"),
        ] {
            assert_eq!(parse(text).map(written).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "+",
            "3",
            "-3s",
            "m",
            "3 m",
            "1.2.3s",
            ".s",
            "3d",
            "99999999999999999999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
