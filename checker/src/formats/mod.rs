//! Histories as text: JSON, Jepsen's EDN, the operations in a Jepsen log, and the formats of checkers of isolation.
//!
//! ```text
//! bytes ─► forms (a line, or a map that may span lines) ─► parser ─► a Sink: History | Tree (kept whole) | nothing
//! ```
//! No text is read twice, and but for those of `transactions.rs` none is held as a whole: one form at a time, or, for a
//! [`crate::history::History`], some blocks of lines that are parsed in parallel. A parser calls a `Sink` for every
//! value, so a million operations go straight into the columns of the history, while a conversion keeps each event as a
//! [`Tree`].
//!
//! JSON has no keywords, sets, characters and ratios. How they are written as JSON, and read back without loss, is in
//! [`json_form`].

mod damage;
mod data;
mod documents;
pub(crate) mod edn;
mod format;
pub(crate) mod json;
pub mod json_form;
pub(crate) mod log;
mod micro_names;
mod parse_block;
mod read;
mod read_options;
mod recording;
mod renaming;
mod sink;
mod split;
mod threads;
mod transactions;
pub mod tree;
mod values;
pub mod whole_events;
pub mod write;

#[cfg(test)]
pub(crate) use damage::LINE_BYTES_MAX;
pub use damage::{Damage, Problem};
pub use data::{parse_assignment, parse_data};
pub use format::{Format, Notation};
pub(crate) use parse_block::refusal;
pub use read::{Cut, Gap, Reading, read, read_within};
pub use read_options::Selection;
pub use recording::MisfitAt;
pub(crate) use recording::shown;
pub use renaming::Renaming;
pub use tree::Tree;
