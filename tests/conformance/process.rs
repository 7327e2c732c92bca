//! The process arena under test: three nodes, each a process of the real executable.

use std::rc::Rc;

use cluster_core::config::Quorum;
use dissensus::arena::processes::{Ground, ProcessArena};
use dissensus::arena::time::RealClock;
use dissensus::systems::System;
use dissensus::systems::dynamo::{Coordination, Dynamo, DynamoSettings};
use nemesis::surface::Surface;
use workloads::clock::Clock;
use workloads::store::Store;

use crate::body::{ArenaUnderTest, Shape};
use crate::support::{BENCH, PATIENCE, Scratch, nodes_in, one_cluster_at_a_time};

struct Processes {
    system: Rc<Dynamo>,
    arena: ProcessArena,
    clock: RealClock,
    shape: Shape,
}

impl ArenaUnderTest for Processes {
    fn surface(&self) -> &dyn Surface {
        &self.arena
    }

    fn store(&self) -> Box<dyn Store> {
        self.system.store(self.arena.addresses())
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn shape(&self) -> Shape {
        self.shape
    }
}

/// Runs a chapter on a cluster of its own, and checks that no process of it is left.
pub fn on_processes(shape: Shape, chapter: impl AsyncFnOnce(&dyn ArenaUnderTest)) {
    on_processes_with(dynamo(shape, Coordination::Server), shape, chapter);
}

/// The same with clients that coordinate their requests themselves.
pub fn on_processes_by_clients(shape: Shape, chapter: impl AsyncFnOnce(&dyn ArenaUnderTest)) {
    on_processes_with(dynamo(shape, Coordination::Client), shape, chapter);
}

fn on_processes_with(system: Dynamo, shape: Shape, chapter: impl AsyncFnOnce(&dyn ArenaUnderTest)) {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    // Nodes live as long as the thread that starts them: this one, which waits here for the chapter's end.
    runtime.block_on(async {
        let system = Rc::new(system);
        let nodes = scratch.join("nodes");
        let started: Rc<dyn System> = Rc::<Dynamo>::clone(&system);
        let arena =
            ProcessArena::start(started, BENCH.into(), nodes, Ground::Machine, 0).await.expect("the cluster starts");
        assert_eq!(nodes_in(scratch.path()).len(), shape.nodes, "each node is a process");
        let clock = RealClock::start();
        let under_test = Processes { system, arena, clock, shape };
        tokio::time::timeout(PATIENCE, chapter(&under_test)).await.expect("a chapter takes seconds");
        let running = nodes_in(scratch.path()).len();
        assert_eq!(running, shape.nodes, "every chapter leaves the cluster as it was");
        under_test.arena.stop().await;
        assert_eq!(nodes_in(scratch.path()).len(), 0, "nothing is left of the cluster");
    });
}

/// The system of this shape, for either arena.
pub fn dynamo(shape: Shape, coordination: Coordination) -> Dynamo {
    let settings = DynamoSettings {
        nodes: shape.nodes,
        n: shape.n,
        r: shape.r,
        w: shape.w,
        quorum: Quorum::Strict,
        coordination,
        ..DynamoSettings::default()
    };
    Dynamo::new(settings, 7).expect("the shape can work")
}
