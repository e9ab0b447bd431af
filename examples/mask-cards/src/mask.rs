//! [`Mask`]: card numbers in a stream of bytes. What could still become one is held back.

/// The digits of a card number (ISO/IEC 7812), also in groups that a space or a hyphen divides.
const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Masks what passes. A run of digits and dividers is held back until it ends.
#[derive(Default)]
pub(crate) struct Mask {
    run: Vec<u8>,
}

impl Mask {
    /// The bytes that can go on.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.run.len() + bytes.len());
        for &byte in bytes {
            let divides = matches!(byte, b' ' | b'-') && self.run.last().is_some_and(u8::is_ascii_digit);
            if byte.is_ascii_digit() || divides {
                self.run.push(byte);
                // A longer run is no card number, wherever it ends: what is held back stays small.
                if self.run.len() > 64 {
                    out.append(&mut self.run);
                }
            } else {
                out.append(&mut self.end());
                out.push(byte);
            }
        }
        out
    }

    /// The rest.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let mut run = std::mem::take(&mut self.run);
        let digits: Vec<u8> = run
            .iter()
            .filter(|byte| byte.is_ascii_digit())
            .map(|byte| byte - b'0')
            .collect();
        if DIGITS.contains(&digits.len()) && luhn(&digits) {
            let mut hidden = digits.len() - 4;
            for byte in run.iter_mut().filter(|byte| byte.is_ascii_digit()).take(hidden) {
                // Without a leading zero, a number stays one.
                *byte = if hidden == digits.len() - 4 { b'1' } else { b'0' };
                hidden -= 1;
            }
        }
        run
    }
}

/// Whether the last digit is the check digit (ISO/IEC 7812-1, annex B).
fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().map(|(at, digit)| match at % 2 {
        0 => u32::from(*digit),
        _ => u32::from(digit * 2 / 10 + digit * 2 % 10),
    });
    sum.sum::<u32>() % 10 == 0
}
