//! The history: every invocation and completion that a client saw, in the order in which the bench recorded them.
//!
//! ```text
//! event (as written) ─► builder (pairs each completion with its invocation) ─► columns (48 bytes for an operation)
//!                                                                              └─► Operation: a view of one of them
//! ```

mod builder;
mod clock;
mod columns;
mod epoch;
mod event;
mod exact;
mod excerpt;
mod identities;
mod independent;
mod key_source;
mod memory;
mod numbers;
mod op;
mod operation;
mod process;
mod rename;
mod unit_of_time;
mod values;

pub(crate) use builder::{Extra, ParsedEvent, UnsaidOfEvent};
pub use builder::{HistoryBuilder, Misfit, RawEvent};
pub(crate) use clock::SaidTime;
pub(crate) use columns::OfKey;
pub use columns::{History, Torn, Unsaid};
pub(crate) use epoch::unit_since_1970;
#[cfg(test)]
pub(crate) use event::write_line;
pub use event::{Event, EventType, Phase, Process, Recorder, write_event};
pub(crate) use exact::{Exact, Inexact, floor_of_product};
pub use identities::Identities;
pub use independent::NotKeyed;
pub use key_source::KeySource;
pub use memory::MemoryRecorder;
pub(crate) use numbers::is_number;
pub(crate) use op::Origins;
pub use op::{Kind, Op, Origin, OriginId, TooManyOrigins};
pub use operation::{Micro, Operation};
pub use process::ProcessName;
pub(crate) use process::ProcessRef;
pub(crate) use values::Values;
pub use values::{Datum, Sym, TooManyValues, ValueId};
