//! The conformance suite of arenas, on each arena there is: what a [`nemesis::surface::Surface`] and the
//! [`workloads::store::Store`] that reaches the same cluster must do, so that a fault means the same wherever the
//! cluster lives.
//!
//! An arena joins by a function that starts a cluster of the shape wanted and hands it to a chapter, and one line of
//! [`conformance!`].

#[path = "conformance/body.rs"]
mod body;
#[path = "conformance/liar.rs"]
mod liar;
#[path = "conformance/process.rs"]
mod process;
#[path = "conformance/simulation.rs"]
mod simulation;
mod support;

use std::collections::BTreeSet;

use checker::run::kinds::{is_crash, is_stop};
use dissensus::arena::processes::{DisksBy, Ground, ProcessArena};
use dissensus::systems::System;
use dissensus::systems::dynamo::Coordination;
use nemesis::Capability;
use program_clock::DiskReach;

/// One test a chapter, on the arena that `$on` starts.
macro_rules! conformance {
    ($arena:ident, $on:path) => {
        conformance!($arena, $on,
            body::MAJORITIES:
                values_travel_between_nodes,
                a_context_round_trips,
                keys_and_values_are_any_bytes,
                a_cut_link_blocks_until_it_is_healed,
                a_killed_node_is_dead_and_comes_back_with_its_data,
                what_was_acknowledged_survives_the_death_of_all,
                a_paused_node_answers_nothing_until_it_is_resumed,
                a_wrong_clock_is_believed_and_set_right,
                a_slow_link_delays_and_counts,
                a_lossy_link_loses_and_counts,
                a_wiped_node_has_nothing_and_is_given_it_back,
                strangers_are_refused;
            body::TWO_OF_THREE:
                a_key_is_on_its_replicas_and_nowhere_else
        );
    };
    ($arena:ident, $on:path, $($shape:path: $($chapter:ident),+);+) => {
        mod $arena {
            use super::*;
            $($(
                #[test]
                fn $chapter() {
                    $on($shape, body::$chapter);
                }
            )+)+
        }
    };
}

conformance!(processes, process::on_processes);
conformance!(simulated, simulation::in_simulation);

/// Coordinating clients choose which nodes to ask, so the chapters that depend on the node asked are not run for them.
macro_rules! conformance_by_clients {
    ($arena:ident, $on:path) => {
        conformance!($arena, $on,
            body::MAJORITIES:
                values_travel_between_nodes,
                a_context_round_trips,
                keys_and_values_are_any_bytes,
                what_was_acknowledged_survives_the_death_of_all,
                a_wrong_clock_is_believed_and_set_right,
                a_slow_link_delays_and_counts,
                strangers_are_refused;
            body::TWO_OF_THREE:
                a_key_is_on_its_replicas_and_nowhere_else
        );
    };
}

conformance_by_clients!(processes_by_clients, process::on_processes_by_clients);
conformance_by_clients!(simulated_by_clients, simulation::in_simulation_by_clients);

/// The table of every kind in docs/faults.md, on the bundled system: each arena has the kinds that it says.
#[test]
fn the_document_says_in_which_arenas_each_kind_can_be_had() {
    let system = process::dynamo(body::MAJORITIES, Coordination::Server);
    let (machine, netns) = (Ground::Machine, Ground::Namespaces { disks: DisksBy::FileSystem });
    let of_ground = |ground| ProcessArena::capabilities(&system, ground);
    let simulated = system.simulated().expect("the bundled system can be simulated").capabilities();
    let arenas = [("proxy", of_ground(machine)), ("netns", of_ground(netns)), ("sim", simulated)];
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md")).expect("it is there");
    let (_, table) = text.split_once("## Every kind").expect("it has the table");
    for kind in nemesis::KINDS {
        let name = kind.facts.name;
        let row = table.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).expect("a row for each");
        let having = arenas.iter().filter(|(_, can)| can.check(name, kind.facts.needs).is_ok());
        let mut having: Vec<&str> = having.map(|(arena, _)| *arena).collect();
        if kind.facts.needs.contains(&nemesis::Capability::Commands) {
            having.push("attached");
        }
        assert_eq!(row.split('|').nth(3).map(str::trim), Some(having.join(", ").as_str()), "{name}");
    }
}

/// The kinds of a machine without FUSE: those whose row in the table of disks says `listener`, beside those that need no disk
/// of the bench's.
#[test]
fn the_document_says_which_kinds_of_disks_need_no_fuse() {
    let system = process::dynamo(body::MAJORITIES, Coordination::Server);
    let having = |disks| {
        let can = ProcessArena::capabilities(&system, Ground::Namespaces { disks });
        let kinds = nemesis::KINDS.iter().map(|kind| kind.facts);
        kinds.filter(|facts| can.check(facts.name, facts.needs).is_ok()).map(|facts| facts.name).collect()
    };
    let nothing: BTreeSet<&str> = having(DisksBy::Nothing);
    let listener: BTreeSet<&str> = having(DisksBy::Listener(DiskReach::ALL));
    let file_system: BTreeSet<&str> = having(DisksBy::FileSystem);
    assert!(nothing.is_subset(&listener) && listener.is_subset(&file_system));
    assert_eq!(nothing, having(DisksBy::Listener(DiskReach::default())), "what is not reported cannot fail");

    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md")).expect("it is there");
    let (_, table) = text.split_once("\n## More of disks").expect("it has the table");
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).take_while(|line| line.starts_with('|'));
    let rows = rows.filter(|row| row.split('|').nth(4).is_some_and(|by| by.contains("listener")));
    let said: BTreeSet<&str> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2)).collect();
    assert_eq!(said, ["read-error", "slow-disk", "sync-fail", "write-error"].into());
    assert_eq!(listener.difference(&nothing).copied().collect::<BTreeSet<_>>(), said);
}

/// What a machine lacks is said in one line, with what to do.
#[test]
fn faults_that_need_fuse_are_refused_with_the_reason() {
    let system = process::dynamo(body::MAJORITIES, Coordination::Server);
    let refused = |disks, need| {
        let can = ProcessArena::capabilities(&system, Ground::Namespaces { disks });
        can.check("a-kind", &[need]).expect_err("it needs FUSE").to_string()
    };
    for why in [
        refused(DisksBy::Listener(DiskReach::ALL), Capability::PowerFailure),
        refused(DisksBy::Nothing, Capability::SyncErrors),
    ] {
        assert!(why.contains("/dev/fuse cannot be opened") && why.contains("dissensus doctor"), "{why}");
        assert_eq!(why.lines().count(), 1, "{why}");
    }
}

/// A filter cannot be changed once a program runs: only what a plan needs is reported.
#[test]
fn only_the_calls_that_a_plan_needs_are_reported() {
    let all = Ground::Namespaces { disks: DisksBy::Listener(DiskReach::ALL) };
    let narrowed = |needs: &[Capability]| match all.for_needs(&needs.iter().copied().collect()) {
        Ground::Namespaces { disks: DisksBy::Listener(reach) } => reach,
        other => panic!("another ground: {other:?}"),
    };
    let none = DiskReach::default();
    assert_eq!(narrowed(&[Capability::Kill, Capability::Clock]), none);
    assert_eq!(narrowed(&[Capability::Kill, Capability::SyncErrors]), DiskReach { syncs: true, ..none });
    assert_eq!(narrowed(&[Capability::SlowDisk]), DiskReach { syncs: true, ..none });
    assert_eq!(narrowed(&[Capability::ReadErrors]), DiskReach { reads: true, ..none });
    assert_eq!(narrowed(&[Capability::WriteErrors]), DiskReach { writes: true, ..none });
    let by_fuse = Ground::Namespaces { disks: DisksBy::FileSystem };
    assert_eq!(by_fuse.for_needs(&BTreeSet::new()), by_fuse, "a file system is there for any fault");
}

/// The checker knows kinds by their names in a history, and each that kills has to be known there: else a loss after it is put
/// down to replication.
#[test]
fn the_checker_knows_which_kinds_end_nodes() {
    let kills = |kind: &&nemesis::faults::Kind| kind.facts.needs.contains(&Capability::Kill);
    for kind in nemesis::KINDS {
        assert_eq!(is_crash(kind.facts.name), kills(&kind), "{}", kind.facts.name);
    }
    let runs_meanwhile = nemesis::KINDS.iter().filter(kills).map(|kind| kind.facts.name).filter(|name| !is_stop(name));
    // Nodes run until a sync fails, one after the other is started again, or each tries to start.
    assert_eq!(runs_meanwhile.collect::<Vec<_>>(), ["sync-fail", "restart", "crash-in-start"]);
}
