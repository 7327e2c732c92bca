//! Faults as data: what may be done to a cluster, planned from a seed, carried out, and proved.
//!
//! A [`fault::Fault`] says fully what is done to whom, so a plan written to a file can be run again to the letter. A
//! [`surface::Surface`] is what a cluster offers to be hurt through, the same for real processes and for simulation; the
//! evidence that a fault took effect is measured through it as well.
//!
//! ```text
//! --nemesis LIST ─► spec ─► generate(seed) ─► plan ─► schedule ─► nemesis ─► surface (arena)
//!                             ▲                 │                    │           │ backend: proxy, process, clock
//!                     target, shape, draw    plan.toml            events,  ◄─────┘
//!                                                                evidence
//! ```

pub mod backend;
mod describe;
pub mod disk;
pub mod draw;
pub mod event;
pub mod evidence;
pub mod fault;
pub mod generate;
pub mod membership;
pub mod nemesis;
pub mod plan;
pub mod shape;
pub mod spec;
pub mod surface;
pub mod target;

pub use draw::Draw;
pub use event::NemesisEvent;
pub use evidence::EvidenceRecord;
pub use fault::{Class, Fault, Link, PlannedFault, Shape};
pub use generate::{GenerateError, Schedule, Spares, generate, generate_with_spares};
pub use nemesis::{HealReport, Nemesis, Performed};
pub use plan::{Action, Plan, PlanError};
pub use spec::{Kind, NemesisSpec, SpecError};
pub use surface::{
    ClockSetting, DiskStatistics, LinkRule, LinkStatistics, Membership, ProcessState, Standing, Surface, SurfaceError,
    SurfaceFuture,
};
pub use target::Target;
