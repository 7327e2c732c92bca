//! Every kind of the registry, with every way of asking for it: drawn from seeds, carried out on the model, and proved
//! if and only if it was done.

use std::collections::{BTreeMap, BTreeSet};

use nemesis::kind::Ways;
use nemesis::{
    Capabilities, Capability, Cluster, GenerateError, KINDS, Layout, Nemesis, NemesisSpec, Plan, PlanStep,
    PlannedFault, Problem, Schedule, Spares, Surface, generate,
};

use nemesis::surface::ProcessState;

use crate::model::{Model, dead, names, offers};

const SCHEDULE: Schedule = Schedule { start_ms: 0, end_ms: 12_000, interval_ms: 500, duration_ms: 2000 };

/// What may stand in a `--nemesis` list for each kind: its family alone, and each of its names.
pub fn items() -> Vec<(&'static str, String)> {
    let of = |kind: &nemesis::faults::Kind| {
        let facts = kind.facts;
        let by_name = facts.ways.names().map(move |name| (facts.name, format!("{}:{name}", facts.family)));
        let alone = (!matches!(facts.ways, Ways::Names { .. })).then(|| (facts.name, facts.family.to_owned()));
        by_name.chain(alone).collect::<Vec<_>>()
    };
    KINDS.iter().flat_map(of).collect()
}

pub fn drawn(item: &str, seed: u64, capabilities: Capabilities) -> Result<Plan, GenerateError> {
    let nodes = names(7);
    let capabilities = capabilities.offering(offers(&nodes));
    let centres = [names(3), names(5)[3..].to_vec(), nodes[5..].to_vec()];
    let layout = Layout { data_centres: centres.to_vec(), owners: vec![names(3), nodes[2..].to_vec(), nodes.clone()] };
    let cluster =
        Cluster::new(&nodes, capabilities).with_layout(layout).with_spares(Spares { count: 2, members_min: 3 });
    generate(seed, &cluster, &item.parse().expect("a good item"), SCHEDULE)
}

/// Carries out one fault of a plan by itself.
pub async fn carry_out(planned: &PlannedFault, model: &Model) -> nemesis::EvidenceRecord {
    let alone = Plan { seed: 0, faults: vec![PlannedFault { at_ms: 10, ..planned.clone() }] };
    assert_eq!(alone.validate(&model.nodes), Ok(()), "{planned:?}");
    let mut nemesis = Nemesis::new(alone, || model.now_ms.get());
    for (at_ms, step) in nemesis.plan().schedule() {
        while model.now_ms.get() < at_ms {
            model.pass((at_ms - model.now_ms.get()).min(50));
        }
        nemesis.perform(step, model).await;
        if ["restart", "rolling-pause"].contains(&planned.fault.kind()) && !model.ignores {
            let stopped = model.nodes.iter().filter(|node| model.state(node) == ProcessState::Stopped).count();
            assert!(dead(model).len() + stopped <= 1, "one at a time: {:?}, {stopped} stopped", dead(model));
        }
    }
    assert!(nemesis.active().is_empty());
    nemesis.records()[0].clone()
}

/// The heart of "no fault without evidence": done and nothing else is proved.
#[tokio::test]
async fn every_kind_is_proved_when_it_is_done_and_only_then() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, item) in items() {
        for seed in 0..4 {
            let plan = drawn(&item, seed, Capabilities::all()).unwrap_or_else(|error| panic!("{item}: {error}"));
            for planned in plan.faults.iter().filter(|planned| planned.fault.kind() == kind).take(2) {
                *seen.entry(kind).or_default() += 1;
                let model = Model::new(7).with_spares(2);
                let done = carry_out(planned, &model).await;
                assert!(done.proved && model.is_whole(), "{item}, {planned:?}: {done:?}");
                let ignoring = Model { ignores: true, ..Model::new(7).with_spares(2) };
                let ignored = carry_out(planned, &ignoring).await;
                assert!(!ignored.proved && !ignored.evidence.is_empty(), "{item}, {planned:?}: {ignored:?}");
            }
        }
    }
    let kinds: BTreeSet<&str> = KINDS.iter().map(|kind| kind.facts.name).collect();
    assert_eq!(seen.keys().copied().collect::<BTreeSet<_>>(), kinds, "each was drawn");
    assert!(seen.values().all(|count| *count >= 4), "{seen:?}");
}

/// What is written is read back, and is the same in a plan's file, its words and its kind's name.
#[test]
fn every_kind_survives_its_file() {
    for (kind, item) in items() {
        for seed in 0..5 {
            let plan = drawn(&item, seed, Capabilities::all()).expect("it is possible");
            let text = plan.to_toml(&names(7));
            assert_eq!(Plan::from_toml(&text).as_ref(), Ok(&plan), "{text}");
            assert_eq!(plan.validate(&names(7)), Ok(()), "{text}");
            assert!(text.contains(&format!("kind = \"{kind}\"")), "{item}: {text}");
            assert_eq!(plan, drawn(&item, seed, Capabilities::all()).expect("the same"), "a seed gives one plan");
        }
    }
}

/// A kind without a word in the documents is not finished.
#[test]
fn the_documents_name_every_kind_and_every_way() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");
    let text = std::fs::read_to_string(path).expect("the document is there");
    let facts = KINDS.iter().map(|kind| kind.facts);
    let words = facts.flat_map(|facts| facts.ways.names().chain([facts.name, facts.family]));
    let missing: BTreeSet<&str> = words.filter(|word| !text.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "not in docs/faults.md: {missing:?}");
}

/// A kind that is asked for by name is refused where one of its needs is not met: its name, what is missing, and why.
#[test]
fn every_need_that_is_not_met_is_refused_with_the_reason() {
    // Whether there are these is said by the layout.
    let of_layout = [Capability::DataCentres, Capability::KeyOwners];
    for (kind, item) in items() {
        let plan = drawn(&item, 1, Capabilities::all()).expect("it is possible");
        let missing: Vec<Capability> =
            Capability::ALL.into_iter().filter(|capability| plan.check_needs(&all_but(*capability)).is_err()).collect();
        assert!(!missing.is_empty(), "{item} needs something");
        for capability in missing.into_iter().filter(|missing| !of_layout.contains(missing)) {
            let Err(GenerateError::Unmet(unmet)) = drawn(&item, 1, all_but(capability)) else {
                panic!("{item} was planned without the ability to {capability}");
            };
            assert_eq!((unmet.missing, unmet.reason.as_deref()), (capability, Some("no reason")));
            let text = unmet.to_string();
            assert!(text.contains(kind) && text.ends_with(": no reason"), "{text}");
        }
    }
}

fn all_but(capability: Capability) -> Capabilities {
    Capabilities::all().without([capability], "no reason").offering(offers(&names(7)))
}

#[test]
fn a_plan_that_needs_what_is_missing_is_refused_with_its_position() {
    let plan = drawn("corrupt", 1, Capabilities::all()).expect("it is possible");
    let error = plan.check_needs(&all_but(Capability::Corruption)).expect_err("it cannot");
    assert!(error.to_string().starts_with("[[fault]] number 1 of the plan (id 1): the fault corrupt-link"), "{error}");
    let clients = drawn("partition:clients", 1, Capabilities::all()).expect("it is possible");
    assert!(clients.check_needs(&all_but(Capability::ClientLinks)).is_err());
}

/// `all` stands for what is possible; what is named must be.
#[test]
fn what_cannot_be_done_is_left_out_of_all_and_refused_by_name() {
    let kinds = |list: &str, capabilities| -> Result<BTreeSet<&'static str>, GenerateError> {
        let nodes = names(5);
        let spec: NemesisSpec = list.parse().expect("a good list");
        let plan = generate(3, &Cluster::new(&nodes, capabilities), &spec, Schedule::for_run(60_000))?;
        Ok(plan.faults.iter().map(|planned| planned.fault.family()).collect())
    };
    let no_clocks = || all_but(Capability::Clock);
    assert_eq!(kinds("all", no_clocks()), Ok(BTreeSet::from(["partition", "kill", "pause", "slow", "lossy"])));
    let with_wipe = BTreeSet::from(["partition", "kill", "pause", "slow", "lossy", "wipe"]);
    assert_eq!(kinds("all,wipe", no_clocks()), Ok(with_wipe));
    for list in ["clock", "kill,clock:drift", "clock:bump-all"] {
        assert!(matches!(kinds(list, no_clocks()), Err(GenerateError::Unmet(_))), "{list}");
    }
    let no_power = || all_but(Capability::PowerFailure);
    assert_eq!(kinds("disk", no_power()), Ok(BTreeSet::from(["disk"])), "the other kinds of the family are left");
    assert!(matches!(kinds("disk:power", no_power()), Err(GenerateError::Unmet(_))));
    assert!(matches!(kinds("all", Capabilities::none()), Err(GenerateError::NothingPossible { .. })));
}

/// A surface that cannot do it is not asked to: nothing is touched, and nothing is proved.
#[tokio::test]
async fn a_fault_that_the_surface_cannot_do_is_not_begun() {
    struct Bare(Model);
    impl Surface for Bare {
        fn nodes(&self) -> Vec<String> {
            self.0.nodes()
        }
        fn capabilities(&self) -> Capabilities {
            Capabilities::none().without(Capability::ALL, "it is bare")
        }
    }
    let bare = Bare(Model::new(7));
    for (_, item) in items() {
        let mut plan = drawn(&item, 1, Capabilities::all()).expect("it is possible");
        plan.faults.truncate(1);
        let mut nemesis = Nemesis::new(plan, || 0);
        let performed = nemesis.perform(PlanStep::Start(1), &bare).await;
        let error = performed.error.expect("it cannot begin");
        assert!(!performed.started && error.contains("it could not be started"), "{item}: {error}");
        assert!(error.contains("cannot") && error.ends_with(": it is bare"), "{item}: {error}");
        assert!(!performed.record.expect("a record").proved);
    }
}

/// A node that would not start with flipped bits gets an empty disk, as from an administrator.
#[tokio::test]
async fn a_node_that_refuses_its_flipped_bits_gets_an_empty_disk() {
    let model = Model { checks_files: true, ..Model::new(7) };
    let plan = drawn("disk:bit-flip", 1, Capabilities::all()).expect("it is possible");
    let record = carry_out(&plan.faults[0], &model).await;
    assert!(record.proved && record.figures["disks_replaced"] == 1 && model.is_whole(), "{record:?}");
}

/// A sync that lies is no reason to die, so both may happen to a node at once, and a power failure then takes more.
#[tokio::test]
async fn disks_that_lie_compose_with_failures_of_power() {
    let mut overlaps = 0;
    for seed in 0..20 {
        let plan = drawn("lying-sync:all,disk:power", seed, Capabilities::all()).expect("it is possible");
        overlaps += plan.faults.windows(2).filter(|pair| pair[0].overlaps(&pair[1])).count();
        assert_eq!(plan.validate(&names(7)), Ok(()));
    }
    assert!(overlaps > 10, "{overlaps}");
}

#[test]
fn a_fault_may_not_change_too_often() {
    let mut plan = drawn("reset", 1, Capabilities::all()).expect("it is possible");
    plan.faults.truncate(1);
    plan.faults[0].for_ms = 3_600_000;
    let nemesis::Fault::ResetConnections(reset) = &mut plan.faults[0].fault else { panic!("asked for alone") };
    reset.period_ms = 1;
    let error = plan.validate(&names(7)).expect_err("too often");
    assert!(matches!(error, nemesis::PlanError::Fault { problem: Problem::TooManyTurns, .. }), "{error}");
}

/// All kinds at once, drawn together, in their overlaps: each is proved, and everything is healed.
#[tokio::test]
async fn all_kinds_together_are_proved_to_the_last_fault() {
    let families: BTreeSet<&str> = KINDS.iter().map(|kind| kind.facts.family).collect();
    let everything = families.into_iter().filter(|family| *family != "membership").collect::<Vec<_>>().join(",");
    let spec: NemesisSpec = format!("{everything},clock:strobe,disk:torn,disk:bit-flip").parse().expect("a good list");
    for seed in 0..20 {
        let nodes = names(3 + seed as usize % 5);
        let model = Model::new(nodes.len());
        let cluster = Cluster::new(&nodes, model.capabilities());
        let plan = generate(seed, &cluster, &spec, Schedule::for_run(120_000)).expect("a plan");
        let mut nemesis = Nemesis::new(plan, || model.now_ms.get());
        for (at_ms, step) in nemesis.plan().schedule() {
            while model.now_ms.get() < at_ms {
                model.pass((at_ms - model.now_ms.get()).min(50));
            }
            nemesis.perform(step, &model).await;
        }
        let unproved: Vec<_> = nemesis.records().iter().filter(|record| !record.proved).collect();
        assert!(unproved.is_empty() && model.is_whole(), "seed {seed}: {unproved:#?}");
    }
}

/// A fault by commands is asked for by its name, with or without its family.
#[test]
fn commands_are_asked_for_by_their_names() {
    let nodes = names(3);
    let capabilities = || Capabilities::all().offering(offers(&nodes));
    let drawn = |list: &str| {
        let spec = NemesisSpec::read(list, &offers(&nodes)).expect("a good list");
        let plan = generate(3, &Cluster::new(&nodes, capabilities()), &spec, Schedule::for_run(60_000))?;
        let detail = |planned: &PlannedFault| planned.fault.detail(&nodes).split(' ').next().map(str::to_owned);
        Ok(plan.faults.iter().filter_map(detail).collect::<BTreeSet<String>>())
    };
    let named = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(drawn("cut-off"), named(&["cut-off"]));
    assert_eq!(drawn("command:all-dark"), named(&["all-dark"]));
    assert_eq!(drawn("command"), named(&["cut-off", "all-dark"]));
    let Err(GenerateError::Unmet(unmet)) = drawn("command:cut") else { panic!("there is none") };
    assert!(unmet.to_string().ends_with("no fault is called cut: there are cut-off, all-dark"), "{unmet}");
    let unknown = NemesisSpec::read("cut", &offers(&nodes)).expect_err("nobody offers it").to_string();
    assert!(unknown.contains("cut-off, all-dark"), "{unknown}");
}

/// A plan may only have what is offered, where it is offered.
#[test]
fn a_plan_with_a_command_that_is_not_offered_is_refused() {
    let mut offered = offers(&names(3));
    offered[0].nodes.truncate(2);
    let capabilities = Capabilities::all().offering(offered);
    for (name, nodes, says) in [
        ("cut-off", "\"n1\", \"n2\"", None),
        ("all-dark", "\"n3\", \"n2\", \"n1\"", None),
        ("cut", "\"n1\"", Some("no fault is called cut")),
        ("cut-off", "\"n3\"", Some("cut-off is not for n3, but for n1, n2")),
        ("all-dark", "\"n3\"", Some("all-dark is of all its nodes at once: n1, n2, n3")),
    ] {
        let text = format!(
            "version = 1\nseed = 1\n[[fault]]\nid = 1\nat_ms = 0\nfor_ms = 9\nkind = \"command\"\nname = \"{name}\"\n\
             nodes = [{nodes}]"
        );
        let plan = Plan::from_toml(&text).expect("it is a plan");
        let refused = plan.check_needs(&capabilities).err().map(|error| error.to_string());
        match says {
            None => assert_eq!(refused, None),
            Some(says) => assert!(refused.as_ref().is_some_and(|error| error.contains(says)), "{refused:?}"),
        }
    }
}

/// What is not ended is tried again in the end, and is said if that fails, too.
#[tokio::test]
async fn a_command_that_does_not_end_is_ended_again_when_all_is_healed() {
    for (failures, is_whole) in [(1, true), (2, false)] {
        let model = Model::new(7);
        let mut plan = drawn("command:cut-off", 1, Capabilities::all()).expect("it is possible");
        plan.faults.truncate(1);
        let node = plan.faults[0].fault.own_nodes()[0].clone();
        model.fail(&format!("end_command {node}"), failures);
        let mut nemesis = Nemesis::new(plan, || 0);
        assert!(nemesis.perform(PlanStep::Start(1), &model).await.started);
        let record = nemesis.perform(PlanStep::Stop(1), &model).await.record.expect("a record");
        assert!(!record.proved && record.evidence.contains("ending it failed: end_command"), "{record:?}");
        let report = nemesis.heal_all(&model).await;
        assert_eq!((model.is_whole(), report.problems.is_empty()), (is_whole, is_whole), "{report:?}");
    }
}

/// What a command that fails has done is undone at once.
#[tokio::test]
async fn a_command_that_does_not_begin_is_ended() {
    let model = Model::new(7);
    let plan = drawn("command:all-dark", 1, Capabilities::all()).expect("it is possible");
    model.commands.borrow_mut().insert(("all-dark".into(), "n2".into()));
    model.fail("begin_command n1", 1);
    let record = carry_out(&plan.faults[0], &model).await;
    assert!(!record.proved && record.evidence.contains("could not be started: begin_command"), "{record:?}");
    assert!(model.is_whole());
}
