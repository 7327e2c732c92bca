//! Numbers to reckon with, exactly: fractions of two integers of 128 bits.
//!
//! A number with a point that is no decimal (`M`) is what a double holds. Where that is not quite what was written, as
//! of `0.1`, a sum of such numbers is not quite the sum that a store had, and nothing is said of it.

use std::fmt;

use super::columns::History;
use super::numbers::{Number, greatest_divisor, number};
use super::values::{Datum, ValueId};

/// A fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exact {
    over: i128,
    /// Above zero.
    under: i128,
}

/// Why a value is none to reckon with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inexact {
    /// It is no number.
    NoNumber,
    /// It is rounded, or has more digits than fit.
    Beyond,
}

impl From<i128> for Exact {
    fn from(integer: i128) -> Self {
        Self { over: integer, under: 1 }
    }
}

impl Exact {
    /// A fraction; none if it does not fit.
    fn of(over: i128, under: i128) -> Option<Self> {
        let divisor = i128::try_from(greatest_divisor(over.unsigned_abs(), under.unsigned_abs())).ok()?;
        let (over, under) = (over.checked_div(divisor)?, under.checked_div(divisor)?);
        (under > 0).then_some(Self { over, under })
    }

    /// Of the notation that a value has which is neither a small integer nor a double: `123N`, `-0.1M`, `12E40M`, `1/3`.
    fn of_notation(notation: &str) -> Option<Self> {
        if let Some((over, under)) = notation.split_once('/') {
            return Self::of(over.parse().ok()?, under.parse().ok()?);
        }
        let plain = notation.trim_end_matches(['N', 'M']);
        let (mantissa, power) = plain.split_once(['e', 'E']).unwrap_or((plain, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let places = power.parse::<i64>().ok()?.checked_sub(part.len() as i64)?;
        let digits: i128 = format!("{whole}{part}").parse().ok()?;
        let scale = 10i128.checked_pow(u32::try_from(places.unsigned_abs()).ok()?)?;
        if places < 0 { Self::of(digits, scale) } else { Some(digits.checked_mul(scale)?.into()) }
    }

    /// The sum; none if it does not fit.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let common = i128::try_from(greatest_divisor(self.under.unsigned_abs(), other.under.unsigned_abs())).ok()?;
        let [own, others] = [other.under / common, self.under / common];
        let over = self.over.checked_mul(own)?.checked_add(other.over.checked_mul(others)?)?;
        Self::of(over, self.under.checked_mul(own)?)
    }

    /// Whether it is below zero.
    pub(crate) fn is_negative(self) -> bool {
        self.over < 0
    }

    /// It, if it is an integer.
    pub(crate) fn integer(self) -> Option<i128> {
        (self.under == 1).then_some(self.over)
    }
}

/// A number that is written as a decimal or a ratio, times an integer, without the fraction; none if it does not fit, or is no
/// such number.
pub(crate) fn floor_of_product(notation: &str, by: i128) -> Option<i128> {
    number(notation)?;
    let Exact { over, under } = match notation.split_once('.') {
        // Further digits do not matter, and would not fit.
        Some((whole, part))
            if part.len() > DIGITS_AFTER_POINT_MAX && part.bytes().all(|digit| digit.is_ascii_digit()) =>
        {
            Exact::of_notation(&format!("{whole}.{}", &part[..DIGITS_AFTER_POINT_MAX]))?
        }
        // As small as what does not fit may be, it is nothing.
        _ => Exact::of_notation(notation).or_else(|| is_tiny(notation).then(|| 0.into()))?,
    };
    Some(over.checked_mul(by)?.div_euclid(under))
}

/// The digits after the point that are looked at in a number of which only the first nine matter.
const DIGITS_AFTER_POINT_MAX: usize = 12;

fn is_tiny(notation: &str) -> bool {
    notation.trim_end_matches('M').parse::<f64>().is_ok_and(|double| double.abs() < 1e-20)
}

impl fmt::Display for Exact {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.under {
            1 => write!(out, "{}", self.over),
            under => write!(out, "{}/{under}", self.over),
        }
    }
}

impl History {
    /// A value as a number to reckon with.
    pub(crate) fn exact(&self, value: ValueId) -> Result<Exact, Inexact> {
        match self.datum(value) {
            Datum::Int(integer) => Ok(i128::from(integer).into()),
            Datum::Float(double) => {
                // The shortest notation that only this double has, as it was probably written.
                let written = format!("{double}M");
                let is_written = double.is_finite() && number(&written) == Some(Number::Float(double));
                Some(&written)
                    .filter(|_| is_written)
                    .and_then(|written| Exact::of_notation(written))
                    .ok_or(Inexact::Beyond)
            }
            Datum::Other(notation) if number(notation).is_some() => Exact::of_notation(notation).ok_or(Inexact::Beyond),
            _ => Err(Inexact::NoNumber),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exact;

    #[test]
    fn fractions_are_added_exactly_or_not_at_all() {
        let of = |notation: &str| Exact::of_notation(notation);
        let sum = |notations: &[&str]| {
            notations
                .iter()
                .try_fold(Exact::from(0), |sum, notation| sum.plus(of(notation)?))
                .map(|sum| sum.to_string())
        };
        for (notations, expected) in [
            (&["1.5M", "1.5"][..], "3"),
            (&["0.1M", "0.2M"], "3/10"),
            (&["1/3", "2/3", "-1"], "0"),
            (&["9223372036854775807", "9223372036854775807N"], "18446744073709551614"),
            (&["-12.34M", "1234e-2M"], "0"),
            (&["5E20M"], "500000000000000000000"),
        ] {
            assert_eq!(sum(notations).as_deref(), Some(expected), "{notations:?}");
        }
        let huge = i128::MAX.to_string();
        for beyond in [&[huge.as_str(), "1"][..], &["1e40M"], &["1e-40M"], &["1e99999999999M"], &["x"], &["1/0"]] {
            assert_eq!(sum(beyond), None, "{beyond:?}");
        }
        assert!(of("-1/3").is_some_and(Exact::is_negative) && !Exact::from(0).is_negative());
        assert_eq!((of("4/2").and_then(Exact::integer), of("1.5").and_then(Exact::integer)), (Some(2), None));
    }
}
