//! Faults as data: planned from a seed, injected into a cluster, and proved by evidence.
//!
//! A [`Fault`] names every node and link that it affects, so a plan written to a file can be run again exactly.
//! A [`surface::Surface`] is the interface through which faults are injected into a cluster and measured, the same for
//! real processes and for simulation.
//!
//! ```text
//! --nemesis LIST ─► spec ─► generate(seed) ─► plan ─► schedule ─► nemesis ─► surface (arena)
//!                             ▲                 │                    │           │ backend: proxy, process, clock
//!                     target, shape, draw    plan.toml            events,  ◄─────┘
//!                                                                evidence
//! ```

pub mod backend;
pub mod capability;
mod clocks;
mod disk;
pub mod draw;
pub mod event;
pub mod evidence;
pub mod fault;
pub mod faults;
pub mod generate;
pub mod kind;
mod links;
mod measured;
mod membership;
pub mod nemesis;
pub mod plan;
pub mod problem;
mod processes;
pub mod rules;
pub mod shape;
pub mod spec;
mod stage;
pub mod statistics;
pub mod surface;
pub mod target;
mod words;

pub use capability::{Capabilities, Capability, CommandOffer, Unmet};
pub use draw::Draw;
pub use event::NemesisEvent;
pub use evidence::EvidenceRecord;
pub use fault::{Class, Link};
pub use faults::{Fault, KINDS, PlannedFault};
pub use generate::{Cluster, GenerateError, Schedule, Spares, generate};
pub use nemesis::{HealReport, Nemesis, Performed};
pub use plan::{Plan, PlanError, PlanStep};
pub use problem::Problem;
pub use shape::{Layout, Shape};
pub use spec::{Family, NemesisSpec, SpecError};
pub use surface::{
    Checksum, ClockSetting, CommandReading, DiskRule, DiskStatistics, Distribution, LinkRule, LinkStatistics, Loss,
    Membership, ProcessLimits, ProcessState, ProcessStatistics, Standing, StartCrash, Surface, SurfaceError,
    SurfaceFuture,
};
pub use target::Target;
