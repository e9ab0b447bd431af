//! The time in which certificates are valid, from their DER (RFC 5280, section 4.1.2.5). Nothing is verified here.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::der::{Reader, SEQUENCE};
use crate::pem_files;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version.
const VERSION: u8 = 0xa0;

/// When all certificates of a file are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The latest beginning.
    pub from: SystemTime,
    /// The earliest end.
    pub until: SystemTime,
}

/// The validity of the certificates in a PEM file; none if the file has no certificate that can be read. Blocks on the file system.
pub fn validity(file: &Path) -> Option<Validity> {
    let certificates = pem_files::certificates(file).ok()?;
    let all = certificates.iter().filter_map(|certificate| of(certificate));
    all.reduce(|one, other| Validity {
        from: one.from.max(other.from),
        until: one.until.min(other.until),
    })
}

/// The first and the last second in which a certificate is valid, since 1970; none if it cannot be read.
pub(crate) fn seconds(der: &[u8]) -> Option<(u64, u64)> {
    let validity = of(der)?;
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
    Some((since(validity.from)?, since(validity.until)?))
}

fn of(der: &[u8]) -> Option<Validity> {
    let mut certificate = Reader::of(Reader::of(der).content(SEQUENCE)?);
    let mut body = Reader::of(certificate.content(SEQUENCE)?);
    body.content(VERSION);
    body.content(INTEGER)?;
    let _signature = body.content(SEQUENCE)?;
    let _issuer = body.content(SEQUENCE)?;
    let mut times = Reader::of(body.content(SEQUENCE)?);
    Some(Validity {
        from: time(times.next()?)?,
        until: time(times.next()?)?,
    })
}

/// `YYMMDDHHMMSSZ`, where 50 is 1950, or `YYYYMMDDHHMMSSZ`. A time before 1970 is 1970.
fn time((tag, text): (u8, &[u8])) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    let number = |from: usize, to: usize| {
        let digits = std::str::from_utf8(digits.get(from..to)?).ok()?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse::<u64>().ok())?
    };
    let (year, at) = match tag {
        UTC_TIME => {
            let year = number(0, 2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        GENERALIZED_TIME => (number(0, 4)?, 4),
        _ => return None,
    };
    let part = |nth: usize| number(at + 2 * nth, at + 2 * nth + 2);
    let (month, day) = (part(0)?, part(1)?);
    let seconds = part(2)? * 3600 + part(3)? * 60 + part(4)?;
    let days = days_before(year, month)? + day.checked_sub(1)?;
    Some(UNIX_EPOCH + Duration::from_secs(days * 86_400 + seconds))
}

/// Days from 1970-01-01 to the first of a month; 0 for earlier ones.
fn days_before(year: u64, month: u64) -> Option<u64> {
    const DAYS: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let of_year = *DAYS.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if year < 1970 {
        return Some(0);
    }
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let leap_day = u64::from(is_leap && month > 2);
    Some((year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + of_year + leap_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<u64> {
        let time = time((tag, text.as_bytes()))?;
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        // By `date -u -d … +%s`.
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(UTC_TIME, "500101000000Z"), Some(0));
        assert_eq!(seconds(GENERALIZED_TIME, "20240229120000Z"), Some(1_709_208_000));
        assert_eq!(seconds(GENERALIZED_TIME, "20240301000000Z"), Some(1_709_251_200));
        assert_eq!(seconds(GENERALIZED_TIME, "21000301000000Z"), Some(4_107_542_400));
        for text in [
            "",
            "Z",
            "20241301000000Z",
            "2024022912000Z",
            "20240200000000Z",
            "+02402291200000",
        ] {
            assert_eq!(seconds(GENERALIZED_TIME, text), None, "{text}");
        }
    }
}
