//! The simulation arena under test: the same three nodes in virtual time.

use dissensus::systems::dynamo::{Coordination, Dynamo, SimulatedCluster};
use nemesis::surface::Surface;
use workloads::clock::Clock;
use workloads::store::Store;

use crate::body::{ArenaUnderTest, Shape};
use crate::process::dynamo;

struct Simulation {
    system: Dynamo,
    arena: SimulatedCluster,
    shape: Shape,
}

impl ArenaUnderTest for Simulation {
    fn surface(&self) -> &dyn Surface {
        &self.arena
    }

    fn store(&self) -> Box<dyn Store> {
        self.system.simulated_store(self.arena.clone())
    }

    fn clock(&self) -> &dyn Clock {
        &self.arena
    }

    fn shape(&self) -> Shape {
        self.shape
    }
}

/// Runs a chapter in a world of its own.
pub fn in_simulation(shape: Shape, chapter: impl AsyncFnOnce(&dyn ArenaUnderTest)) {
    in_simulation_with(dynamo(shape, Coordination::Server), shape, chapter);
}

/// The same with clients that coordinate their requests themselves.
pub fn in_simulation_by_clients(shape: Shape, chapter: impl AsyncFnOnce(&dyn ArenaUnderTest)) {
    in_simulation_with(dynamo(shape, Coordination::Client), shape, chapter);
}

fn in_simulation_with(system: Dynamo, shape: Shape, chapter: impl AsyncFnOnce(&dyn ArenaUnderTest)) {
    let arena = SimulatedCluster::new(system.world()).expect("the nodes start");
    let under_test = Simulation { system, arena: arena.clone(), shape };
    arena.block_on(chapter(&under_test));
}
