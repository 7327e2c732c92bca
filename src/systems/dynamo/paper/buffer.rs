//! The write buffer's effect on the slowest requests (6.1): the same load on the same disks, with it and without.
//!
//! A disk's syncs mostly take a millisecond, but now and then very long, as those of a shared drive do. This causes the
//! tail of a synced write: it waits for two disks one after the other, and everything behind a long sync waits with it.
//! With the buffer a write waits for the faster of two disks, and a read for none.

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::config::Durability;
use cluster_core::sim::World;
use cluster_core::sim::latency::Latency;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reports::experiment::{Axis, Chart, Experiment, FigureTable, Series};

use super::error::ExperimentError;
use super::figures::{Sample, short};
use super::script::{self, Delays, Script, ScriptEvent, moments};
use crate::systems::dynamo::settings::DynamoSettings;

/// By how much a buffer of 1,000 objects lowered the 99.9th percentile in the paper.
const PAPER_FACTOR: f64 = 5.0;
/// The least factor that counts as the same effect.
const FACTOR_MIN: f64 = 2.0;
const KEYS: u32 = 2_000;
/// Reads a second; each is followed by a write.
const RATE: f64 = 100.0;
const NS_PER_MS: f64 = 1e6;
/// The time before measuring starts, in which the nodes learn each other's protocol versions.
const WARM_UP_S: f64 = 2.0;

/// A hop within a data centre.
const HOP: Latency = Latency::Mixture { pareto: 1.0, xm_ms: 0.25, alpha: 4.0, rate_per_ms: 1.0 };
/// A sync: 1.2 ms at the mean, over 10 ms for three in a thousand, over 100 ms for one in ten thousand.
const DISK: Latency = Latency::Mixture { pareto: 0.1, xm_ms: 1.0, alpha: 1.5, rate_per_ms: 1.0 };

/// One mode, measured; ms.
struct Measured {
    reads: Sample,
    writes: Sample,
}

/// Measures both modes with `operations` reads, and as many writes.
///
/// # Errors
/// When the cluster cannot be made.
pub fn experiment(operations: u32, seed: u64) -> Result<Experiment, ExperimentError> {
    let synced = measure(Durability::Synced, operations, seed)?;
    let buffered = measure(Durability::Buffered, operations, seed)?;
    let mut experiment = Experiment {
        name: "buffer".into(),
        title: "The write buffer (6.1)".into(),
        method: vec![format!(
            "5 nodes, (N, R, W) = (3, 2, 2), {operations} reads and as many writes at {RATE} a second each, in simulation, on disks \
             whose syncs have a heavy tail. Synced: each replica has a write on disk before it acknowledges it. Buffered: one has, the \
             others acknowledge from memory (1,000 objects); if it takes over 10 ms, another is asked to write through too."
        )],
        criterion: format!(
            "The buffer lowers the 99.9th percentile of writes by a factor of at least {FACTOR_MIN} (paper: {PAPER_FACTOR})."
        ),
        ..Experiment::default()
    };
    tabulate(&synced, &buffered, &mut experiment);
    let factor = synced.writes.percentile(0.999) / buffered.writes.percentile(0.999);
    if factor < FACTOR_MIN {
        experiment.disagreements.push(format!("the factor is {factor:.2}"));
    }
    experiment.charts.push(tails(&synced, &buffered));
    Ok(experiment)
}

fn tabulate(synced: &Measured, buffered: &Measured, experiment: &mut Experiment) {
    let headings = ["ms", "synced", "buffered", "factor", "factor, paper"];
    let mut table = FigureTable::new("Latencies, ms; factor = synced over buffered", &headings);
    for (kind, synced, buffered) in
        [("write", &synced.writes, &buffered.writes), ("read", &synced.reads, &buffered.reads)]
    {
        let figures = [
            ("average", synced.mean(), buffered.mean()),
            ("99th percentile", synced.percentile(0.99), buffered.percentile(0.99)),
            ("99.9th percentile", synced.percentile(0.999), buffered.percentile(0.999)),
        ];
        for (name, synced, buffered) in figures {
            let paper = if (kind, name) == ("write", "99.9th percentile") { short(PAPER_FACTOR) } else { "-".into() };
            let factor = format!("{:.2}", synced / buffered);
            table.push([format!("{kind}, {name}"), short(synced), short(buffered), factor, paper]);
        }
    }
    experiment.tables.push(table);
}

fn tails(synced: &Measured, buffered: &Measured) -> Chart {
    Chart {
        title: "How many requests take longer".into(),
        x: Axis::logarithmic("latency, ms"),
        y: Axis::logarithmic("share that takes longer"),
        series: vec![
            Series::measured("synced, writes", synced.writes.tail()),
            Series::measured("buffered, writes", buffered.writes.tail()),
            Series::measured("synced, reads", synced.reads.tail()),
            Series::measured("buffered, reads", buffered.reads.tail()),
        ],
        categories: Vec::new(),
    }
}

enum Step {
    /// A client is due to read a key, and then to write it.
    Begin,
    Read {
        key: u32,
    },
    Write,
}

fn measure(durability: Durability, operations: u32, seed: u64) -> Result<Measured, ExperimentError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut script = Script::new(world(durability, seed)?);
    for at_ns in moments(&mut rng, WARM_UP_S, RATE, operations) {
        script.at(at_ns, Step::Begin);
    }
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    while let Some(happening) = script.next() {
        let (request, step) = match happening {
            ScriptEvent::Due(_) => {
                let key = rng.random_range(0..KEYS);
                (Request::Get { key: key.to_be_bytes().to_vec(), r: None, n: None }, Step::Read { key })
            }
            ScriptEvent::Answered { what: Step::Read { key }, took_ns, reply: Some(Reply::Got { context, .. }) } => {
                reads.push(took_ns as f64 / NS_PER_MS);
                let (key, value) = (key.to_be_bytes().to_vec(), Some(vec![0; 100]));
                (Request::Put { key, value, context, w: None, n: None }, Step::Write)
            }
            // An answer that reports a time-out took as long as that.
            ScriptEvent::Answered { what: Step::Write, took_ns, .. } => {
                writes.push(took_ns as f64 / NS_PER_MS);
                continue;
            }
            ScriptEvent::Answered { took_ns, .. } => {
                reads.push(took_ns as f64 / NS_PER_MS);
                continue;
            }
        };
        let node = NodeId(rng.random_range(0..script.world.nodes().count() as u16));
        let id = script.world.send_request(node, request).ok_or_else(|| ExperimentError::new("a node is down"))?;
        script.expect(id, step);
    }
    Ok(Measured { reads: Sample::new(reads), writes: Sample::new(writes) })
}

fn world(durability: Durability, seed: u64) -> Result<World, ExperimentError> {
    let settings = DynamoSettings { durability, ..DynamoSettings::default() };
    script::world(settings, seed, Delays { peers: HOP, clients: HOP, disk: DISK })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_cuts_the_tail_of_writes() {
        let experiment = experiment(20_000, 1).expect("the cluster can be made");
        assert_eq!(experiment.disagreements, Vec::<String>::new());
        assert!(experiment.tables[0].rows.iter().all(|row| row.len() == experiment.tables[0].headings.len()));
    }
}
