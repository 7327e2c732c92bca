//! What a parser builds from the values that it reads: the parser calls a sink, and the sink decides.

use crate::history::TooManyValues;

/// The kind of brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// `[1 2]`, and a JSON list.
    Vector,
    /// `(1 2)`.
    List,
    /// `#{1 2}`.
    Set,
    /// `{:a 1}`, and a JSON object: keys and values, alternately.
    Map,
}

/// Builds values for a parser.
pub(crate) trait Sink {
    /// A value built.
    type Value;

    /// Nothing.
    fn nil(&mut self) -> Self::Value;
    /// A truth value.
    fn bool(&mut self, truth: bool) -> Self::Value;
    /// An integer.
    ///
    /// # Errors
    /// When there is no room; the same holds for the other methods.
    fn int(&mut self, value: i64) -> Result<Self::Value, TooManyValues>;
    /// A number with a point or an exponent, an infinity or NaN.
    ///
    /// # Errors
    /// When there is no room.
    fn float(&mut self, value: f64) -> Result<Self::Value, TooManyValues>;
    /// A string.
    ///
    /// # Errors
    /// When there is no room.
    fn text(&mut self, text: &str) -> Result<Self::Value, TooManyValues>;
    /// The name of a field of a JSON object.
    ///
    /// # Errors
    /// When there is no room.
    fn name(&mut self, name: &str) -> Result<Self::Value, TooManyValues>;
    /// A keyword, without its colon.
    ///
    /// # Errors
    /// When there is no room.
    fn keyword(&mut self, name: &str) -> Result<Self::Value, TooManyValues>;
    /// Any other scalar, by its notation: a symbol, a character, a ratio, a large integer, a decimal.
    ///
    /// # Errors
    /// When there is no room.
    fn other(&mut self, notation: &str) -> Result<Self::Value, TooManyValues>;
    /// The elements between two brackets.
    ///
    /// # Errors
    /// When there is no room.
    fn sequence(
        &mut self,
        kind: Sequence,
        elements: std::vec::Drain<'_, Self::Value>,
    ) -> Result<Self::Value, TooManyValues>;
    /// A value with a tag before it (`#inst "..."`); the tag is without its `#`.
    fn tagged(&mut self, tag: &str, value: Self::Value) -> Self::Value;
}

/// Builds nothing: the values are only skipped.
pub(super) struct Nothing;

impl Sink for Nothing {
    type Value = ();

    fn nil(&mut self) {}
    fn bool(&mut self, _: bool) {}
    fn int(&mut self, _: i64) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn float(&mut self, _: f64) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn name(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn keyword(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn other(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn sequence(&mut self, _: Sequence, _: std::vec::Drain<'_, ()>) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn tagged(&mut self, _: &str, (): ()) {}
}
