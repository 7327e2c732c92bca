//! The objects that histories are about, and what their functions and values mean.

mod concurrent_writes;
pub(crate) mod meaning;
mod model;
mod object;

pub use concurrent_writes::ConcurrentWrites;
pub(crate) use model::Element;
pub use model::{Model, UnknownModel};
pub use object::{Object, UnknownObject};
