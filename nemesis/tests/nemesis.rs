//! The nemesis on a model of a cluster: links, processes and clocks as data.

#[path = "nemesis/documents.rs"]
mod documents;
#[path = "nemesis/kinds.rs"]
mod kinds;
#[path = "nemesis/model.rs"]
mod model;

use std::collections::{BTreeMap, BTreeSet};

use nemesis::faults::*;
use nemesis::shape::links_touching;
use nemesis::{
    Capabilities, Cluster, Distribution, Draw, Fault, Link, LinkRule, Nemesis, NemesisSpec, Performed, Plan, PlanStep,
    PlannedFault, ProcessState, Schedule, Shape, generate,
};
use serde_json::json;

use crate::model::{Hangs, Model, names};

fn link(from: &str, to: &str) -> Link {
    Link { from: from.to_owned(), to: to.to_owned() }
}

fn only(node: &str) -> Vec<String> {
    vec![node.to_owned()]
}

/// Faults with ids from 1, each `(at, for, fault)`.
fn plan(faults: impl IntoIterator<Item = (u64, u64, Fault)>) -> Plan {
    let number = |(index, (at_ms, for_ms, fault))| PlannedFault { id: index as u64 + 1, at_ms, for_ms, fault };
    Plan { seed: 0, faults: faults.into_iter().enumerate().map(number).collect() }
}

fn nemesis(plan: Plan, model: &Model) -> Nemesis<'_> {
    assert_eq!(plan.validate(&model.nodes), Ok(()));
    Nemesis::new(plan, || model.now_ms.get())
}

fn partition(shape: Shape, count: usize) -> Fault {
    Fault::from(Partition { shape, links: shape.cut(&names(count), &mut Draw::new(1)).expect("enough nodes") })
}

fn one_of_each() -> Plan {
    let slow = links_touching(&only("n1"), &names(5));
    plan([
        (0, 1000, partition(Shape::Halves, 5)),
        (0, 1000, Fault::from(Kill { nodes: vec!["n2".into(), "n4".into()] })),
        (0, 1000, Fault::from(Pause { nodes: only("n3") })),
        (0, 1000, Fault::from(ClockBump { nodes: only("n1"), offset_ms: -12_500 })),
        (0, 1000, Fault::from(ClockDrift { nodes: only("n5"), rate_ppm: 500_000 })),
        (
            2000,
            1000,
            Fault::from(SlowLink {
                links: slow.clone(),
                delay_ms: 120,
                jitter_ms: 40,
                distribution: Distribution::Uniform,
            }),
        ),
        (4000, 1000, Fault::from(LossyLink { links: slow, loss_percent: 30 })),
        (4000, 1000, Fault::from(Wipe { nodes: only("n2") })),
        (6000, 1000, Fault::from(Power { nodes: names(5) })),
        (8000, 1000, Fault::from(SyncFail { nodes: only("n1") })),
        (8000, 1000, Fault::from(Rot { nodes: only("n4"), rows: 9 })),
    ])
}

/// Takes every step of the plan at its time, with traffic in between.
async fn run(nemesis: &mut Nemesis<'_>, model: &Model) -> Vec<Performed> {
    let mut performed = Vec::new();
    for (at_ms, action) in nemesis.plan().schedule() {
        if at_ms > model.now_ms.get() {
            model.pass(at_ms - model.now_ms.get());
        }
        performed.push(nemesis.perform(action, model).await);
    }
    performed
}

fn recorded(performed: &Performed) -> (String, serde_json::Value) {
    let event = performed.event.clone().expect("an event");
    (event.f, event.value)
}

#[tokio::test]
async fn every_kind_is_carried_out_proved_and_undone() {
    let model = Model::new(5);
    let mut nemesis = nemesis(one_of_each(), &model);
    let performed = run(&mut nemesis, &model).await;
    let evidence: Vec<(&str, bool, &str)> =
        nemesis.records().iter().map(|r| (r.kind.as_str(), r.proved, r.evidence.as_str())).collect();
    let (partition, rest) = evidence.split_first().expect("records");
    assert!(partition.1 && partition.2.starts_with("12 links cut: ") && partition.2.ends_with("0 bytes passed"));
    assert_eq!(
        rest,
        [
            ("kill", true, "n2 n4 seen dead, and running again afterwards"),
            ("pause", true, "n3 seen stopped, and running again afterwards"),
            ("clock-bump", true, "n1 set -12,500 ms, reads -12,500 ms (tolerance 250 ms)"),
            ("clock-drift", true, "n5 drifted +500 ms where +500 ms were set"),
            ("slow-link", true, "8 links slowed: 800 bytes delayed by 140 ms on average"),
            ("lossy-link", true, "8 links lossy: 210 of 700 chunks lost"),
            ("wipe", true, "n2 seen dead, and running again afterwards; 30 bytes taken off their disks, 0 left"),
            (
                "power",
                true,
                "n1 n2 n3 n4 n5 seen dead, and running again afterwards; of what was not synced 0 batches lost (0 torn), 0 \
                 kept"
            ),
            ("sync-fail", true, "n1 seen dead, and running again afterwards; 1 sync failed"),
            ("rot", true, "n4 seen dead, and running again afterwards; 9 rows rotten, started without 9"),
        ]
    );
    assert!(performed.iter().all(|step| step.error.is_none() && step.event.is_some()));
    assert!(model.is_whole() && nemesis.active().is_empty());
    let (f, value) = recorded(&performed[1]);
    assert_eq!((f.as_str(), value), ("start-kill", json!({"fault": 2, "detail": "n2 n4", "nodes": ["n2", "n4"]})));
    let (f, value) = recorded(&performed[6]);
    let wanted = "n2 n4 seen dead, and running again afterwards";
    assert_eq!((f.as_str(), value), ("stop-kill", json!({"fault": 2, "proved": true, "evidence": wanted})));
    let record = &nemesis.records()[5];
    assert_eq!((record.start_ms, record.stop_ms, record.figures["delay_mean_ms"]), (2000, 3000, 140));
}

#[tokio::test]
async fn a_cluster_that_ignores_faults_proves_none() {
    let model = Model { ignores: true, ..Model::new(5) };
    let mut nemesis = nemesis(one_of_each(), &model);
    run(&mut nemesis, &model).await;
    assert_eq!(nemesis.records().len(), 11);
    for record in nemesis.records() {
        assert!(!record.proved && !record.evidence.is_empty(), "{record:?}");
    }
}

/// A node that accepts a damaged row is as bad as one that does not start again.
#[tokio::test]
async fn rot_that_nobody_notices_is_not_proved() {
    let model = Model { leaks: true, ..Model::new(3) };
    let mut nemesis = nemesis(plan([(0, 10, Fault::from(Rot { nodes: only("n2"), rows: 3 }))]), &model);
    run(&mut nemesis, &model).await;
    let record = &nemesis.records()[0];
    assert!(!record.proved && record.evidence.contains("it took 3 rotten rows for good"), "{record:?}");
}

/// A node that died of its disk was killed by the nemesis, whether the disk has been mended yet or not.
#[tokio::test]
async fn heal_all_mends_disks_and_starts_what_they_have_ended() {
    let model = Model::new(3);
    let faults = [Fault::from(SyncFail { nodes: only("n1") }), Fault::from(Rot { nodes: only("n2"), rows: 3 })];
    let mut nemesis = nemesis(plan(faults.map(|fault| (0, 10, fault))), &model);
    nemesis.perform(PlanStep::Start(1), &model).await;
    nemesis.perform(PlanStep::Start(2), &model).await;
    model.pass(5);
    assert_eq!((model.state("n1"), model.state("n2")), (ProcessState::Dead, ProcessState::Dead));
    model.fail("restart_without_damaged n2", 1);
    let report = nemesis.heal_all(&model).await;
    assert!(report.problems.is_empty() && report.found_dead.is_empty() && model.is_whole(), "{report:?}");
}

#[tokio::test]
async fn losses_on_one_link_add_up_to_less_than_their_sum() {
    let model = Model::new(2);
    let lossy = |loss_percent| (0, 9, Fault::from(LossyLink { links: vec![link("n1", "n2")], loss_percent }));
    let mut nemesis = nemesis(plan([lossy(50), lossy(50), lossy(99)]), &model);
    for (id, wanted) in [(1, 50), (2, 75), (3, 99)] {
        nemesis.perform(PlanStep::Start(id), &model).await;
        assert_eq!(model.rule("n1", "n2").loss_percent, wanted);
    }
}

#[tokio::test]
async fn a_leaking_or_silent_partition_is_not_proved() {
    let model = Model { leaks: true, ..Model::new(3) };
    let mut leaking = nemesis(plan([(0, 10, partition(Shape::Single, 3))]), &model);
    run(&mut leaking, &model).await;
    assert!(!leaking.records()[0].proved && leaking.records()[0].evidence.contains("400 bytes passed"));

    let model = Model::new(3);
    let mut silent = nemesis(plan([(0, 10, partition(Shape::Single, 3))]), &model);
    silent.perform(PlanStep::Start(1), &model).await;
    let stopped = silent.perform(PlanStep::Stop(1), &model).await;
    assert!(recorded(&stopped).1["evidence"].as_str().is_some_and(|text| text.contains("nothing was sent")));
    assert!(!stopped.record.expect("a record").proved && model.is_whole());
}

#[tokio::test]
async fn what_passed_before_the_cut_and_after_it_is_not_held_against_it() {
    let model = Model::new(2);
    model.pass(5);
    let mut nemesis = nemesis(plan([(5, 10, partition(Shape::Single, 2))]), &model);
    run(&mut nemesis, &model).await;
    model.pass(5);
    let record = &nemesis.records()[0];
    assert!(record.proved && record.figures["forwarded_bytes"] == 0 && record.figures["blocked_bytes"] == 200);
}

#[tokio::test]
async fn overlapping_faults_compose_and_leave_one_by_one() {
    let both = vec![link("n1", "n2"), link("n2", "n1")];
    let slow = |delay_ms| {
        Fault::from(SlowLink {
            links: vec![link("n1", "n2")],
            delay_ms,
            jitter_ms: 10,
            distribution: Distribution::Uniform,
        })
    };
    let model = Model::new(3);
    let mut nemesis = nemesis(
        plan([
            (0, 90, slow(100)),
            (0, 90, slow(30)),
            (0, 90, Fault::from(Partition { shape: Shape::Single, links: both })),
            (0, 9000, Fault::from(ClockBump { nodes: only("n1"), offset_ms: 5000 })),
            (0, 9000, Fault::from(ClockDrift { nodes: only("n1"), rate_ppm: 1_000_000 })),
        ]),
        &model,
    );
    for id in [1, 2, 3, 5] {
        nemesis.perform(PlanStep::Start(id), &model).await;
    }
    assert_eq!(model.rule("n1", "n2"), LinkRule { blocked: true, delay_ms: 130, jitter_ms: 20, ..LinkRule::default() });
    assert_eq!(model.rule("n2", "n1"), LinkRule { blocked: true, ..LinkRule::default() });
    nemesis.perform(PlanStep::Stop(1), &model).await;
    assert_eq!(model.rule("n1", "n2"), LinkRule { blocked: true, delay_ms: 30, jitter_ms: 10, ..LinkRule::default() });
    nemesis.perform(PlanStep::Stop(3), &model).await;
    assert_eq!(model.rule("n1", "n2"), LinkRule { delay_ms: 30, jitter_ms: 10, ..LinkRule::default() });

    model.pass(400);
    nemesis.perform(PlanStep::Start(4), &model).await;
    assert_eq!(model.believed("n1"), 5400, "a jump does not take away what has drifted");
    model.pass(600);
    nemesis.perform(PlanStep::Stop(5), &model).await;
    assert_eq!(model.believed("n1"), 5000, "the drift goes with all that it made");
    model.pass(1000);
    nemesis.perform(PlanStep::Stop(4), &model).await;
    assert_eq!(model.believed("n1"), 0);
    let proved: BTreeMap<u64, bool> = nemesis.records().iter().map(|record| (record.fault, record.proved)).collect();
    assert!(proved[&4] && proved[&5], "each by its own share: {:?}", nemesis.records());
}

#[tokio::test]
async fn a_clock_that_cannot_be_read_at_one_end_is_read_at_the_other() {
    let model = Model::new(3);
    let bump = Fault::from(ClockBump { nodes: only("n1"), offset_ms: 40 });
    let drift = Fault::from(ClockDrift { nodes: only("n2"), rate_ppm: -500_000 });
    let dead = Fault::from(Kill { nodes: names(3) });
    let mut late = nemesis(plan([(0, 9, dead.clone()), (1, 99, bump.clone()), (1, 99, drift)]), &model);
    run(&mut late, &model).await;
    assert!(late.records().iter().all(|record| record.proved), "{:?}", late.records());

    let mut never = nemesis(plan([(100, 50, dead), (110, 10, bump)]), &model);
    run(&mut never, &model).await;
    let record = &never.records()[0];
    assert!(!record.proved && record.evidence.contains("n1 never answered for its clock"), "{record:?}");
    assert!(model.is_whole());
}

#[tokio::test]
async fn a_start_that_fails_is_a_stop_without_proof_and_leaves_nothing() {
    for (call, id) in [("set_link n5 -> n1", 6), ("kill n2", 2), ("pause n3", 3), ("set_clock n1", 4)] {
        let model = Model::new(5);
        model.fail(call, 1);
        let mut nemesis = nemesis(one_of_each(), &model);
        let started = nemesis.perform(PlanStep::Start(id), &model).await;
        let (f, value) = recorded(&started);
        assert!(f.starts_with("stop-") && value["proved"] == json!(false), "{f} {value}");
        assert!(
            value["evidence"].as_str().is_some_and(|text| text.contains("could not be started") && text.contains(call))
        );
        assert!(!started.started && started.error.is_some() && model.is_whole(), "{call}");
        let stopped = nemesis.perform(PlanStep::Stop(id), &model).await;
        assert!(stopped.event.is_none() && stopped.error.is_none(), "it has been recorded already");
        assert_eq!(nemesis.records().len(), 1);
    }
}

#[tokio::test]
async fn a_restart_that_fails_is_reported_and_tried_again() {
    let model = Model::new(3);
    model.fail("restart n2", 2);
    let mut nemesis = nemesis(plan([(0, 9, Fault::from(Kill { nodes: vec!["n1".into(), "n2".into()] }))]), &model);
    nemesis.perform(PlanStep::Start(1), &model).await;
    let stopped = nemesis.perform(PlanStep::Stop(1), &model).await;
    let (_, value) = recorded(&stopped);
    let evidence = value["evidence"].as_str().expect("a text");
    assert!(
        value["proved"] == json!(false) && evidence.contains("restarting n2 failed: restart n2 refused"),
        "{evidence}"
    );
    assert_eq!((model.state("n1"), model.state("n2")), (ProcessState::Running, ProcessState::Dead));
    let report = nemesis.heal_all(&model).await;
    assert_eq!((report.problems.len(), report.found_dead.len()), (0, 0), "{report:?}");
    assert!(model.is_whole());
}

#[tokio::test]
async fn an_unhealed_link_or_clock_spoils_the_proof_and_is_healed_in_the_end() {
    let model = Model::new(5);
    let mut nemesis = nemesis(one_of_each(), &model);
    for id in [4, 6] {
        nemesis.perform(PlanStep::Start(id), &model).await;
    }
    model.pass(100);
    model.fail("set_link n1 -> n2", 1);
    model.fail("set_clock n1", 1);
    for id in [4, 6] {
        let record = nemesis.perform(PlanStep::Stop(id), &model).await.record.expect("a record");
        assert!(!record.proved && record.evidence.contains("failed"), "{record:?}");
    }
    assert!(!model.is_whole());
    assert!(nemesis.heal_all(&model).await.problems.is_empty() && model.is_whole());
}

#[tokio::test]
async fn heal_all_stops_what_is_active_and_reports_it() {
    let model = Model::new(5);
    let mut nemesis = nemesis(one_of_each(), &model);
    for id in 1..=6 {
        assert!(nemesis.perform(PlanStep::Start(id), &model).await.started);
    }
    model.pass(1000);
    let report = nemesis.heal_all(&model).await;
    let stopped: BTreeSet<String> = report.performed.iter().map(|performed| recorded(performed).0).collect();
    assert_eq!(stopped.len(), 6);
    assert!(report.problems.is_empty() && report.found_dead.is_empty() && model.is_whole(), "{report:?}");
    assert!(nemesis.active().is_empty() && nemesis.records().len() == 6);
    assert!(nemesis.heal_all(&model).await.performed.is_empty());
}

#[tokio::test]
async fn heal_all_says_what_it_cannot_heal_and_who_had_crashed() {
    let model = Model::new(5);
    let mut nemesis = nemesis(one_of_each(), &model);
    for id in [1, 3, 4] {
        nemesis.perform(PlanStep::Start(id), &model).await;
    }
    let cut = nemesis.plan().faults[0].fault.links()[0].clone();
    model.change("n2", |process| process.state = ProcessState::Dead);
    model.fail(&format!("set_link {cut}"), usize::MAX);
    model.fail("resume n3", usize::MAX);
    model.fail("set_clock n1", usize::MAX);
    let report = nemesis.heal_all(&model).await;
    assert_eq!(report.found_dead, ["n2"]);
    assert_eq!(model.state("n2"), ProcessState::Running);
    let problems = report.problems.join("\n");
    assert_eq!(report.problems.len(), 3, "{problems}");
    assert!(
        problems.contains(&cut.to_string()) && problems.contains("n3 could not") && problems.contains("clock of n1")
    );
}

#[tokio::test]
async fn a_step_dropped_half_way_is_undone() {
    let surface = Hangs(Model::new(5));
    let mut nemesis = nemesis(one_of_each(), &surface.0);
    tokio::select! {
        biased;
        _ = nemesis.perform(PlanStep::Start(2), &surface) => panic!("it hangs"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(surface.0.state("n4"), ProcessState::Dead);
    let report = nemesis.heal_all(&surface).await;
    assert!(report.problems.is_empty() && report.performed.len() == 1 && surface.0.is_whole(), "{report:?}");
}

#[tokio::test]
async fn steps_that_make_no_sense_are_errors_without_effect() {
    let model = Model::new(5);
    let mut nemesis = nemesis(one_of_each(), &model);
    for action in [PlanStep::Start(99), PlanStep::Stop(99), PlanStep::Stop(1)] {
        let performed = nemesis.perform(action, &model).await;
        assert!(performed.error.is_some() && performed.event.is_none() && !performed.started, "{performed:?}");
    }
    nemesis.perform(PlanStep::Start(1), &model).await;
    assert!(nemesis.perform(PlanStep::Start(1), &model).await.error.is_some());
    assert_eq!(nemesis.active(), [1]);
}

#[tokio::test]
async fn generated_plans_are_proved_to_the_last_fault() {
    let every_kind: NemesisSpec = "all,wipe,disk".parse().expect("a good list");
    for seed in 0..200 {
        let count = 1 + seed as usize % 9;
        let model = Model::new(count);
        let nodes = names(count);
        let cluster = Cluster::new(&nodes, Capabilities::all());
        let plan = generate(seed, &cluster, &every_kind, Schedule::for_run(40_000)).expect("a plan");
        let mut nemesis = nemesis(plan, &model);
        for (at_ms, action) in nemesis.plan().schedule() {
            while model.now_ms.get() < at_ms {
                model.pass((at_ms - model.now_ms.get()).min(50));
            }
            nemesis.perform(action, &model).await;
        }
        let unproved: Vec<_> = nemesis.records().iter().filter(|record| !record.proved).collect();
        assert!(unproved.is_empty() && model.is_whole(), "seed {seed}: {unproved:?}");
    }
}
