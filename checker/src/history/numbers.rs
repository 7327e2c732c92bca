//! When two numbers are equal: when they are the same number, however they are written.
//!
//! `1`, `1.0`, `1e0`, `1N`, `1M` and `2/2` are one value, and so are `0.5`, `0.5M` and `1/2`. A number with a point that is
//! no decimal (`M`) is what a double holds, exactly: so `0.1` and `0.1M` are two values. Each number gets one form, by its
//! value alone: an integer of 64 bits, else a double if one holds it exactly, else a notation of its own. What has more
//! digits than are looked at here ([`DIGITS_MAX`], 128 bits for ratios) is equal to what is written alike.

use std::cmp::Ordering;

/// The form that a number has among the values of a history.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    /// An integer of 64 bits.
    Int(i64),
    /// A number that a double holds exactly.
    Float(f64),
    /// Any other, in the notation that all that equal it have.
    Other(String),
}

/// The most digits before or after the point that are written out.
const DIGITS_MAX: usize = 1200;
/// Integers with at most so many digits are written with all of them, also where a double holds them exactly.
const DIGITS_SHOWN: usize = 40;

/// Whether a notation is one of a number, as [`number`] reads it.
pub(crate) fn is_number(notation: &str) -> bool {
    number(notation).is_some()
}

/// The number of a notation of EDN or JSON; none if it is no number, or beyond what is looked at.
pub(super) fn number(notation: &str) -> Option<Number> {
    let digits = notation.strip_prefix(['+', '-']).unwrap_or(notation);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    match notation.split_once('/') {
        Some((over, under)) => ratio(over, under),
        None => Decimal::parse(notation)?.form(),
    }
}

/// A double: an integer if it holds one.
pub(super) fn double(value: f64) -> Number {
    match value {
        value if value.is_nan() => Number::Float(f64::NAN),
        value if value.is_finite() && value.fract() == 0.0 => {
            // Every double below 2^63 that is an integer fits.
            match value.abs() < 9_223_372_036_854_775_808.0 {
                true => Number::Int(value as i64),
                false => Decimal::parse(&format!("{value:.0}"))
                    .and_then(|exact| exact.form())
                    .unwrap_or(Number::Float(value)),
            }
        }
        value => Number::Float(value),
    }
}

/// Digits without zeros at either end, times a power of ten; no digits for zero.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Of `-12.50e3`, with `N` or `M` behind it or not.
    fn parse(notation: &str) -> Option<Self> {
        let negative = notation.starts_with('-');
        let unsigned = notation.strip_prefix(['+', '-']).unwrap_or(notation);
        let unsigned = unsigned.strip_suffix(['N', 'M']).unwrap_or(unsigned);
        let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent = power.parse::<i64>().ok()?.checked_sub(part.len() as i64)?;
        let all = format!("{whole}{part}");
        if all.is_empty() || !all.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let without_end = all.trim_end_matches('0');
        let digits = without_end.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let exponent = exponent.checked_add((all.len() - without_end.len()) as i64)?;
        Some(Self { negative, digits, exponent })
    }

    fn form(&self) -> Option<Number> {
        let length = self.digits.len();
        let sign = if self.negative { "-" } else { "" };
        if length == 0 {
            return Some(Number::Int(0));
        }
        if length > DIGITS_MAX || self.exponent.unsigned_abs() > DIGITS_MAX as u64 {
            return Some(Number::Other(format!("{sign}{}E{}M", self.digits, self.exponent)));
        }
        if let Ok(zeros) = usize::try_from(self.exponent) {
            let integer = format!("{sign}{}{}", self.digits, "0".repeat(zeros));
            return Some(match integer.parse() {
                Ok(small) => Number::Int(small),
                Err(_) if length + zeros <= DIGITS_SHOWN => Number::Other(integer + "N"),
                Err(_) => self.exact_double().map_or(Number::Other(integer + "N"), Number::Float),
            });
        }
        Some(self.exact_double().map_or_else(|| Number::Other(format!("{sign}{}M", self.with_point())), Number::Float))
    }

    /// A number that is no integer, with its point.
    fn with_point(&self) -> String {
        let after = self.exponent.unsigned_abs() as usize;
        match self.digits.len().cmp(&after) {
            Ordering::Greater => {
                let (whole, part) = self.digits.split_at(self.digits.len() - after);
                format!("{whole}.{part}")
            }
            _ => format!("0.{}{}", "0".repeat(after - self.digits.len()), self.digits),
        }
    }

    /// The double that is exactly this number, if there is one.
    fn exact_double(&self) -> Option<f64> {
        let sign = if self.negative { "-" } else { "" };
        let nearest: f64 = format!("{sign}{}e{}", self.digits, self.exponent).parse().ok()?;
        // No double has more digits after its point, so none is rounded.
        (nearest.is_finite() && Decimal::parse(&format!("{nearest:.1074}")).as_ref() == Some(self)).then_some(nearest)
    }
}

fn ratio(over: &str, under: &str) -> Option<Number> {
    let (over, under): (i128, i128) = (over.parse().ok()?, under.parse().ok()?);
    let divisor = greatest_divisor(over.unsigned_abs(), under.unsigned_abs());
    let divisor = i128::try_from(divisor).ok().filter(|divisor| *divisor > 0 && under > 0)?;
    let (over, under) = (over / divisor, under / divisor);
    let mut rest = under;
    let mut power_of = |prime: i128| {
        let mut power = 0;
        while rest % prime == 0 {
            rest /= prime;
            power += 1;
        }
        power
    };
    let places = power_of(2).max(power_of(5));
    let decimal = || 10i128.checked_pow(places)?.checked_div(under)?.checked_mul(over);
    match decimal().filter(|_| rest == 1) {
        Some(digits) => Decimal::parse(&format!("{digits}e-{places}"))?.form(),
        None => Some(Number::Other(format!("{over}/{under}"))),
    }
}

/// The greatest number that divides both; the other if one is zero.
pub(super) fn greatest_divisor(mut one: u128, mut other: u128) -> u128 {
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form_however_it_is_written() {
        let big = "100000000000000000000N";
        let groups: [&[&str]; 12] = [
            &["1", "1.0", "+1", "1N", "1M", "1e0", "10e-1", "0.1E1M", "2/2", "1.000M"],
            &["0", "-0", "0.0", "-0.0M", "0N", "0/7", "0e5"],
            &["-3", "-3.0", "-3M", "-6/2", "-0.3e1"],
            &["0.5", "0.5M", "1/2", "5e-1", "50E-2M", "3/6"],
            &[big, "1e20M", "100000000000000000000.0M", "1e20"],
            &["9223372036854775808", "9223372036854775808N", "9223372036854775808.0M"],
            &["1/3", "2/6", "+1/3"],
            &["0.1M", "1/10", "0.10M", "1e-1M"],
            &["-12.34M", "-1234e-2M", "-617/50"],
            &["1e400M", "10e399M", &format!("1{}N", "0".repeat(400))],
            &["1e300M", &format!("1{}M", "0".repeat(300))],
            &["3.25M", "13/4", "3.25", "325e-2"],
        ];
        let forms: Vec<Number> = groups
            .iter()
            .map(|group| {
                let forms: Vec<Number> = group.iter().map(|notation| number(notation).expect("a number")).collect();
                assert!(forms.windows(2).all(|pair| pair[0] == pair[1]), "{group:?}: {forms:?}");
                forms[0].clone()
            })
            .collect();
        for (at, one) in forms.iter().enumerate() {
            assert!(forms[..at].iter().all(|other| other != one), "{one:?} stands for two numbers");
        }
        for no_number in ["a", "-", "1/0", "1e99999999999999999999M", "\\1", "x1"] {
            assert_eq!(number(no_number), None, "{no_number}");
        }
    }

    #[test]
    fn a_double_is_the_number_that_it_holds() {
        assert_eq!(double(1.0), Number::Int(1));
        assert_eq!(double(-0.0), Number::Int(0));
        assert_eq!(double(1e20), number("100000000000000000000N").expect("a number"));
        assert_eq!(double(0.1), Number::Float(0.1));
        assert_ne!(Some(double(0.1)), number("0.1M"));
        assert_eq!(Some(double(0.1)), number("0.1000000000000000055511151231257827021181583404541015625M"));
        assert_eq!(double(f64::INFINITY), Number::Float(f64::INFINITY));
        assert!(matches!(double(-f64::NAN), Number::Float(value) if value.is_nan()));
        assert_eq!(double(i64::MIN as f64), Number::Int(i64::MIN));
        assert_eq!(double(f64::MAX), Number::Float(f64::MAX));
        assert_eq!(double(5e-324), Number::Float(5e-324));
    }
}
