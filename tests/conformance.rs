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
