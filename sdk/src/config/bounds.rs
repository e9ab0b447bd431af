//! The bounds of values: `min`, `max`, `min_length`, `max_length` and `pattern`, for each type.

use std::collections::{BTreeMap, HashMap};

use super::{Size, pattern};
use crate::config::duration::Duration;

/// A type whose values have a minimum and a maximum.
pub trait Bounded {
    /// Whether the value is at least `min` and at most `max`. Both are written as in a configuration; an empty text is
    /// no bound.
    fn is_within(&self, min: &str, max: &str) -> bool;
}

/// A type with a length: characters of a text, items of an array, members of an object.
pub trait Length {
    /// The length; `None` for an absent value.
    fn length(&self) -> Option<usize>;
}

/// A type whose values are texts.
pub trait AsText {
    /// The text; `None` for an absent value.
    fn as_text(&self) -> Option<&str>;
}

impl AsText for String {
    fn as_text(&self) -> Option<&str> {
        Some(self)
    }
}

impl<T: AsText> AsText for Option<T> {
    fn as_text(&self) -> Option<&str> {
        self.as_ref().and_then(AsText::as_text)
    }
}

/// Whether a text matches a pattern, whose syntax the macro has checked.
pub fn has_pattern(value: &impl AsText, written: &str) -> bool {
    let is_found = |text| pattern::parse(written).is_ok_and(|pattern| pattern::is_found(&pattern, text));
    value.as_text().is_none_or(is_found)
}

/// Whether the length is at least `min` and at most `max`.
pub fn has_length(value: &impl Length, min: usize, max: usize) -> bool {
    value.length().is_none_or(|length| (min..=max).contains(&length))
}

fn within<T: PartialOrd>(value: &T, min: &str, max: &str, read: impl Fn(&str) -> Option<T>) -> bool {
    let holds = |bound: &str, fits: fn(&T, &T) -> bool| match (bound.is_empty(), read(bound)) {
        (true, _) => true,
        (false, Some(bound)) => fits(value, &bound),
        // A bound that the type cannot represent is an error of the plugin's author. No value passes, so that the first
        // test shows it.
        (false, None) => false,
    };
    holds(min, |value, bound| value >= bound) && holds(max, |value, bound| value <= bound)
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Bounded for $number {
            fn is_within(&self, min: &str, max: &str) -> bool {
                within(self, min, max, |text| text.parse().ok())
            }
        }
    )* };
}
numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize, f32, f64);

impl Bounded for std::time::Duration {
    fn is_within(&self, min: &str, max: &str) -> bool {
        Duration(*self).is_within(min, max)
    }
}

impl Bounded for Duration {
    fn is_within(&self, min: &str, max: &str) -> bool {
        within(self, min, max, Duration::parse)
    }
}

impl Bounded for Size {
    fn is_within(&self, min: &str, max: &str) -> bool {
        within(self, min, max, Size::parse)
    }
}

impl<T: Bounded> Bounded for Option<T> {
    fn is_within(&self, min: &str, max: &str) -> bool {
        self.as_ref().is_none_or(|value| value.is_within(min, max))
    }
}

impl Length for String {
    fn length(&self) -> Option<usize> {
        Some(self.chars().count())
    }
}

impl<T> Length for Vec<T> {
    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<K, V> Length for BTreeMap<K, V> {
    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<K, V, S> Length for HashMap<K, V, S> {
    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<T: Length> Length for Option<T> {
    fn length(&self) -> Option<usize> {
        self.as_ref().and_then(Length::length)
    }
}
