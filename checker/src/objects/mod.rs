//! What functions and values mean: of a set, a register, a cart, a counter, a list.

pub(crate) mod meaning;
mod model;

pub(crate) use model::Element;
pub use model::{Model, UnknownModel};
