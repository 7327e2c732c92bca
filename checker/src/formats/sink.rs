//! What a parser builds of the values that it meets.

use crate::history::TooManyValues;

/// Which brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// `[1 2]`, and a JSON list.
    Vector,
    /// `(1 2)`.
    List,
    /// `#{1 2}`.
    Set,
    /// `{:a 1}`, and a JSON object: keys and values in turn.
    Map,
}

/// What a parser builds.
pub trait Sink {
    /// A value built.
    type Value;

    /// Nothing.
    fn nil(&mut self) -> Self::Value;
    /// A truth value.
    fn bool(&mut self, truth: bool) -> Self::Value;
    /// An integer.
    ///
    /// # Errors
    /// When there is no room, as with the others.
    fn int(&mut self, value: i64) -> Result<Self::Value, TooManyValues>;
    /// A number with a point or an exponent, or one that is none.
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
    /// A scalar of another notation: a symbol, a character, a ratio, a large integer, a decimal.
    ///
    /// # Errors
    /// When there is no room.
    fn other(&mut self, notation: &str) -> Result<Self::Value, TooManyValues>;
    /// What is between two brackets.
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

/// Builds nothing: what is read is only passed over.
pub struct Nothing;

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
