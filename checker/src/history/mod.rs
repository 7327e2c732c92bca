//! The history: every invocation and completion that a client saw, in the order in which the bench recorded them.
//!
//! ```text
//! event (as written) ─► builder (pairs each completion with its invocation) ─► columns (48 bytes for an operation)
//!                                                                              └─► Operation: a view of one of them
//! ```

mod builder;
mod columns;
mod event;
mod excerpt;
mod independent;
mod memory;
mod op;
mod operation;
mod values;

pub(crate) use builder::{Extra, ParsedEvent};
pub use builder::{HistoryBuilder, Misfit, RawEvent};
pub use columns::History;
#[cfg(test)]
pub(crate) use event::write_line;
pub use event::{Event, EventType, Phase, Process, Recorder, write_event};
pub use memory::MemoryRecorder;
pub(crate) use op::Origins;
pub use op::{Kind, Op, Origin, OriginId, TooManyOrigins};
pub use operation::{Micro, Operation};
pub(crate) use values::Values;
pub use values::{Datum, Sym, TooManyValues, ValueId};
