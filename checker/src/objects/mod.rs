//! The objects that histories are about, and what their functions and values mean.

pub(crate) mod completion;
mod concurrent_writes;
pub(crate) mod meaning;
mod model;
mod object;
pub(crate) mod siblings;

pub use concurrent_writes::ConcurrentWrites;
pub(crate) use model::Element;
pub use model::{Model, UnknownModel};
pub use object::{Object, UnknownObject};
pub use siblings::{lists_are_values, reads_siblings};
