//! How evenly the partition strategies spread a uniform load (6.2, figure 8).
//!
//! Load efficiency is the mean load of a node over the load of the most loaded one. Keys are not sampled: under a
//! uniform load a node carries exactly the sum of the ranges that it is a replica of, as fractions of the circle. Each
//! figure is the mean over several rings of different seeds.

use cluster_core::config::Partitioning;
use cluster_core::ring::{PartitionError, Ring};
use reports::experiment::{Axis, Chart, Experiment, FigureTable, Series};

use super::error::ExperimentError;

/// S of the paper's experiment.
pub const NODES: u16 = 30;
/// N of the paper's experiment.
pub const REPLICAS: usize = 3;
/// How far a figure may be from the paper's.
pub const TOLERANCE: f64 = 0.03;

/// Tokens a node (strategies 1 and 2), with the paper's figures for strategy 1.
const TOKENS: [(u32, f64); 5] = [(1, 0.48), (8, 0.68), (32, 0.82), (100, 0.89), (1024, 0.96)];
/// Ranges (strategy 3), with the paper's figures.
const RANGES: [(u32, f64); 4] = [(60, 0.86), (240, 0.89), (960, 0.94), (3840, 0.97)];
/// Ranges of strategy 2, the same for every T so that T alone changes: as many as strategy 3 has at most.
const FIXED_RANGES: u32 = 3840;

/// One configuration, measured.
#[derive(Clone, Debug)]
pub struct Load {
    /// What was measured.
    pub partitioning: Partitioning,
    /// Mean load over maximal load, the mean over all rings.
    pub efficiency: f64,
    /// The standard error of that mean: how far another choice of rings may well be from it.
    pub error: f64,
    /// The paper's figure, where it has one.
    pub paper: Option<f64>,
}

impl Load {
    /// Our figure minus the paper's.
    pub fn difference(&self) -> Option<f64> {
        self.paper.map(|paper| self.efficiency - paper)
    }

    /// Whether the paper has a figure, and this one differs from it.
    pub fn disagrees(&self) -> bool {
        self.difference().is_some_and(|difference| difference.abs() > TOLERANCE)
    }
}

/// Measures every configuration over `draws` rings, those of `seed` and the seeds that follow.
///
/// # Errors
/// When a ring cannot be made.
pub fn measure(draws: u16, seed: u64) -> Result<Vec<Load>, PartitionError> {
    let random = TOKENS.map(|(tokens, paper)| (Partitioning::Random { tokens }, Some(paper)));
    let fixed = TOKENS.map(|(tokens, _)| (Partitioning::FixedRanges { tokens, ranges: FIXED_RANGES }, None));
    let equal = RANGES.map(|(ranges, paper)| (Partitioning::EqualTokens { ranges }, Some(paper)));
    let all = random.into_iter().chain(fixed).chain(equal);
    all.map(|(partitioning, paper)| {
        let (efficiency, error) = mean_efficiency(partitioning, draws, seed)?;
        Ok(Load { partitioning, efficiency, error, paper })
    })
    .collect()
}

/// Measures every configuration, as an experiment.
///
/// # Errors
/// When a ring cannot be made.
pub fn experiment(draws: u16, seed: u64) -> Result<Experiment, ExperimentError> {
    let loads = measure(draws, seed).map_err(ExperimentError::new)?;
    let disagrees = |load: &&Load| load.disagrees();
    let said = |load: &Load| {
        let (strategy, partitioning) = names(load.partitioning);
        let error = load.error;
        format!("strategy {strategy}, {partitioning}: {:.3} ± {error:.3} (standard error)", load.efficiency)
    };
    Ok(Experiment {
        name: "load".into(),
        title: "Load efficiency of the partition strategies (6.2, figure 8)".into(),
        method: vec![format!(
            "Load efficiency (mean/max), S = {NODES} nodes, N = {REPLICAS}, uniform load, {draws} draws from seed {seed}."
        )],
        criterion: format!("Every figure is within {TOLERANCE} of the paper's."),
        disagreements: loads.iter().filter(disagrees).map(said).collect(),
        charts: vec![chart(&loads)],
        tables: vec![table(&loads)],
    })
}

fn table(loads: &[Load]) -> FigureTable {
    let headings = ["strategy", "ours", "±", "paper", "difference", "ratio", "metadata, bytes"];
    let mut table = FigureTable::new("Load efficiency, and what a node must know for it", &headings);
    for load in loads {
        let (strategy, partitioning) = names(load.partitioning);
        let beside =
            |format: fn(f64, f64) -> String| load.paper.map_or("-".to_owned(), |paper| format(load.efficiency, paper));
        table.push([
            format!("{strategy}: {partitioning}"),
            format!("{:.3}", load.efficiency),
            format!("{:.3}", load.error),
            beside(|_, paper| format!("{paper:.2}")),
            beside(|ours, paper| format!("{:+.3}", ours - paper)),
            beside(|ours, paper| format!("{:.3}", ours / paper)),
            metadata_bytes(load.partitioning, NODES).to_string(),
        ]);
    }
    table
}

/// Efficiency against metadata: figure 8.
fn chart(loads: &[Load]) -> Chart {
    let points = |strategy: &str, figure: fn(&Load) -> Option<f64>| {
        let of = loads.iter().filter(|load| names(load.partitioning).0 == strategy);
        of.filter_map(|load| Some((metadata_bytes(load.partitioning, NODES) as f64, figure(load)?))).collect()
    };
    let ours = ["1", "2", "3"]
        .map(|name| Series::measured(format!("strategy {name}"), points(name, |load| Some(load.efficiency))));
    let paper = ["1", "3"].map(|name| Series::reference(format!("{name}, the paper"), points(name, |load| load.paper)));
    Chart {
        title: "Load efficiency against the size of the membership metadata".into(),
        x: Axis::logarithmic("metadata a node, bytes"),
        y: Axis::linear("load efficiency, mean/max"),
        series: ours.into_iter().chain(paper).collect(),
        categories: Vec::new(),
    }
}

fn names(partitioning: Partitioning) -> (&'static str, String) {
    match partitioning {
        Partitioning::Random { tokens } => ("1", format!("T = {tokens}")),
        Partitioning::FixedRanges { tokens, ranges } => ("2", format!("T = {tokens}, Q = {ranges}")),
        Partitioning::EqualTokens { ranges } => ("3", format!("Q = {ranges}")),
    }
}

/// The mean over the rings, and its standard error.
fn mean_efficiency(partitioning: Partitioning, draws: u16, seed: u64) -> Result<(f64, f64), PartitionError> {
    let draw = |draw: u16| {
        let ring = Ring::new(NODES, partitioning, &[], seed.wrapping_add(u64::from(draw)))?;
        Ok(efficiency(&ring, usize::from(NODES), REPLICAS))
    };
    let found = (0..draws).map(draw).collect::<Result<Vec<f64>, _>>()?;
    let count = f64::from(draws.max(1));
    let mean = found.iter().sum::<f64>() / count;
    let squares: f64 = found.iter().map(|one| (one - mean).powi(2)).sum();
    Ok((mean, (squares / (count - 1.0).max(1.0) / count).sqrt()))
}

/// Mean load over maximal load of one ring.
pub fn efficiency(ring: &Ring, nodes: usize, replicas: usize) -> f64 {
    let mut load = vec![0.0; nodes];
    for range in 0..ring.ranges() {
        for node in ring.range_preference(range).iter().take(replicas) {
            load[usize::from(node.0)] += ring.range_share(range);
        }
    }
    let mean = load.iter().sum::<f64>() / nodes as f64;
    mean / load.iter().copied().fold(0.0, f64::max)
}

/// Bytes of what every node must know to place keys: 16 a random position, 2 a node's number, 4 the number of ranges.
/// A table of equal ranges is its owners in order, without positions.
pub fn metadata_bytes(partitioning: Partitioning, nodes: u16) -> u64 {
    let (position, node, count) = (16, 2, 4);
    let random = |tokens: u32| u64::from(nodes) * u64::from(tokens) * (position + node);
    match partitioning {
        Partitioning::Random { tokens } => random(tokens),
        Partitioning::FixedRanges { tokens, .. } => random(tokens) + count,
        Partitioning::EqualTokens { ranges } => u64::from(ranges) * node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of one token a node is so uneven that a dozen draws give its mean to 0.03 at best. So this test allows
    /// for two standard errors; the command, with 40 draws, is held to the tolerance alone.
    #[test]
    fn the_papers_figures_hold() {
        let loads = measure(12, 1).expect("the rings can be made");
        assert_eq!(loads.iter().filter(|load| load.paper.is_some()).count(), 9);
        for load in &loads {
            let within = load.difference().is_none_or(|difference| difference.abs() < TOLERANCE + 2.0 * load.error);
            assert!(within && load.error < 0.03, "{load:?}");
        }
    }

    /// The paper's order: for no more metadata strategy 3 is the best. Strategy 2 is never better than 1 with the same
    /// tokens; where its ranges are many more than the tokens the two are alike, and where they are not it is worse.
    #[test]
    fn strategy_3_is_best_and_2_no_better_than_1() {
        let loads = measure(12, 1).expect("the rings can be made");
        let (random, rest) = loads.split_at(TOKENS.len());
        let (fixed, equal) = rest.split_at(TOKENS.len());
        for (one, two) in random.iter().zip(fixed) {
            assert!(two.efficiency < one.efficiency + 0.005, "{two:?} beside {one:?}");
        }
        let last = TOKENS.len() - 1;
        assert!(fixed[last].efficiency < random[last].efficiency - 0.02, "3840 ranges are too few for 30,720 tokens");
        for other in random.iter().chain(fixed) {
            let bytes = metadata_bytes(other.partitioning, NODES);
            let affordable = equal.iter().filter(|three| metadata_bytes(three.partitioning, NODES) <= bytes);
            let best = affordable.max_by(|a, b| a.efficiency.total_cmp(&b.efficiency)).expect("120 bytes are little");
            assert!(best.efficiency > other.efficiency, "{best:?} beside {other:?}");
        }
    }

    /// By hand: one node has everything; two with one range each, N = 1, carry what their ranges are.
    #[test]
    fn efficiency_is_mean_over_maximum() {
        let ring = |nodes, how| Ring::new(nodes, how, &[], 3).expect("the ring can be made");
        assert_eq!(efficiency(&ring(1, Partitioning::Random { tokens: 1 }), 1, 1), 1.0);
        let two = ring(2, Partitioning::Random { tokens: 1 });
        let larger = two.range_share(0).max(two.range_share(1));
        assert!((efficiency(&two, 2, 1) - 0.5 / larger).abs() < 1e-12);
        assert!((efficiency(&two, 2, 2) - 1.0).abs() < 1e-12, "everything is on both");
        let three_of_two = ring(2, Partitioning::EqualTokens { ranges: 3 });
        assert!((efficiency(&three_of_two, 2, 1) - 0.75).abs() < 1e-12, "two ranges against one");
    }

    #[test]
    fn a_wrong_figure_disagrees() {
        let partitioning = Partitioning::Random { tokens: 1 };
        let load = |efficiency| Load { partitioning, efficiency, error: 0.0, paper: Some(0.48) };
        assert!(load(0.52).disagrees() && load(0.44).disagrees() && !load(0.50).disagrees());
        assert!(!Load { paper: None, ..load(0.1) }.disagrees());
    }
}
