//! What functions and values mean: of a set, a register, a cart, a counter, a list.

mod concurrent_writes;
pub(crate) mod meaning;
mod model;
mod object;

pub use concurrent_writes::ConcurrentWrites;
pub(crate) use model::Element;
pub use model::{Model, UnknownModel};
pub use object::{Object, UnknownObject};
