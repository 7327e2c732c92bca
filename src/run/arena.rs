//! Where the cluster of a run lives: processes that the bench starts, or a cluster that runs already.

use std::path::Path;
use std::rc::Rc;

use nemesis::{Plan, Surface};

use super::settings::{ArenaKind, RunSettings};
use crate::arena::addresses::Addresses;
use crate::arena::attached::AttachedArena;
use crate::arena::processes::{ProcessArena, own_executable};
use crate::exit::Problem;
use crate::systems::System;

/// A cluster that can be tested.
pub(super) enum Arena {
    /// Started for the run, and ended with it.
    Processes(Box<ProcessArena>),
    /// It runs before the run and after it.
    Attached(Box<AttachedArena>),
}

impl Arena {
    /// Starts the cluster, or looks whether it is there. `dir` is that of the run.
    ///
    /// # Errors
    /// When a node does not start, or is not there.
    pub async fn up(system: &Rc<dyn System>, settings: &RunSettings, plan: &Plan, dir: &Path) -> Result<Self, Problem> {
        let (system, executable) = (Rc::clone(system), own_executable());
        if settings.arena == ArenaKind::Attached {
            let attached = AttachedArena::reach(system, &executable, &dir.join("commands")).await;
            return attached.map(|arena| Arena::Attached(Box::new(arena))).map_err(Problem::bench);
        }
        let ground = settings.arena.ground().for_needs(&plan.needs());
        let started = ProcessArena::start(system, executable, dir.join("nodes"), ground, settings.seed).await;
        started.map(|arena| Arena::Processes(Box::new(arena))).map_err(Problem::bench)
    }

    /// Where the nodes serve clients.
    pub fn addresses(&self) -> Addresses {
        match self {
            Arena::Processes(arena) => arena.addresses(),
            Arena::Attached(arena) => arena.addresses(),
        }
    }

    /// Through which faults are injected.
    pub fn surface(&self) -> &dyn Surface {
        match self {
            Arena::Processes(arena) => &**arena,
            Arena::Attached(arena) => &**arena,
        }
    }

    /// Ends what the run has begun, be it nodes or faults.
    pub async fn down(self) {
        match self {
            Arena::Processes(arena) => arena.stop().await,
            Arena::Attached(arena) => arena.stop().await,
        }
    }
}
