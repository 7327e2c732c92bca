//! The reports of a run: tables for the terminal, one HTML file, JUnit for a CI.
//!
//! A verdict and a history go in, text comes out. Nothing here decides anything: every outcome, count and sentence is
//! the checker's, and this crate only arranges, abbreviates and draws. The same input always gives the same bytes,
//! everything that a store returned is escaped, and every output is bounded: where something is left out, the report
//! says so.

pub mod experiment;
mod format;
mod grid;
mod html;
mod junit;
mod messages;
mod operation;
mod summary;
mod terminal;

pub use html::{experiments_html, html};
pub use junit::junit;
pub use messages::{Message, MessageCounts, Messages};
pub use summary::RunSummary;
pub use terminal::{run_tables, terminal};
