//! Simulated runs of the whole bench: a function of their seed, valid on the right cluster, and not on one with a
//! planted bug.

use checker::CheckName;
use checker::verdict::{Outcome, PropertyResult};
use cluster_core::bug::Bug;
use cluster_core::protocol::Protocol;
use dissensus::run::settings::{ArenaKind, RunSettings};
use dissensus::run::simulate::{judge_seed, simulate};
use dissensus::systems::SystemSettings;
use dissensus::systems::dynamo::{DynamoSettings, bugs};

fn settings(seed: u64, time_limit_ms: u64) -> RunSettings {
    let mut settings = RunSettings { arena: ArenaKind::Sim, seed, ..RunSettings::default() };
    settings.load.time_limit_ms = time_limit_ms;
    settings
}

fn with_faults(nemesis: &str, mut settings: RunSettings) -> RunSettings {
    settings.faults.nemesis = nemesis.to_owned();
    settings
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..50 {
        let trace = |seed| judge_seed(&settings(seed, 3_000)).expect("the settings can work").1;
        let first = trace(seed);
        assert_eq!(first, trace(seed), "seed {seed}");
        assert!(first.events > 1_000, "seed {seed}: {} events show little", first.events);
        assert_ne!(first.hash, trace(seed + 50).hash, "a hash that never differs shows nothing");
    }
}

#[test]
fn the_same_seed_leaves_the_same_history_byte_for_byte() {
    let scratch = tempfile::tempdir().expect("a directory for the test");
    let history = || {
        let (finished, _) = simulate(&settings(3, 3_000), scratch.path(), true).expect("it runs");
        std::fs::read(finished.dir.file("history.jsonl")).expect("the history is there")
    };
    assert_eq!(history(), history());
}

#[test]
fn the_right_cluster_keeps_its_claims_under_every_fault() {
    for seed in 0..6 {
        let (outcome, _) = judge_seed(&settings(seed, 10_000)).expect("the settings can work");
        assert_eq!(outcome, Outcome::Valid, "dissensus sim --time-limit 10s --seed {seed}");
    }
}

/// Partitions by data centre were refused, as nothing told the nemesis which nodes share one.
#[test]
fn regression_partitions_follow_what_the_system_tells_of_its_nodes_and_keys() {
    let scratch = tempfile::tempdir().expect("a directory for the test");
    let dynamo = DynamoSettings { data_centres: 2, ..DynamoSettings::default() };
    for (shape, sides) in [("data-centre", [2, 3]), ("owners", [2, 3])] {
        let run = RunSettings {
            system: SystemSettings::of(&dynamo),
            ..with_faults(&format!("partition:{shape}"), settings(5, 8_000))
        };
        let (finished, _) = simulate(&run, scratch.path(), false).expect("it runs");
        assert_eq!(finished.judged.verdict.outcome, Outcome::Valid, "{shape}: {:?}", finished.judged.verdict.reasons);
        assert!(!finished.judged.verdict.faults.is_empty());
        for fault in &finished.judged.verdict.faults {
            let side = |text: &str| text.split_whitespace().count();
            let mut found = fault.detail.split('|').map(side).collect::<Vec<_>>();
            found.sort();
            assert!(fault.proved && found == sides, "{shape}: {fault:?}");
        }
    }
}

/// The property that each planted bug must break under its own default options, in one of a few seeds.
#[test]
fn every_planted_bug_is_found_and_named() {
    for (bug, property) in [
        (Bug::NoDots, CheckName::NO_LOST_WRITES),
        (Bug::HintDeletedEarly, CheckName::NO_LOST_WRITES),
        (Bug::FastClockWins, CheckName::READ_YOUR_WRITES),
        (Bug::AckBeforeDurable, CheckName::DURABILITY),
        (Bug::OwnPairTruncated, CheckName::NO_LOST_WRITES),
        (Bug::SessionUnchecked, CheckName::MONOTONIC_READS),
        (Bug::QuorumsDisjoint, CheckName::READ_YOUR_WRITES),
        (Bug::CounterRestarts, CheckName::NO_LOST_WRITES),
        (Bug::DotsReused, CheckName::NO_LOST_WRITES),
        (Bug::QuorumCheckedOnce, CheckName::READ_YOUR_WRITES),
        (Bug::ReadQuorumZero, CheckName::NO_LOST_WRITES),
        (Bug::NotFoundCounts, CheckName::READ_YOUR_WRITES),
        (Bug::RepairOneSibling, CheckName::NO_LOST_WRITES),
        (Bug::RepairPartial, CheckName::NO_LOST_WRITES),
        (Bug::ForwardedTwice, CheckName::SIBLINGS_BOUNDED),
        (Bug::TombstonePurgedEarly, CheckName::NO_RESURRECTION),
        (Bug::LateTombstoneKills, CheckName::NO_LOST_WRITES),
        (Bug::HandoffOnce, CheckName::CONVERGENCE),
        (Bug::PeerNeverRetried, CheckName::CONVERGENCE),
        (Bug::ServedBeforeData, CheckName::READ_YOUR_WRITES),
        (Bug::RingCached, CheckName::READ_YOUR_WRITES),
    ] {
        let scratch = tempfile::tempdir().expect("a directory for the test");
        let found = (0..40).any(|seed| {
            let (finished, _) = simulate(&with_bug(bug, seed), scratch.path(), true).expect("it runs");
            breaks(&finished, property)
        });
        assert!(found, "{bug} does not break {property}");
    }
}

/// Some need a run of the usual length, and a coincidence that does not come with every seed.
#[test]
fn bugs_that_need_a_coincidence_are_found_and_named() {
    for (bug, property) in [
        (Bug::HintsLostOnRestart, CheckName::NO_LOST_WRITES),
        (Bug::AckBeforeSync, CheckName::NO_LOST_WRITES),
        (Bug::HintReplayedAfterPurge, CheckName::NO_RESURRECTION),
        (Bug::HintWindow, CheckName::CONVERGENCE),
        (Bug::MerkleDrift, CheckName::CONVERGENCE),
        (Bug::RepairMarkedDone, CheckName::CONVERGENCE),
        (Bug::MovedUnconfirmed, CheckName::NO_LOST_WRITES),
        (Bug::SeedsIgnored, CheckName::RING_AGREEMENT),
        (Bug::DeletesNotForwarded, CheckName::NO_RESURRECTION),
        (Bug::MembershipByClock, CheckName::RING_AGREEMENT),
        (Bug::VirtualNodesCounted, CheckName::NO_LOST_WRITES),
    ] {
        let scratch = tempfile::tempdir().expect("a directory for the test");
        let found = (0..40).any(|seed| {
            let settings = with_bug_for(bug, seed, 30_000);
            if judge_seed(&settings).expect("it runs").0 != Outcome::Invalid {
                return false;
            }
            let (finished, _) = simulate(&settings, scratch.path(), true).expect("it runs");
            breaks(&finished, property)
        });
        assert!(found, "{bug} does not break {property}");
    }
}

/// Ring agreement is claimed of every cluster: an explanation names who says what, and the right one keeps it under the
/// same faults. Nor does the bug break anything without a change of the membership or without a partition.
#[test]
fn two_rings_are_reported_with_who_says_what() {
    let scratch = tempfile::tempdir().expect("a directory for the test");
    let usual = |seed| with_bug_for(Bug::SeedsIgnored, seed, 30_000);
    let explanation = (0..40).find_map(|seed| {
        let (finished, _) = simulate(&usual(seed), scratch.path(), true).expect("it runs");
        let broken = |found: &&PropertyResult| found.claimed && found.outcome == Outcome::Invalid;
        let broken: Vec<&PropertyResult> = finished.judged.verdict.properties.iter().filter(broken).collect();
        assert!(broken.iter().all(|found| found.property == CheckName::RING_AGREEMENT), "{broken:?}");
        broken.first().map(|found| found.anomalies[0].explanation.clone())
    });
    let explanation = explanation.expect("40 seeds");
    assert!(explanation.contains(" say n") && explanation.contains("ing"), "{explanation}");
    for seed in 0..3 {
        let right = bugs::shows_itself(Bug::SeedsIgnored, false).options;
        let right = RunSettings { system: SystemSettings::of(&right), ..usual(seed) };
        let alone = ["partition", "membership"].map(|nemesis| with_faults(nemesis, usual(seed)));
        for settings in alone.into_iter().chain([right]) {
            assert_eq!(judge_seed(&settings).expect("it runs").0, Outcome::Valid, "dissensus {}", settings.command());
        }
    }
}

/// Whether a claim is broken, with the anomalies that prove it.
fn breaks(finished: &dissensus::run::Finished, property: CheckName) -> bool {
    finished.judged.verdict.properties.iter().any(|found| {
        found.property == property && found.claimed && found.outcome == Outcome::Invalid && !found.anomalies.is_empty()
    })
}

/// What one node's disk loses, the other nodes restore, and the run reports its measurements.
#[test]
fn the_right_cluster_keeps_its_claims_when_disks_fail() {
    for (nemesis, wanted) in [
        ("wipe", "taken off their disks, 0 left"),
        ("disk:rot", "rotten, started without"),
        ("disk:sync-fail", " failed"),
    ] {
        let settings = with_faults(nemesis, settings(1, 10_000));
        let scratch = tempfile::tempdir().expect("a directory for the test");
        let (finished, _) = simulate(&settings, scratch.path(), true).expect("it runs");
        assert_eq!(finished.judged.verdict.outcome, Outcome::Valid, "dissensus {}", settings.command());
        let evidence = std::fs::read_to_string(finished.dir.file("evidence.json")).expect("it was written");
        assert!(evidence.contains(wanted), "{nemesis}: {evidence}");
    }
}

/// A real disk cannot be made to fail: that is refused before anything is started.
#[test]
fn disk_faults_are_refused_in_processes() {
    let settings = RunSettings { arena: ArenaKind::Process, ..with_faults("kill,disk:rot", settings(1, 10_000)) };
    let error = settings.check().err().expect("it cannot be done").to_string();
    assert!(error.contains("use `dissensus sim`"), "{error}");
}

fn with_bug(bug: Bug, seed: u64) -> RunSettings {
    with_bug_for(bug, seed, 10_000)
}

fn with_bug_for(bug: Bug, seed: u64, time_limit_ms: u64) -> RunSettings {
    let chosen = bugs::shows_itself(bug, true);
    settings(seed, time_limit_ms).of(SystemSettings::of(&chosen.options), &chosen.preferences)
}

/// Each node is started again with the next version of the peer protocol, under load: nothing that is claimed breaks,
/// and each says what it speaks before and after.
#[test]
fn a_rolling_upgrade_is_valid_and_proved() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let oldest = DynamoSettings { protocol: Protocol::OLDEST, ..DynamoSettings::default() };
    let settings = with_faults("upgrade", settings(3, 30_000));
    let settings = RunSettings { system: SystemSettings::of(&oldest), ..settings };
    let (finished, _) = simulate(&settings, dir.path(), true).expect("it can be simulated");
    assert_eq!(finished.judged.verdict.outcome, Outcome::Valid);
    let evidence = std::fs::read_to_string(finished.dir.file("evidence.json")).expect("it was written");
    assert_eq!(evidence.matches("said version 1 before and 2 after").count(), 5, "{evidence}");
}
