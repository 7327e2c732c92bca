//! Probabilistically bounded staleness (Bailis et al., VLDB 2012): how stale partial quorums are, in versions and in
//! time.
//!
//! Three ways that must agree: the formulas against random quorums of real key states; the WARS model by itself
//! (`wars`) against the figures for its fits; and the protocol, running in simulation with the same leg latencies,
//! against the model. The bounds are for a coordinator that is no replica, so the protocol's clients coordinate their
//! reads and their timestamped writes themselves.

use std::time::Duration;

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::config::{Quorum, Versioning};
use cluster_core::sim::World;
use cluster_core::versions::{Actor, Dot, KeyState, Version, VersionVector};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reports::experiment::{Axis, Chart, Experiment, FigureTable, Series};

use super::error::ExperimentError;
use super::figures::{Sample, is_near, ratio, short};
use super::script::{Script, ScriptEvent};
use super::wars::{Fit, REPLICAS, Trials, exact_percentile, model};
use crate::systems::dynamo::settings::DynamoSettings;
use crate::systems::dynamo::system::Dynamo;

/// How far k-staleness may be from its formula.
const VERSIONS_TOLERANCE: f64 = 0.01;
/// How far drawn latencies may be from their fit.
const LATENCY_TOLERANCE: f64 = 0.03;
/// How far times of visibility may be from the specified ones, and the protocol from the model.
const VISIBILITY_TOLERANCE: f64 = 0.15;
/// N, R, W.
const QUORUMS: [(usize, usize, usize); 3] = [(3, 1, 1), (3, 2, 1), (3, 1, 2)];
const MS: u64 = 1_000_000;
const NEVER: Duration = Duration::from_secs(86_400);
/// Writes in one world: more would only fill its memory.
const WORLD_TRIALS_MAX: u32 = 20_000;
/// Between two trials, which are independent of each other.
const TRIAL_INTERVAL_NS: u64 = MS / 10;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Of random quorums, and of the model.
    pub trials: u32,
    /// Of the protocol, for each moment at which it is read.
    pub protocol_trials: u32,
    /// Of everything.
    pub seed: u64,
}

/// A fit with quorums, and the specified and published figures for it.
struct Case {
    fit: Fit,
    r: usize,
    w: usize,
    /// 99.9 % t-visibility, ms: specified, published.
    visible: (f64, Option<f64>),
    /// The share that is consistent at t = 0: specified, published.
    at_once: Option<(f64, f64)>,
}

fn cases() -> Vec<Case> {
    vec![
        Case { fit: Fit::ssd(), r: 1, w: 1, visible: (1.97, Some(1.85)), at_once: None },
        Case { fit: Fit::disk(), r: 1, w: 1, visible: (52.4, Some(45.5)), at_once: Some((0.437, 0.439)) },
        Case { fit: Fit::disk(), r: 2, w: 1, visible: (14.2, None), at_once: None },
    ]
}

impl Case {
    fn name(&self) -> String {
        format!("{}, R = {}, W = {}", self.fit.name, self.r, self.w)
    }
}

/// All three comparisons.
///
/// # Errors
/// When a cluster cannot be made.
pub fn experiment(scale: Scale) -> Result<Experiment, ExperimentError> {
    let mut experiment = Experiment {
        name: "pbs".into(),
        title: "Probabilistically bounded staleness (Bailis et al., VLDB 2012)".into(),
        method: vec![
            format!(
                "Random quorums and the WARS model: {} trials each. The protocol: {} writes and reads for each moment, in simulation, \
                 N = {REPLICAS}, read and written by a client that coordinates itself, with the legs W, A, R and S drawn for each message.",
                scale.trials, scale.protocol_trials
            ),
            "A read is stale if it misses a write that was acknowledged t before; t-visibility is the t from which on 99.9 % of reads \
             are not."
                .into(),
        ],
        criterion: format!(
            "k-staleness within {VERSIONS_TOLERANCE} of the formula, drawn latencies within {:.0} % of their fits, t-visibility of \
             the model within {:.0} % of the specified, of the protocol within {:.0} % of the model.",
            100.0 * LATENCY_TOLERANCE,
            100.0 * VISIBILITY_TOLERANCE,
            100.0 * VISIBILITY_TOLERANCE
        ),
        ..Experiment::default()
    };
    by_versions(scale, &mut experiment);
    by_fits(scale, &mut experiment);
    by_time(scale, &mut experiment)?;
    Ok(experiment)
}

/// The share of reads that miss the last write: no replica read is one of those written.
fn probability_stale(n: usize, r: usize, w: usize) -> f64 {
    (0..r).map(|at| (n - w).saturating_sub(at) as f64 / (n - at) as f64).product()
}

fn by_versions(scale: Scale, experiment: &mut Experiment) {
    let headings = ["N, R, W", "k", "1 − p^k", "measured", "ratio"];
    let mut table = FigureTable::new("Reads within the last k versions, by random quorums", &headings);
    let mut rng = ChaCha8Rng::seed_from_u64(scale.seed);
    let mut series = Vec::new();
    for (n, r, w) in QUORUMS {
        let found = within_versions(n, r, w, 5, scale.trials, &mut rng);
        let formula: Vec<f64> = (1..=5).map(|k| 1.0 - probability_stale(n, r, w).powi(k)).collect();
        for (k, (exact, measured)) in (1..).zip(formula.iter().zip(&found)) {
            let cells = [format!("{n}, {r}, {w}"), format!("{k}"), format!("{exact:.3}"), format!("{measured:.3}")];
            table.push(cells.into_iter().chain([ratio(*measured, *exact)]));
            if (measured - exact).abs() > VERSIONS_TOLERANCE {
                let what = format!("({n},{r},{w}), k = {k}: {measured:.3} and not {exact:.3}");
                experiment.disagreements.push(what);
            }
        }
        let points = |shares: &[f64]| (1..).map(f64::from).zip(shares.iter().copied()).collect();
        series.push(Series::measured(format!("({n},{r},{w})"), points(&found)));
        series.push(Series::reference(format!("({n},{r},{w}) 1 − p^k"), points(&formula)));
    }
    experiment.tables.push(table);
    let (x, y) = (Axis::linear("k, versions"), Axis::linear("share of reads within the last k versions"));
    experiment.charts.push(Chart { title: "Staleness in versions".into(), x, y, series, categories: Vec::new() });
}

/// For each k up to `most`, the share of reads that see one of the last k versions. Versions are written one after the
/// other, each to W replicas at random, and the read joins what R at random hold.
fn within_versions(n: usize, r: usize, w: usize, most: usize, trials: u32, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut within = vec![0u32; most];
    let mut order: Vec<usize> = (0..n).collect();
    for _ in 0..trials {
        let mut replicas = vec![KeyState::default(); n];
        for number in 1..=most as u64 {
            order.shuffle(rng);
            for &replica in &order[..w] {
                replicas[replica].insert(version(number), Versioning::Lww);
            }
        }
        order.shuffle(rng);
        let mut seen = KeyState::default();
        for &replica in &order[..r] {
            seen.join(&replicas[replica], Versioning::Lww);
        }
        // How many versions it is behind; the oldest version kept stands for all before it.
        if let Some(version) = seen.versions().first() {
            let behind = most - version.timestamp_us as usize;
            within[behind..].iter_mut().for_each(|count| *count += 1);
        }
    }
    within.into_iter().map(|count| f64::from(count) / f64::from(trials)).collect()
}

fn version(number: u64) -> Version {
    let dot = Dot { actor: Actor { node: NodeId::CLIENT, epoch: 0 }, counter: number };
    Version { dot, past: VersionVector::default(), clock: Default::default(), timestamp_us: number as i64, value: None }
}

/// Checks that drawn latencies have the percentiles of the fits.
fn by_fits(scale: Scale, experiment: &mut Experiment) {
    let headings = ["leg", "percentile", "of the fit, ms", "drawn, ms", "ratio"];
    let mut table = FigureTable::new("Latencies of the fits", &headings);
    let mut rng = ChaCha8Rng::seed_from_u64(scale.seed);
    let legs = [("LNKD-SSD, every leg", Fit::ssd().legs.write), ("LNKD-DISK, W", Fit::disk().legs.write)];
    for (name, latency) in legs {
        let draws = scale.trials.saturating_mul(3);
        let drawn = Sample::new((0..draws).map(|_| latency.draw_ns(&mut rng) as f64 / MS as f64).collect());
        for p in [0.5, 0.95, 0.99, 0.999] {
            let exact = exact_percentile(&latency, p).unwrap_or(f64::NAN);
            let ours = drawn.percentile(p);
            let percentile = format!("{}", p * 100.0);
            table.push([name.to_owned(), percentile.clone(), short(exact), short(ours), ratio(ours, exact)]);
            if !is_near(ours, exact, LATENCY_TOLERANCE) {
                experiment.disagreements.push(format!("{name}, {percentile} %: {ours:.3} ms and not {exact:.3}"));
            }
        }
    }
    experiment.tables.push(table);
}

fn by_time(scale: Scale, experiment: &mut Experiment) -> Result<(), ExperimentError> {
    let columns = ["", "specified", "published", "model", "model/specified", "protocol", "protocol/model"];
    let mut table = FigureTable::new("Staleness in time: specification, model and protocol", &columns);
    let mut latencies =
        FigureTable::new("Latencies of whole requests, ms", &["", "model", "protocol", "protocol/model"]);
    let mut series = Vec::new();
    for case in cases() {
        let trials = model(&case.fit, case.r, case.w, scale.trials, scale.seed);
        let measured = Measured::of(&case, &trials, scale)?;
        compare(&case, &trials, &measured, &mut table, &mut latencies, &mut experiment.disagreements);
        let points: Vec<(f64, f64)> = trials.consistent_from.tail();
        series.push(Series::reference(format!("{}, model", case.name()), points));
        series.push(Series::measured("protocol", measured.stale_at.clone()));
    }
    experiment.tables.extend([table, latencies]);
    let (x, y) = (Axis::logarithmic("t since the acknowledgement, ms"), Axis::logarithmic("share of stale reads"));
    experiment.charts.push(Chart { title: "Staleness in time".into(), x, y, series, categories: Vec::new() });
    Ok(())
}

fn compare(
    case: &Case,
    trials: &Trials,
    measured: &Measured,
    table: &mut FigureTable,
    latencies: &mut FigureTable,
    disagreements: &mut Vec<String>,
) {
    let mut row = |what: &str, specified: Option<f64>, published: Option<f64>, model: f64, protocol: f64| {
        let name = format!("{}: {what}", case.name());
        let given = |figure: Option<f64>| figure.map_or("-".to_owned(), short);
        let beside = specified.map_or("-".to_owned(), |specified| ratio(model, specified));
        let cells = [given(specified), given(published), short(model), beside, short(protocol), ratio(protocol, model)];
        table.push([name.clone()].into_iter().chain(cells));
        if specified.is_some_and(|specified| !is_near(model, specified, VISIBILITY_TOLERANCE)) {
            disagreements.push(format!("{name}: the model has {}", short(model)));
        }
        if !is_near(protocol, model, VISIBILITY_TOLERANCE) {
            disagreements.push(format!("{name}: the protocol has {} and the model {}", short(protocol), short(model)));
        }
    };
    let visible = trials.consistent_from.percentile(0.999);
    row("99.9 % t-visibility, ms", Some(case.visible.0), case.visible.1, visible, measured.visible);
    let at_once = 1.0 - trials.consistent_from.share_above(0.0);
    let (specified, published) = case.at_once.unzip();
    row("consistent at t = 0", specified, published, at_once, 1.0 - measured.stale_at_once);
    for (what, model, protocol) in
        [("read", &trials.reads, &measured.reads), ("write", &trials.writes, &measured.writes)]
    {
        for (name, p) in [("median", 0.5), ("99.9th", 0.999)] {
            let (model, protocol) = (model.percentile(p), protocol.percentile(p));
            let name = format!("{}: {what}, {name}", case.name());
            latencies.push([name, short(model), short(protocol), ratio(protocol, model)]);
        }
    }
}

/// The measurements of the protocol.
struct Measured {
    reads: Sample,
    writes: Sample,
    stale_at_once: f64,
    /// Moments and the shares of stale reads.
    stale_at: Vec<(f64, f64)>,
    /// 99.9 % t-visibility, ms.
    visible: f64,
}

impl Measured {
    /// Reads at t = 0, where a tenth and a hundredth of the model's reads are stale, and about where a thousandth is.
    fn of(case: &Case, trials: &Trials, scale: Scale) -> Result<Self, ExperimentError> {
        let visible = trials.consistent_from.percentile(0.999);
        let mut moments: Vec<f64> = [0.9, 0.99].map(|p| trials.consistent_from.percentile(p)).to_vec();
        moments.retain(|t| *t > 0.0);
        moments.extend([0.8, 1.0, 1.25].map(|factor| factor * visible));
        let (mut reads, mut writes, mut stale_at) = (Vec::new(), Vec::new(), Vec::new());
        let stale_at_once = run(case, 0.0, scale, &mut reads, &mut writes)?;
        for t in moments {
            stale_at.push((t, run(case, t, scale, &mut reads, &mut writes)?));
        }
        let visible = visible_from(&stale_at[stale_at.len() - 3..]);
        Ok(Self { reads: Sample::new(reads), writes: Sample::new(writes), stale_at_once, stale_at, visible })
    }
}

/// Where a thousandth of reads is stale: on the line through the logarithms of three shares about there.
fn visible_from(stale_at: &[(f64, f64)]) -> f64 {
    let points: Vec<(f64, f64)> = stale_at.iter().map(|&(t, share)| (t, share.max(1e-9).ln())).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (t, log) = (mean(|point| point.0), mean(|point| point.1));
    let slope = points.iter().map(|point| (point.0 - t) * (point.1 - log)).sum::<f64>()
        / points.iter().map(|point| (point.0 - t).powi(2)).sum::<f64>();
    t + (0.001_f64.ln() - log) / slope
}

#[derive(Clone, Copy)]
enum Step {
    Write(u32),
    Read(u32),
}

/// Writes a key of its own in each trial, reads it `t_ms` after the acknowledgement, and returns the share of reads
/// that did not see it.
fn run(
    case: &Case,
    t_ms: f64,
    scale: Scale,
    reads: &mut Vec<f64>,
    writes: &mut Vec<f64>,
) -> Result<f64, ExperimentError> {
    let mut seeds = ChaCha8Rng::seed_from_u64(scale.seed ^ t_ms.to_bits());
    let (mut left, mut stale) = (scale.protocol_trials, 0u32);
    while left > 0 {
        let trials = left.min(WORLD_TRIALS_MAX);
        left -= trials;
        let mut world = world(case, seeds.next_u64())?;
        let client = world.add_client(seeds.next_u64()).map_err(ExperimentError::new)?;
        let mut script = Script::new(world);
        for trial in 0..trials {
            script.after(u64::from(trial) * TRIAL_INTERVAL_NS, Step::Write(trial));
        }
        while let Some(happening) = script.next() {
            match happening {
                ScriptEvent::Due(step) => {
                    let id = script.world.client_request(client, request(step));
                    script.expect(id, step);
                }
                ScriptEvent::Answered { what: Step::Write(trial), took_ns, reply: Some(Reply::Stored) } => {
                    writes.push(took_ns as f64 / MS as f64);
                    script.after((t_ms * MS as f64) as u64, Step::Read(trial));
                }
                ScriptEvent::Answered { what: Step::Read(_), took_ns, reply: Some(Reply::Got { values, .. }) } => {
                    reads.push(took_ns as f64 / MS as f64);
                    stale += u32::from(values.is_empty());
                }
                ScriptEvent::Answered { reply, .. } => {
                    return Err(ExperimentError::new(format!("a request without faults failed: {reply:?}")));
                }
            }
        }
    }
    Ok(f64::from(stale) / f64::from(scale.protocol_trials.max(1)))
}

fn request(step: Step) -> Request {
    match step {
        Step::Write(trial) => {
            let key = trial.to_be_bytes().to_vec();
            Request::Put { key, value: Some(vec![1]), context: None, w: None, n: None }
        }
        Step::Read(trial) => Request::Get { key: trial.to_be_bytes().to_vec(), r: None, n: None },
    }
}

/// Three nodes, disks that take no time, and no repairs or time-outs: only the four legs take time.
fn world(case: &Case, seed: u64) -> Result<World, ExperimentError> {
    let settings = DynamoSettings {
        nodes: REPLICAS,
        n: REPLICAS as u8,
        r: case.r as u8,
        w: case.w as u8,
        quorum: Quorum::Strict,
        versions: Versioning::Lww,
        ..DynamoSettings::default()
    };
    let mut world = Dynamo::new(settings, seed).map_err(ExperimentError::new)?.world();
    let timing = &mut world.config.timing;
    timing.replica_timeout = NEVER;
    timing.request_timeout = NEVER;
    timing.repair_delay = NEVER;
    timing.probe_interval = NEVER;
    timing.hint_interval = NEVER;
    timing.anti_entropy_interval = NEVER;
    world.config.limits.requests_max = 4 * WORLD_TRIALS_MAX as usize;
    world.network.clients = Some(case.fit.legs.clone());
    (world.disk.latency_min_ns, world.disk.latency_max_ns) = (0, 0);
    World::new(world).map_err(ExperimentError::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_has_the_published_values() {
        for (n, r, w, k, published) in
            [(3, 1, 1, 1, 0.333), (3, 1, 1, 3, 0.704), (3, 2, 1, 2, 0.889), (3, 1, 2, 3, 0.963), (3, 2, 2, 1, 1.0)]
        {
            let within = 1.0 - probability_stale(n, r, w).powi(k);
            assert!((within - published).abs() < 0.0005, "({n},{r},{w}), k = {k}: {within}");
        }
    }

    /// Few trials, so the figures are rough; that all parts are there, and that they are near, is what is checked.
    #[test]
    fn model_and_protocol_agree_roughly_with_few_trials() {
        let scale = Scale { trials: 100_000, protocol_trials: 4_000, seed: 1 };
        let case = &cases()[1];
        let trials = model(&case.fit, case.r, case.w, scale.trials, scale.seed);
        assert!(is_near(1.0 - trials.consistent_from.share_above(0.0), 0.437, 0.02));
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        let stale = run(case, 0.0, scale, &mut reads, &mut writes).expect("the cluster can be made");
        assert!(is_near(1.0 - stale, 0.437, 0.1), "{stale}");
        let later = run(case, 20.0, scale, &mut reads, &mut writes).expect("the cluster can be made");
        assert!(is_near(later, trials.consistent_from.share_above(20.0), 0.25), "{later}");
        assert!(is_near(Sample::new(reads).percentile(0.5), trials.reads.percentile(0.5), 0.05));
        assert!(is_near(Sample::new(writes).percentile(0.5), trials.writes.percentile(0.5), 0.05));
    }

    #[test]
    fn random_quorums_are_as_stale_as_the_formula_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (n, r, w) in QUORUMS {
            let found = within_versions(n, r, w, 3, 40_000, &mut rng);
            for (k, share) in (1..).zip(found) {
                let exact = 1.0 - probability_stale(n, r, w).powi(k);
                assert!((share - exact).abs() < VERSIONS_TOLERANCE, "({n},{r},{w}), k = {k}: {share} and not {exact}");
            }
        }
    }
}
