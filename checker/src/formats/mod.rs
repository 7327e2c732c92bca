//! Histories as text: lines of JSON, Jepsen's EDN, and the operations in a Jepsen log.
//!
//! ```text
//! bytes ─► forms (a line, or a map that may span lines) ─► parser ─► a Sink: History | Tree (kept whole) | nothing
//! ```
//! Nothing is read twice or held whole: a form at a time, or for records some blocks of lines, parsed side by side. A parser
//! calls a [`Sink`] for every value, so a million operations go straight into the columns of [`crate::history`], while a
//! conversion keeps each event as a [`Tree`].
//!
//! JSON has no keywords, sets, characters, ratios. How they are written as JSON so that they come back as they were is
//! in [`tree`].

mod damage;
pub mod edn;
mod format;
pub mod json;
pub mod json_form;
pub mod log;
mod parse_block;
mod read;
mod read_options;
mod recording;
mod sink;
mod split;
mod threads;
pub mod tree;
mod values;
pub mod whole_events;
pub mod write;

pub use damage::{Damage, LINE_BYTES_MAX, NESTING_MAX, Problem, Stop};
pub use format::Format;
pub use read::{Cut, Gap, Reading, read, read_within};
pub use read_options::Selection;
pub use recording::MisfitAt;
pub use sink::{Nothing, Sequence, Sink};
pub use tree::Tree;
