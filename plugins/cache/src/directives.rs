//! [`Directives`]: the directives of a `Cache-Control` header (RFC 9111, section 5.2). No host call is made here.

/// The directives that a shared cache obeys, of a request or a response.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) only_if_cached: bool,
    /// In seconds.
    pub(crate) max_age: Option<u64>,
    /// In seconds.
    pub(crate) s_maxage: Option<u64>,
    /// In seconds.
    pub(crate) min_fresh: Option<u64>,
}

impl Directives {
    /// Adds a line of the header. Of a repeated directive, the stricter one counts. An invalid number counts as 0. The
    /// forms with field names (`private="x"`) count as those without, which is stricter.
    pub(crate) fn add(&mut self, line: &str) {
        for item in items(line) {
            let (name, argument) = item.split_once('=').unwrap_or((item, ""));
            self.take(name.trim_end(), argument.trim_start());
        }
    }

    fn take(&mut self, name: &str, argument: &str) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("private") {
            self.private = true;
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") || is("proxy-revalidate") {
            self.must_revalidate |= is("must-revalidate");
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            self.max_age = Some(seconds(argument).min(self.max_age.unwrap_or(u64::MAX)));
        } else if is("s-maxage") {
            self.s_maxage = Some(seconds(argument).min(self.s_maxage.unwrap_or(u64::MAX)));
        } else if is("min-fresh") {
            self.min_fresh = Some(seconds(argument).max(self.min_fresh.unwrap_or(0)));
        }
    }
}

/// The largest number of seconds that the specification requires caches to support: 2³¹.
const MAX_SECONDS: u64 = 1 << 31;

/// Delta-seconds (RFC 9111, section 1.2.2). An invalid number is 0; a larger one is 2³¹.
pub(crate) fn seconds(text: &str) -> u64 {
    let digits = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    digits.parse().unwrap_or(MAX_SECONDS).min(MAX_SECONDS)
}

/// The items of a comma-separated list. Commas inside quotes are no separators.
fn items(line: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let separated = line.split(move |character| {
        let is_separator = character == ',' && !is_quoted;
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        is_separator
    });
    separated.map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Directives {
        let mut directives = Directives::default();
        directives.add(line);
        directives
    }

    #[test]
    fn directives_are_read_whatever_their_case_and_spacing() {
        let expected = Directives {
            public: true,
            max_age: Some(60),
            s_maxage: Some(10),
            ..Directives::default()
        };
        assert_eq!(read("public,Max-Age=60 ,\tS-MAXAGE = \"10\", , unknown=1"), expected);
        let mut lines = read("public");
        lines.add("max-age=60, s-maxage=10");
        assert_eq!(lines, expected);
        assert_eq!(read(""), Directives::default());
    }

    #[test]
    fn a_directive_inside_quotes_is_ignored() {
        assert!(!read(r#"ext="a, no-store, \", private""#).no_store);
        assert!(!read(r#"ext="a, no-store, \", private""#).private);
        assert!(read(r#"private="set-cookie, x", no-cache="y""#).private);
        assert!(read(r#"private="set-cookie, x", no-cache="y""#).no_cache);
    }

    #[test]
    fn the_stricter_of_two_counts_and_no_number_is_zero() {
        assert_eq!(read("max-age=60, max-age=10").max_age, Some(10));
        assert_eq!(read("min-fresh=1, min-fresh=10").min_fresh, Some(10));
        for none in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x"] {
            assert_eq!(read(none).max_age, Some(0), "{none}");
        }
        assert_eq!(read("max-age=99999999999999999999999").max_age, Some(MAX_SECONDS));
    }
}
