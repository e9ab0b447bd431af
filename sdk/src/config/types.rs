//! The types that implement `Config` without a derive: numbers, texts, lists, maps, and those of this crate.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::de::DeserializeOwned;

use super::schema::{Kind, Schema};
use super::value::Value;
use super::{Config, NoConfig, json};
use crate::callout::Upstream;
use crate::config::duration::Duration;
use crate::error::ConfigError;
use crate::http::template::Template;

pub use crate::config::size::Size;

/// Reads a value from its text.
fn text_of<T>(value: &Value<'_>, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, ConfigError> {
    value.text().and_then(read).ok_or_else(|| value.mismatch(expected))
}

impl Config for bool {
    const SCHEMA: Schema = Schema::new(Kind::Type("boolean"));
    const DEFAULT: &'static str = "false";

    fn read(value: &Value<'_>) -> Result<bool, ConfigError> {
        match value {
            Value::Bool(value) => Ok(*value),
            other => Err(other.mismatch("true or false")),
        }
    }
}

impl Config for String {
    const SCHEMA: Schema = Schema::new(Kind::Type("string"));
    const DEFAULT: &'static str = "\"\"";

    fn read(value: &Value<'_>) -> Result<String, ConfigError> {
        text_of(value, "a text", |text| Some(text.to_owned()))
    }
}

macro_rules! whole_numbers {
    ($($number:ty: $min:literal, $max:literal, $expected:literal;)*) => { $(
        impl Config for $number {
            const SCHEMA: Schema = Schema::new(Kind::Type("integer")).between($min, $max);
            const DEFAULT: &'static str = "0";

            fn read(value: &Value<'_>) -> Result<$number, ConfigError> {
                match value {
                    Value::Number(number) => number.parse().ok(),
                    _ => None,
                }
                .ok_or_else(|| value.mismatch($expected))
            }
        }
    )* };
}
// The schema has no bounds of 64 bits: editors compute with floats, which cannot represent them.
whole_numbers! {
    u8: "0", "255", "a whole number from 0 to 255";
    u16: "0", "65535", "a whole number from 0 to 65535";
    u32: "0", "4294967295", "a whole number from 0 to 4294967295";
    u64: "0", "", "a whole number of at least 0";
    usize: "0", "4294967295", "a whole number of at least 0";
    i8: "-128", "127", "a whole number from -128 to 127";
    i16: "-32768", "32767", "a whole number from -32768 to 32767";
    i32: "-2147483648", "2147483647", "a whole number from -2147483648 to 2147483647";
    i64: "", "", "a whole number";
    isize: "-2147483648", "2147483647", "a whole number";
}

macro_rules! fractions {
    ($($number:ty),*) => { $(
        impl Config for $number {
            const SCHEMA: Schema = Schema::new(Kind::Type("number"));
            const DEFAULT: &'static str = "0";

            fn read(value: &Value<'_>) -> Result<$number, ConfigError> {
                let number: Option<$number> = match value {
                    Value::Number(number) => number.parse().ok(),
                    _ => None,
                };
                number.filter(|number| number.is_finite()).ok_or_else(|| value.mismatch("a number"))
            }
        }
    )* };
}
fractions!(f32, f64);

macro_rules! addresses {
    ($($address:ty: $more:literal, $expected:literal;)*) => { $(
        impl Config for $address {
            const SCHEMA: Schema = Schema::new(Kind::Type("string")).titled($expected).with($more);

            fn read(value: &Value<'_>) -> Result<$address, ConfigError> {
                text_of(value, $expected, |text| text.parse().ok())
            }
        }
    )* };
}
addresses! {
    Ipv4Addr: "\"format\":\"ipv4\"", "an IPv4 address";
    Ipv6Addr: "\"format\":\"ipv6\"", "an IPv6 address";
    IpAddr: "\"anyOf\":[{\"format\":\"ipv4\"},{\"format\":\"ipv6\"}]", "an IP address";
    SocketAddr: "\"pattern\":\":[0-9]+$\"", "an IP address and a port, like \"192.0.2.1:80\"";
}

impl Config for Duration {
    const SCHEMA: Schema = Schema::new(Kind::Type("string")).titled(Duration::EXPECTED).with(
        r#""format":"lockgate-duration","pattern":"^[0-9]{1,9}(\\.[0-9]{1,9})?(ms|s|m|h|d)$","examples":["250ms","5s","3m"]"#,
    );

    fn read(value: &Value<'_>) -> Result<Duration, ConfigError> {
        text_of(value, Duration::EXPECTED, Duration::parse)
    }
}

/// Written like a [`config::Duration`](Duration).
impl Config for std::time::Duration {
    const SCHEMA: Schema = <Duration as Config>::SCHEMA;

    fn read(value: &Value<'_>) -> Result<std::time::Duration, ConfigError> {
        Ok(<Duration as Config>::read(value)?.0)
    }
}

impl Config for Size {
    const SCHEMA: Schema = Schema::new(Kind::Type("string")).titled(Size::EXPECTED).with(
        r#""format":"lockgate-size","pattern":"^[0-9]{1,9}(\\.[0-9]{1,9})?(B|KB|MB|GB|KiB|MiB|GiB)$","examples":["64KiB","1MiB","10MB"]"#,
    );

    fn read(value: &Value<'_>) -> Result<Size, ConfigError> {
        text_of(value, Size::EXPECTED, Size::parse)
    }
}

impl Config for Template {
    const SCHEMA: Schema = Schema::new(Kind::Type("string"))
        .titled("a template, like \"{consumer|address}\"")
        .with(r#""examples":["{consumer|address}","{header:x-tenant}"]"#);

    fn read(value: &Value<'_>) -> Result<Template, ConfigError> {
        let text = value.text().ok_or_else(|| value.mismatch("a text"))?;
        Template::parse(text).map_err(ConfigError::new)
    }
}

impl Config for Upstream {
    const SCHEMA: Schema = Schema::new(Kind::Type("string"))
        .titled("the name of an upstream")
        // Lockgate knows the format, and refuses the name of an upstream that its configuration does not have.
        .with(r#""format":"lockgate-upstream""#)
        .with_length("1", "");

    fn read(value: &Value<'_>) -> Result<Upstream, ConfigError> {
        let name = |text: &str| (!text.is_empty()).then(|| Upstream::new(text));
        text_of(value, "the name of an upstream", name)
    }
}

impl Config for NoConfig {
    const SCHEMA: Schema = Schema::new(Kind::Object {
        properties: &[],
        is_open: false,
    });
    const DEFAULT: &'static str = "{}";

    fn read(value: &Value<'_>) -> Result<NoConfig, ConfigError> {
        super::Object::of(value, &[], true).map(|_| NoConfig {})
    }
}

impl<T: Config> Config for Option<T> {
    const SCHEMA: Schema = T::SCHEMA.or_null();
    const IS_OPTIONAL: bool = true;

    fn read(value: &Value<'_>) -> Result<Option<T>, ConfigError> {
        match value {
            Value::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}

impl<T: Config> Config for Box<T> {
    const SCHEMA: Schema = T::SCHEMA;
    const DEFAULT: &'static str = T::DEFAULT;

    fn read(value: &Value<'_>) -> Result<Box<T>, ConfigError> {
        T::read(value).map(Box::new)
    }
}

impl<T: Config> Config for Vec<T> {
    const SCHEMA: Schema = Schema::new(Kind::Array(&T::SCHEMA));
    const DEFAULT: &'static str = "[]";

    fn read(value: &Value<'_>) -> Result<Vec<T>, ConfigError> {
        let Value::List(items) = value else {
            return Err(value.mismatch("an array"));
        };
        let read = |(index, item)| T::read(item).map_err(|error| error.inside_index(index));
        items.iter().enumerate().map(read).collect()
    }
}

/// The members of an object: each name, with the value read as a `T`.
fn entries<'v, T: Config>(
    value: &'v Value<'_>,
) -> Result<impl Iterator<Item = Result<(String, T), ConfigError>> + 'v, ConfigError> {
    let Value::Object(members) = value else {
        return Err(value.mismatch("an object"));
    };
    Ok(members.iter().map(|(name, value)| match T::read(value) {
        Ok(value) => Ok((name.clone().into_owned(), value)),
        Err(error) => Err(error.inside(name)),
    }))
}

impl<T: Config> Config for BTreeMap<String, T> {
    const SCHEMA: Schema = Schema::new(Kind::Map(&T::SCHEMA));
    const DEFAULT: &'static str = "{}";

    fn read(value: &Value<'_>) -> Result<Self, ConfigError> {
        entries(value)?.collect()
    }
}

impl<K: From<String> + Eq + Hash, T: Config, S: BuildHasher + Default> Config for HashMap<K, T, S> {
    const SCHEMA: Schema = Schema::new(Kind::Map(&T::SCHEMA));
    const DEFAULT: &'static str = "{}";

    fn read(value: &Value<'_>) -> Result<Self, ConfigError> {
        entries(value)?
            .map(|entry| entry.map(|(name, value)| (K::from(name), value)))
            .collect()
    }
}

/// Any JSON value, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub String);

impl Config for Json {
    const SCHEMA: Schema = Schema::new(Kind::Any);

    fn read(value: &Value<'_>) -> Result<Json, ConfigError> {
        Ok(Json(json::text(value)))
    }
}

/// A type that only implements `Deserialize`. `serde_json` reads it and writes the error messages; there is no schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Untyped<T>(pub T);

impl<T: DeserializeOwned> Config for Untyped<T> {
    const SCHEMA: Schema = Schema::new(Kind::Any);

    fn read(value: &Value<'_>) -> Result<Untyped<T>, ConfigError> {
        let read = serde_json::from_str(&json::text(value)).map(Untyped);
        read.map_err(|error| ConfigError::new(error.to_string()))
    }
}
