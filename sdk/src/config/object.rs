//! What the derive writes its readers with.

use super::Config;
use super::nearest::nearest;
use super::value::{Value, quoted};
use crate::error::ConfigError;
use crate::text::push_number;

/// A member of an object, as the derive knows it.
#[derive(Debug)]
pub struct Member<T> {
    /// Its name.
    pub name: &'static str,
    /// What it is when it is not there.
    pub default: Default<T>,
    /// No message shows its value.
    pub is_secret: bool,
}

/// What a member is that is not there.
#[derive(Debug)]
pub enum Default<T> {
    /// It must be there, unless its type knows better.
    None,
    /// This JSON.
    Json(&'static str),
    /// What this makes.
    Function(fn() -> T),
}

/// Why a value of the right type is not taken.
#[derive(Debug)]
pub enum CheckError {
    /// What was expected instead.
    Expected(&'static str),
    /// In words.
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

/// An object whose names are known.
#[derive(Debug)]
pub struct Object<'v, 'a> {
    members: &'v [(std::borrow::Cow<'a, str>, Value<'a>)],
}

impl<'v, 'a> Object<'v, 'a> {
    /// `value` as an object; `known` are the names that it may have, if no others are allowed.
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
    /// It is missing, is no `T`, or `check` does not like it.
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

// Apart, as every member of every plugin would carry them.

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

/// A value that stands for a type of one field.
///
/// # Errors
/// It is no `T`, or `check` does not like it.
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

/// The text of the member that says which variant an object is.
///
/// # Errors
/// It is not there, or none of `variants`.
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

/// Which variant a value is: one of `plain` as a text, or one of `rich` as the only name of an object, with its data.
///
/// # Errors
/// It is none of them.
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

/// Reads a value of one shape.
pub type Reader<T> = fn(&Value<'_>) -> Result<T, ConfigError>;

/// What the first of these readers makes that takes the value.
///
/// # Errors
/// None takes it. The one that came furthest tells why.
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

/// One of a few texts.
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
