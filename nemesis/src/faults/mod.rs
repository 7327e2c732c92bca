//! The registry of kinds of fault: one file a kind, and one row here.
//!
//! All that is known of a kind is in its file: its parameters, how it is asked for and drawn from a seed, its words, its
//! bounds, how it is begun, healed and measured, and what proves it. A new kind is a file, its `mod` line and its row in
//! the table below; nothing else names it. The order of the rows is that of the command line, and part of what a seed
//! means: new rows go to the end.

mod bit_flip;
mod clock_bump;
mod clock_drift;
mod clock_strobe;
mod command;
mod corrupt_link;
mod cpu_starve;
mod crash_in_start;
mod disk_full;
mod duplicate_link;
mod file_limit;
mod flapping_partition;
mod join;
mod kill;
mod leave;
mod lossy_link;
mod lying_sync;
mod memory_limit;
mod misdirected_write;
mod partition;
mod pause;
mod power;
mod rate_limit;
mod read_error;
mod reorder_link;
mod replace;
mod reset_connections;
mod restart;
mod rolling_pause;
mod rot;
mod slow_disk;
mod slow_link;
mod sync_fail;
mod torn;
mod upgrade;
mod wipe;
mod write_error;

use serde::Serialize;

use crate::capability::{Capabilities, Capability, Unmet};
use crate::fault::{Class, Link};
use crate::kind::{Change, Drawing, Earlier, Effect, Facts, FaultKind, Refinement};
use crate::problem::{Problem, read_fields};
use crate::words::listed;

/// Makes the enum of faults and the table of kinds from the rows.
macro_rules! kinds {
    ($($file:ident :: $kind:ident,)*) => {
        $(pub use $file::$kind;)*

        /// One fault, fully resolved to nodes and links. Its duration is in the plan, not here.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum Fault {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)*
        }

        $(impl From<$kind> for Fault {
            fn from(fault: $kind) -> Self {
                Fault::$kind(fault)
            }
        })*

        impl Fault {
            pub(crate) fn effect(&self) -> &dyn Effect {
                match self {
                    $(Fault::$kind(fault) => fault,)*
                }
            }

            fn row(&self) -> &'static Kind {
                match self {
                    $(Fault::$kind(_) => const { &Kind::of::<$kind>() },)*
                }
            }
        }

        /// Every kind, in the order of the command line.
        pub static KINDS: &[Kind] = &[$(Kind::of::<$kind>(),)*];
    };
}

kinds! {
    partition::Partition,
    kill::Kill,
    pause::Pause,
    clock_bump::ClockBump,
    clock_drift::ClockDrift,
    slow_link::SlowLink,
    upgrade::Upgrade,
    lossy_link::LossyLink,
    wipe::Wipe,
    power::Power,
    sync_fail::SyncFail,
    rot::Rot,
    join::Join,
    leave::Leave,
    duplicate_link::DuplicateLink,
    reorder_link::ReorderLink,
    corrupt_link::CorruptLink,
    rate_limit::RateLimit,
    reset_connections::ResetConnections,
    flapping_partition::FlappingPartition,
    clock_strobe::ClockStrobe,
    torn::Torn,
    bit_flip::BitFlip,
    read_error::ReadError,
    write_error::WriteError,
    disk_full::DiskFull,
    misdirected_write::MisdirectedWrite,
    slow_disk::SlowDisk,
    lying_sync::LyingSync,
    cpu_starve::CpuStarve,
    file_limit::FileLimit,
    memory_limit::MemoryLimit,
    restart::Restart,
    crash_in_start::CrashInStart,
    replace::Replace,
    rolling_pause::RollingPause,
    command::Command,
}

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What is known of it.
    pub facts: Facts,
    check_way: fn(&Refinement, &Capabilities) -> Result<(), Unmet>,
    fits: fn(&Refinement, &Drawing<'_>) -> bool,
    draw: fn(&Refinement, &mut Drawing<'_>) -> Option<Fault>,
    read: fn(toml::Table) -> Result<Fault, Problem>,
}

impl Kind {
    const fn of<K: FaultKind + Into<Fault>>() -> Self {
        Self {
            facts: K::FACTS,
            check_way: K::check_way,
            fits: K::fits,
            draw: |way, drawing| K::draw(way, drawing).map(Into::into),
            read: |fields| read_fields::<K>(fields).map(Into::into),
        }
    }

    /// Checks that a cluster can do what a fault of this way needs.
    pub(crate) fn check_needs(&self, way: &Refinement, capabilities: &Capabilities) -> Result<(), Unmet> {
        (self.check_way)(way, capabilities)
    }

    /// Whether a fault of this way could ever be drawn.
    pub(crate) fn fits(&self, way: &Refinement, drawing: &Drawing<'_>) -> bool {
        (self.fits)(way, drawing)
    }

    /// A fault of this kind by chance; none if there is none now.
    pub(crate) fn draw(&self, way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Fault> {
        (self.draw)(way, drawing)
    }
}

impl Fault {
    /// Reads a fault's own fields.
    ///
    /// # Errors
    /// When there is no such kind, or its fields are not these.
    pub(crate) fn read(kind: &str, fields: toml::Table) -> Result<Self, Problem> {
        let row = KINDS.iter().find(|row| row.facts.name == kind).ok_or_else(|| Problem::UnknownKind {
            kind: kind.to_owned(),
            known: listed(&KINDS.iter().map(|row| row.facts.name).collect::<Vec<_>>()),
        })?;
        (row.read)(fields)
    }

    /// The name of its kind, as in plans, histories (`start-KIND`) and evidence.
    pub fn kind(&self) -> &'static str {
        self.row().facts.name
    }

    /// What it affects.
    pub fn class(&self) -> Class {
        self.row().facts.class
    }

    /// The item of a `--nemesis` list that asks for it.
    pub fn family(&self) -> &'static str {
        self.row().facts.family
    }

    /// What programs write into their logs of the errors that it causes.
    pub fn errors_in_logs(&self) -> &'static [&'static str] {
        self.effect().errors_in_logs()
    }

    /// The directed links it affects; none for classes other than [`Class::Network`].
    pub fn links(&self) -> &[Link] {
        self.effect().links()
    }

    /// The nodes it names; none for [`Class::Network`], whose faults name links.
    pub fn own_nodes(&self) -> &[String] {
        self.effect().nodes()
    }

    /// The change of the membership that it is, if any.
    pub(crate) fn change(&self) -> Option<Change> {
        self.effect().change()
    }

    /// What later faults of a plan have to know of it.
    pub(crate) fn as_earlier(&self) -> Earlier {
        Earlier { kind: self.kind(), change: self.change(), nodes: self.own_nodes().to_vec() }
    }

    /// What it does, and to which nodes, in a few words; `all` are all nodes of the cluster.
    pub fn detail(&self, all: &[String]) -> String {
        self.effect().detail(all)
    }

    /// Checks that a cluster can do what it needs.
    ///
    /// # Errors
    /// The first need that is not met.
    pub fn check_needs(&self, capabilities: &Capabilities) -> Result<(), Unmet> {
        capabilities.check(self.kind(), &self.needs())?;
        self.effect().check_offered(capabilities)
    }

    /// What a cluster must be able to do for it.
    pub fn needs(&self) -> Vec<Capability> {
        [self.row().facts.needs, &self.effect().needs()].concat()
    }

    /// Every node it affects, including the ends of its links, in the order of `all`.
    pub fn nodes(&self, all: &[String]) -> Vec<String> {
        let touches = |node: &&String| {
            self.own_nodes().contains(node) || self.links().iter().any(|l| l.from == **node || l.to == **node)
        };
        all.iter().filter(touches).cloned().collect()
    }
}

/// A fault with its start and length, ms since the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedFault {
    /// Unique in the plan, from 1.
    pub id: u64,
    /// When it starts.
    pub at_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
    /// What it does.
    #[serde(flatten)]
    pub fault: Fault,
}

impl PlannedFault {
    /// When it is healed, ms since the run began.
    pub fn end_ms(&self) -> u64 {
        self.at_ms.saturating_add(self.for_ms)
    }

    /// Whether both are in force at some moment; one that starts when the other ends does not overlap it.
    pub fn overlaps(&self, other: &PlannedFault) -> bool {
        self.at_ms < other.end_ms() && other.at_ms < self.end_ms()
    }
}
