//! How many versions a read sees as concurrent writers grow (6.3).
//!
//! Several writers share a key: each reads it, and writes back what it makes of all it saw, again and again. Two that
//! do so at once leave siblings, until the next one has seen both. The paper found that divergence came from concurrent
//! writers and not from failures; so there is a row with a single writer whose nodes crash.

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::sim::World;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reports::experiment::{Axis, Chart, Experiment, FigureTable, Series};

use super::error::ExperimentError;
use super::script::{Script, ScriptEvent};
use crate::systems::dynamo::settings::DynamoSettings;
use crate::systems::dynamo::system::Dynamo;

const NODES: usize = 5;
const KEYS: u32 = 50;
const MS: u64 = 1_000_000;
/// A writer's pause between two writes, at the mean.
const PAUSE_MS: f64 = 200.0;
/// With failures: a node crashes once in this time, and is down for half of it.
const CRASH_INTERVAL_NS: u64 = 4_000 * MS;
/// Of a key, at the same time.
const WRITERS: [u32; 5] = [1, 2, 4, 8, 16];
/// Shares of reads that saw one, two, three and four versions within 24 hours (they add up to 99.941 %).
const PAPER: [f64; 4] = [0.9994, 0.000_005_7, 0.000_004_7, 0.000_000_9];

/// How many reads saw how many versions.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Reads that saw 1, 2, 3, and 4 or more.
    reads: [u64; 4],
    versions: u64,
    failed: u64,
}

impl Seen {
    fn note(&mut self, versions: usize) {
        if let Some(at) = versions.checked_sub(1) {
            self.reads[at.min(3)] += 1;
            self.versions += versions as u64;
        }
    }

    fn total(&self) -> u64 {
        self.reads.iter().sum()
    }

    fn shares(&self) -> [f64; 4] {
        self.reads.map(|reads| reads as f64 / self.total().max(1) as f64)
    }

    fn mean(&self) -> f64 {
        self.versions as f64 / self.total().max(1) as f64
    }
}

/// Measures about `reads` reads for each number of writers.
///
/// # Errors
/// When the cluster cannot be made.
pub fn experiment(reads: u32, seed: u64) -> Result<Experiment, ExperimentError> {
    let mut experiment = Experiment {
        name: "versions".into(),
        title: "Versions seen by reads as concurrent writers grow (6.3)".into(),
        method: vec![format!(
            "{NODES} nodes, (N, R, W) = (3, 2, 2), {KEYS} keys, {reads} reads a row, in simulation. Each writer of a key reads it, \
             writes back one value with the context of what it saw, and pauses {PAUSE_MS} ms at the mean. The paper's writers met far more \
             rarely: its shares are those of a day of shopping."
        )],
        criterion: "One writer sees one version even while nodes crash (in 99.9 % of reads); more writers see more versions; and the \
                    more versions, the rarer."
            .into(),
        ..Experiment::default()
    };
    let mut rows = Vec::new();
    for writers in WRITERS {
        rows.push((format!("{writers} writing"), measure(writers, false, reads, seed)?));
    }
    let crashing = measure(1, true, reads, seed)?;
    judge(&rows, &crashing, &mut experiment.disagreements);
    experiment.charts.push(chart(&rows));
    rows.insert(1, ("1 writing, nodes crash".into(), crashing));
    experiment.tables.push(table(&rows));
    Ok(experiment)
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match share {
        0.0 => "0 %".into(),
        share if share < 0.001 => format!("{percent:.5} %"),
        _ => format!("{percent:.2} %"),
    }
}

fn table(rows: &[(String, Seen)]) -> FigureTable {
    let headings = ["clients a key", "one", "two", "three", "four and more", "mean", "reads", "failed"];
    let mut table = FigureTable::new("Shares of reads by the number of versions seen", &headings);
    for (name, seen) in rows {
        let counts = [format!("{:.3}", seen.mean()), seen.total().to_string(), seen.failed.to_string()];
        table.push([name.clone()].into_iter().chain(seen.shares().map(percent)).chain(counts));
    }
    let unknown = ["-"; 3].map(str::to_owned);
    table.push(["the paper, 24 hours".to_owned()].into_iter().chain(PAPER.map(percent)).chain(unknown));
    table
}

fn judge(rows: &[(String, Seen)], crashing: &Seen, disagreements: &mut Vec<String>) {
    for (name, seen) in [("one writer", &rows[0].1), ("one writer while nodes crash", crashing)] {
        if seen.shares()[0] < 0.999 {
            disagreements.push(format!("{name} saw one version in {} of reads", percent(seen.shares()[0])));
        }
    }
    for pair in rows.windows(2) {
        if pair[1].1.mean() <= pair[0].1.mean() {
            disagreements.push(format!("{} saw no more versions than {}", pair[1].0, pair[0].0));
        }
    }
    // With two writers a pause apart; sixteen meet all the time.
    let [one, two, three, four] = rows[1].1.shares();
    if !(one > two && two >= three && three >= four) {
        disagreements.push("with two writers more versions are not rarer".into());
    }
}

fn chart(rows: &[(String, Seen)]) -> Chart {
    let share = |at: usize| {
        let points = WRITERS.iter().zip(rows).map(|(writers, (_, seen))| (f64::from(*writers), seen.shares()[at]));
        points.collect::<Vec<_>>()
    };
    let names = ["one version", "two", "three", "four and more"];
    let mut series: Vec<Series> =
        names.iter().enumerate().map(|(at, name)| Series::measured(*name, share(at))).collect();
    let paper = |at: usize| WRITERS.map(|writers| (f64::from(writers), PAPER[at])).to_vec();
    series.push(Series::reference("two, the paper", paper(1)));
    Chart {
        title: "Versions seen, by writers of a key".into(),
        x: Axis::linear("writers of a key"),
        y: Axis::logarithmic("share of reads"),
        series,
        categories: Vec::new(),
    }
}

#[derive(Clone, Copy)]
enum Step {
    Begin { key: u32 },
    Read { key: u32 },
    Write { key: u32 },
    Crash,
    Restart(NodeId),
}

struct Writers {
    script: Script<Step>,
    rng: ChaCha8Rng,
    seen: Seen,
    left: u32,
}

fn measure(writers: u32, crashes: bool, reads: u32, seed: u64) -> Result<Seen, ExperimentError> {
    let settings = DynamoSettings { nodes: NODES, ..DynamoSettings::default() };
    let mut world = Dynamo::new(settings, seed).map_err(ExperimentError::new)?.world();
    world.network = Default::default();
    let script = Script::new(World::new(world).map_err(ExperimentError::new)?);
    let mut writing = Writers { script, rng: ChaCha8Rng::seed_from_u64(seed), seen: Seen::default(), left: reads };
    for key in 0..KEYS {
        (0..writers).for_each(|_| writing.pause(key));
    }
    if crashes {
        writing.script.after(CRASH_INTERVAL_NS, Step::Crash);
    }
    while writing.left > 0
        && let Some(happening) = writing.script.next()
    {
        writing.step(happening)?;
    }
    Ok(writing.seen)
}

impl Writers {
    fn pause(&mut self, key: u32) {
        let pause_ms = -(1.0 - self.rng.random::<f64>()).ln() * PAUSE_MS;
        self.script.after((pause_ms * MS as f64) as u64, Step::Begin { key });
    }

    fn step(&mut self, happening: ScriptEvent<Step>) -> Result<(), ExperimentError> {
        match happening {
            ScriptEvent::Due(Step::Begin { key }) => {
                let request = Request::Get { key: key.to_be_bytes().to_vec(), r: None, n: None };
                self.send(key, request, Step::Read { key });
            }
            ScriptEvent::Due(Step::Crash) => {
                let node = NodeId(self.rng.random_range(0..NODES as u16));
                self.script.world.crash(node);
                self.script.after(CRASH_INTERVAL_NS / 2, Step::Restart(node));
                self.script.after(CRASH_INTERVAL_NS, Step::Crash);
            }
            ScriptEvent::Due(Step::Restart(node)) => {
                self.script.world.start(node).map_err(ExperimentError::new)?;
            }
            ScriptEvent::Answered { what: Step::Read { key }, reply: Some(Reply::Got { values, context }), .. } => {
                self.left = self.left.saturating_sub(1);
                self.seen.note(values.len());
                let (bytes, value) = (key.to_be_bytes().to_vec(), Some(vec![0; 8]));
                let request = Request::Put { key: bytes, value, context, w: None, n: None };
                self.send(key, request, Step::Write { key });
            }
            ScriptEvent::Answered { what: Step::Read { key } | Step::Write { key }, reply, .. } => {
                self.seen.failed += u64::from(matches!(reply, None | Some(Reply::Failed(_))));
                self.pause(key);
            }
            ScriptEvent::Due(_) | ScriptEvent::Answered { .. } => {}
        }
        Ok(())
    }

    /// Through any node that is up, as a load balancer would.
    fn send(&mut self, key: u32, request: Request, step: Step) {
        let node = NodeId(self.rng.random_range(0..NODES as u16));
        match self.script.world.send_request(node, request) {
            Some(id) => self.script.expect(id, step),
            None => self.pause(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_concurrent_writers_and_not_from_failures() {
        let experiment = experiment(4_000, 1).expect("the cluster can be made");
        assert_eq!(experiment.disagreements, Vec::<String>::new());
        let table = &experiment.tables[0];
        assert_eq!(table.rows.len(), WRITERS.len() + 2);
        assert!(table.rows.iter().all(|row| row.len() == table.headings.len()));
    }
}
