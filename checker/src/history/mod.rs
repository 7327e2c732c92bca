//! The history: every invocation and completion that a client saw, in the order in which the bench saw them.
//!
//! ```text
//! event (as it is written) ─► builder (the one pairing automaton) ─► columns: operations of 48 bytes, names and values as numbers
//! ```

mod builder;
mod columns;
mod event;
mod excerpt;
mod independent;
mod lines;
mod memory;
mod micros;
mod op;
mod operations;
mod values;

pub(crate) use builder::ParsedEvent;
pub use builder::{HistoryBuilder, Misfit, RawEvent};
pub use columns::History;
pub use event::{Event, EventType, Phase, Process, Recorder};
pub use lines::{HistoryError, LINE_BYTES_MAX, Recording, write_event, write_line};
pub use memory::MemoryRecorder;
pub use micros::{micros, only_micro};
pub use op::{Kind, Op};
pub use operations::Operation;
pub(crate) use values::Values;
pub use values::{Datum, Sym, TooManyValues, ValueId};
