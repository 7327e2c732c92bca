//! What systems can do with their nodes as processes.

mod support;

use std::rc::Rc;

use dissensus::arena::processes::ProcessArena;
use dissensus::systems::System;
use dissensus::systems::dynamo::{Dynamo, DynamoSettings};

use support::{BENCH, Scratch, one_cluster_at_a_time};

/// Faults around the owners of a key need to know them: each node says the same, and its client looks for the replicas
/// there.
#[test]
fn the_nodes_of_dynamo_say_who_holds_a_key() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let settings = DynamoSettings { nodes: 3, n: 2, ..DynamoSettings::default() };
    let system: Rc<dyn System> = Rc::new(Dynamo::new(settings, 7).expect("the settings can work"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let arena = ProcessArena::start(Rc::clone(&system), BENCH.into(), scratch.join("nodes")).await;
        let arena = arena.expect("the cluster starts");
        let (client, owners) = (system.client(arena.addresses()), system.owners().expect("it can"));
        for key in ["a", "b/ü", "c"] {
            let mut expected = client.replicas(key);
            expected.sort();
            for (node, address) in arena.addresses().all() {
                let said = owners.owners(address, key).await.expect("it answers");
                let mut first: Vec<String> = said.into_iter().take(2).collect();
                first.sort();
                assert_eq!(first, expected, "{key} as {node} says");
            }
        }
        arena.stop().await;
    });
}
