//! The parser that [`Period`](crate::Period) and [`Size`](crate::Size) share: a decimal number followed by the name of a unit, exact and
//! without floating point.

/// Maximum digits before the point, and after it. They cannot overflow 128 bits.
const MAX_DIGITS: usize = 9;

/// A unit's name, and how many of the smallest unit it stands for.
pub(crate) type Unit = (&'static str, u64);

/// Why a text is not an amount.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AmountError {
    /// Not digits, optionally a point and digits, then letters.
    Shape,
    /// A number without a unit.
    NoUnit,
    /// An unknown unit.
    UnknownUnit,
    /// More than [`MAX_DIGITS`] digits before or after the point.
    TooLong,
    /// Not a whole number of the smallest unit.
    Fraction,
}

/// Parses `text` as an amount of the smallest unit (nanoseconds, bytes).
pub(crate) fn parse(text: &str, units: &[Unit]) -> Result<u128, AmountError> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return Err(AmountError::Shape),
        Some((whole, fraction)) => (whole, fraction),
        None => (number, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return Err(AmountError::Shape);
    }
    if unit.is_empty() {
        return Err(AmountError::NoUnit);
    }
    let &(_, scale) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(AmountError::UnknownUnit)?;
    if whole.len() > MAX_DIGITS || fraction.len() > MAX_DIGITS {
        return Err(AmountError::TooLong);
    }
    let power = 10u128.pow(fraction.len() as u32);
    let scaled = (digits(whole) * power + digits(fraction)) * u128::from(scale);
    if scaled.is_multiple_of(power) {
        Ok(scaled / power)
    } else {
        Err(AmountError::Fraction)
    }
}

/// The value of at most [`MAX_DIGITS`] ASCII digits; no digits are zero.
fn digits(text: &str) -> u128 {
    text.bytes().fold(0, |sum, digit| sum * 10 + u128::from(digit - b'0'))
}

/// The largest unit that `amount` is a whole number of, and that number. Zero has the last unit of `units`,
/// which is sorted from large to small.
pub(crate) fn largest_whole(amount: u128, units: &[Unit]) -> (u128, &'static str) {
    let fitting = units
        .iter()
        .find(|(_, scale)| amount != 0 && amount.is_multiple_of(u128::from(*scale)));
    match fitting {
        Some((name, scale)) => (amount / u128::from(*scale), name),
        None => (amount, units.last().map_or("", |(name, _)| name)),
    }
}
