//! The functions that the code of `#[derive(Config)]` calls to read structs and enums.

use super::Config;
use super::nearest::nearest;
use super::value::{Value, quoted};
use crate::error::ConfigError;
use crate::text::push_number;

/// The description of an object's member.
#[derive(Debug)]
pub struct Member<T> {
    /// The name.
    pub name: &'static str,
    /// The default.
    pub default: Default<T>,
    /// Whether messages must not show the value.
    pub is_secret: bool,
}

/// The default of a member.
#[derive(Debug)]
pub enum Default<T> {
    /// None: the member is required, unless its type may be omitted.
    None,
    /// A value as JSON.
    Json(&'static str),
    /// The result of a function.
    Function(fn() -> T),
}

/// Why a check refuses a value of the right type.
#[derive(Debug)]
pub enum CheckError {
    /// The description of the accepted values.
    Expected(&'static str),
    /// A complete message.
    Message(String),
}

impl From<String> for CheckError {
    fn from(message: String) -> CheckError {
        CheckError::Message(message)
    }
}

impl From<&str> for CheckError {
    fn from(message: &str) -> CheckError {
        CheckError::Message(message.to_owned())
    }
}

impl From<ConfigError> for CheckError {
    fn from(error: ConfigError) -> CheckError {
        CheckError::Message(error.message().to_owned())
    }
}

/// An object with known member names.
#[derive(Debug)]
pub struct Object<'v, 'a> {
    members: &'v [(std::borrow::Cow<'a, str>, Value<'a>)],
}

impl<'v, 'a> Object<'v, 'a> {
    /// `value` as an object. If `is_closed`, only the names in `known` are allowed.
    ///
    /// # Errors
    /// If it is not an object, or has an unknown name.
    pub fn of(value: &'v Value<'a>, known: &[&str], is_closed: bool) -> Result<Object<'v, 'a>, ConfigError> {
        let Value::Object(members) = value else {
            return Err(value.mismatch("an object"));
        };
        let unknown = members.iter().find(|(name, _)| !known.contains(&&**name));
        match unknown.filter(|_| is_closed) {
            None => Ok(Object { members }),
            Some((name, _)) => {
                let free = known
                    .iter()
                    .filter(|known| members.iter().all(|(name, _)| name != *known));
                let message = with_suggestion(&["unknown key ", &quoted(name)].concat(), name, known, free);
                Err(ConfigError::new(message).inside(name))
            }
        }
    }

    #[inline(never)]
    fn find(&self, name: &str) -> Option<&'v Value<'a>> {
        let found = self.members.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// A member, or its default.
    ///
    /// # Errors
    /// If it is missing, is not a `T`, or `check` refuses it.
    pub fn member<T: Config>(
        &self,
        member: &Member<T>,
        check: impl FnOnce(&T) -> Result<(), CheckError>,
    ) -> Result<T, ConfigError> {
        let Some(found) = self.find(member.name) else {
            return match member.default {
                Default::None => T::absent().ok_or_else(|| missing(member.name)),
                Default::Json(json) => super::parse_value(json).map_err(|error| error.inside(member.name)),
                Default::Function(make) => Ok(make()),
            };
        };
        checked(found, check).map_err(|error| member_error(error, member.name, member.is_secret))
    }
}

// Not inlined, as they would be in the code of each member.

#[cold]
#[inline(never)]
fn missing(name: &str) -> ConfigError {
    ConfigError::new(["the key ", &quoted(name), " is missing"].concat())
}

#[cold]
#[inline(never)]
fn member_error(error: ConfigError, name: &str, is_secret: bool) -> ConfigError {
    if is_secret { error.redacted() } else { error }.inside(name)
}

/// The value of a type with one unnamed field.
///
/// # Errors
/// If it is not a `T`, or `check` refuses it.
pub fn checked<T: Config>(
    value: &Value<'_>,
    check: impl FnOnce(&T) -> Result<(), CheckError>,
) -> Result<T, ConfigError> {
    let read = T::read(value)?;
    match check(&read) {
        Ok(()) => Ok(read),
        Err(CheckError::Expected(expected)) => Err(value.mismatch(expected)),
        Err(CheckError::Message(message)) => Err(ConfigError::new(message)),
    }
}

/// The tag of an object: the text of the member that names its variant.
///
/// # Errors
/// If it is missing, or not in `variants`.
pub fn tag<'v>(value: &'v Value<'_>, name: &str, variants: &[&str]) -> Result<&'v str, ConfigError> {
    let Value::Object(members) = value else {
        return Err(value.mismatch("an object"));
    };
    match members.iter().find(|(known, _)| known == name) {
        Some((_, value)) => choice(value, variants).map_err(|error| error.inside(name)),
        None => Err(ConfigError::new(
            [
                "the key ",
                &quoted(name),
                " is missing, expected ",
                &name_list(variants),
            ]
            .concat(),
        )),
    }
}

/// The variant of an externally tagged enum: a name in `plain` as a text, or a name in `rich` as the only member of an
/// object, with its data.
///
/// # Errors
/// If it is none of them.
pub fn variant<'v, 'a>(
    value: &'v Value<'a>,
    plain: &[&str],
    rich: &[&str],
) -> Result<(&'v str, Option<&'v Value<'a>>), ConfigError> {
    match value {
        Value::Object(members) => match members.as_slice() {
            [(name, data)] if rich.contains(&&**name) => Ok((name, Some(data))),
            [(name, _)] => {
                let message = with_suggestion(&["unknown key ", &quoted(name)].concat(), name, rich, rich.iter());
                Err(ConfigError::new(message).inside(name))
            }
            several => {
                let mut message = "found ".to_owned();
                push_number(&mut message, several.len() as u64);
                Err(ConfigError::new(message + " keys, expected one: " + &name_list(rich)))
            }
        },
        Value::Text(text) if !plain.contains(&&**text) && rich.contains(&&**text) => {
            Err(value.mismatch("an object with this key"))
        }
        Value::Text(_) if !plain.is_empty() => Ok((choice(value, plain)?, None)),
        other => Err(other.mismatch(&["one of ", &name_list(&[plain, rich].concat())].concat())),
    }
}

/// A function that reads one variant.
pub type Reader<T> = fn(&Value<'_>) -> Result<T, ConfigError>;

/// The value of an untagged enum: that of the first reader that accepts it.
///
/// # Errors
/// If none does: the error at the deepest place.
pub fn untagged<T>(value: &Value<'_>, readers: &[Reader<T>]) -> Result<T, ConfigError> {
    let mut furthest: Option<ConfigError> = None;
    let mut expected: Vec<String> = Vec::new();
    for read in readers {
        let error = match read(value) {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        if error.pointer().is_empty() {
            expected.extend(
                error
                    .message()
                    .split_once(", expected ")
                    .map(|(_, expected)| expected.to_owned()),
            );
        }
        let steps = |error: &ConfigError| error.pointer().matches('/').count();
        if furthest.as_ref().is_none_or(|known| steps(&error) > steps(known)) {
            furthest = Some(error);
        }
    }
    match furthest {
        Some(error) if !error.pointer().is_empty() || expected.len() < 2 => Err(error),
        _ => Err(value.mismatch(&expected.join(" or "))),
    }
}

/// One of these texts.
///
/// # Errors
/// If it is none of them.
pub fn choice<'v>(value: &'v Value<'_>, known: &[&str]) -> Result<&'v str, ConfigError> {
    match value.text() {
        Some(text) if known.contains(&text) => Ok(text),
        Some(text) => Err(ConfigError::new(with_suggestion(
            &["found ", &quoted(text)].concat(),
            text,
            known,
            known.iter(),
        ))),
        None => Err(value.mismatch(&name_list(known))),
    }
}

/// `found, expected "a" or "b"; did you mean "a"?`
fn with_suggestion<'k>(found: &str, name: &str, known: &[&str], near: impl Iterator<Item = &'k &'k str>) -> String {
    let mut message = found.to_owned();
    if !known.is_empty() {
        message.push_str(", expected ");
        message.push_str(&name_list(known));
    }
    if let Some(near) = nearest(name, near.copied()) {
        message.push_str("; did you mean ");
        message.push_str(&quoted(near));
        message.push('?');
    }
    message
}

/// `"a", "b" or "c"`.
fn name_list(names: &[&str]) -> String {
    let mut out = String::new();
    for (index, name) in names.iter().enumerate() {
        out.push_str(match index {
            0 => "",
            last if last + 1 == names.len() => " or ",
            _ => ", ",
        });
        out.push_str(&quoted(name));
    }
    out
}
