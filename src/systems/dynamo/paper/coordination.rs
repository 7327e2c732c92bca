//! Who coordinates: a node behind a load balancer, or the client's library (6.4, table 2 of the paper).
//!
//! The same load on the same simulated cluster, twice. Clients read a key and then write it, at times that do not
//! depend on each other. Only the path differs: through a load balancer to any node, or straight to the replicas.

use cluster_core::api::{NodeId, Reply, Request, RequestId};
use cluster_core::sim::latency::Latency;
use cluster_core::sim::{ClientId, World};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reports::experiment::{Axis, Chart, Experiment, FigureTable, Series};

use super::error::ExperimentError;
use super::figures::{Sample, short};
use super::script::{self, Delays, Script, ScriptEvent, moments};
use crate::systems::dynamo::settings::DynamoSettings;

/// Nodes of the cluster; N, R and W are (3, 2, 2), the paper's usual.
const NODES: usize = 12;
/// Keys, read and written alike.
const KEYS: u32 = 2_000;
/// Reads a second; each is followed by a write.
const RATE: f64 = 400.0;
const NS_PER_MS: f64 = 1e6;

/// A hop within a data centre: a third of a millisecond, and now and then a queue somewhere.
const HOP: Latency = Latency::Mixture { pareto: 0.98, xm_ms: 0.25, alpha: 4.0, rate_per_ms: 0.15 };
/// A synced write of a disk behind a cache. In the paper writes have no longer tail than reads, so its disks hardly
/// showed; here, too, the tail is the network's.
const DISK: Latency = Latency::Mixture { pareto: 0.99, xm_ms: 0.4, alpha: 3.0, rate_per_ms: 0.25 };

/// The paper's figures: average and 99.9th percentile, ms, of reads and of writes.
const PAPER: [Published; 2] = [
    Published { who: "server-driven", average: (3.9, 4.02), tail: (68.9, 68.5) },
    Published { who: "client-driven", average: (1.55, 1.9), tail: (30.4, 30.4) },
];

struct Published {
    who: &'static str,
    average: (f64, f64),
    tail: (f64, f64),
}

/// One way of coordination, measured; ms.
struct Measured {
    reads: Sample,
    writes: Sample,
}

/// Measures both ways with `operations` reads, and as many writes.
///
/// # Errors
/// When the cluster cannot be made.
pub fn experiment(operations: u32, seed: u64) -> Result<Experiment, ExperimentError> {
    let measured = [measure(false, operations, seed)?, measure(true, operations, seed)?];
    let mut experiment = Experiment {
        name: "coordination".into(),
        title: "Server-driven against client-driven coordination (6.4, table 2)".into(),
        method: vec![
            format!(
                "{NODES} nodes, (N, R, W) = (3, 2, 2), {operations} reads and as many writes at {RATE} a second each, in \
                 simulation. A hop takes {:.2} ms at the mean, a synced write of a disk {:.2} ms; both have tails. Through a load balancer \
                 it is two hops to a node.",
                mean_ms(&HOP), mean_ms(&DISK)
            ),
            "Nodes answer reads from memory, and have no queue for the processor: what differs is the way. The shape is to be \
             compared, not the milliseconds."
                .into(),
        ],
        criterion: "Client-driven coordination is faster, at the average and at the 99.9th percentile, for reads and for \
                    writes; writes are slower than reads at the average."
            .into(),
        ..Experiment::default()
    };
    tabulate(&measured, &mut experiment);
    judge(&measured, &mut experiment.disagreements);
    experiment.charts.extend([bars(&measured), tails(&measured)]);
    Ok(experiment)
}

fn mean_ms(latency: &Latency) -> f64 {
    match latency {
        Latency::Mixture { pareto, xm_ms, alpha, rate_per_ms } => {
            pareto * xm_ms * alpha / (alpha - 1.0) + (1.0 - pareto) / rate_per_ms
        }
        Latency::Uniform { min_ns, max_ns } => (min_ns + max_ns) as f64 / 2.0 / NS_PER_MS,
        Latency::Sum(parts) => parts.iter().map(mean_ms).sum(),
    }
}

/// What is compared: name, ours of a way, the paper's of a way.
type Figure = (&'static str, fn(&Measured) -> f64, fn(&Published) -> f64);

const FIGURES: [Figure; 4] = [
    ("read, average", |ours| ours.reads.mean(), |paper| paper.average.0),
    ("write, average", |ours| ours.writes.mean(), |paper| paper.average.1),
    ("read, 99.9th percentile", |ours| ours.reads.percentile(0.999), |paper| paper.tail.0),
    ("write, 99.9th percentile", |ours| ours.writes.percentile(0.999), |paper| paper.tail.1),
];

fn tabulate(measured: &[Measured; 2], experiment: &mut Experiment) {
    let headings = ["ms", "server, ours", "client, ours", "ratio", "server, paper", "client, paper", "ratio, paper"];
    let mut table = FigureTable::new("Latencies by coordination, ms; ratio = client over server", &headings);
    for (name, ours, paper) in FIGURES {
        let (server, client) = (ours(&measured[0]), ours(&measured[1]));
        let published = (paper(&PAPER[0]), paper(&PAPER[1]));
        let ratios = [client / server, published.1 / published.0].map(|ratio| format!("{ratio:.2}"));
        let cells = [short(server), short(client), ratios[0].clone(), short(published.0), short(published.1)];
        table.push([name.to_owned()].into_iter().chain(cells).chain([ratios[1].clone()]));
    }
    experiment.tables.push(table);
}

fn judge(measured: &[Measured; 2], disagreements: &mut Vec<String>) {
    for (name, ours, _) in FIGURES {
        let (server, client) = (ours(&measured[0]), ours(&measured[1]));
        if client >= server {
            disagreements.push(format!("{name}: {client:.2} ms client-driven, {server:.2} ms server-driven"));
        }
    }
    for (ours, who) in measured.iter().zip(&PAPER) {
        if ours.writes.mean() <= ours.reads.mean() {
            disagreements.push(format!("{}: writes are no slower than reads", who.who));
        }
    }
}

fn bars(measured: &[Measured; 2]) -> Chart {
    let numbered = |values: Vec<f64>| (0..).map(f64::from).zip(values).collect();
    let series = measured.iter().zip(&PAPER).flat_map(|(ours, paper)| {
        let own = FIGURES.iter().map(|(_, figure, _)| figure(ours)).collect();
        let published = FIGURES.iter().map(|(_, _, figure)| figure(paper)).collect();
        [
            Series::measured(format!("{}, ours", paper.who), numbered(own)),
            Series::reference(format!("{}, paper", paper.who), numbered(published)),
        ]
    });
    Chart {
        title: "Averages and 99.9th percentiles".into(),
        x: Axis::linear(""),
        y: Axis::logarithmic("ms"),
        series: series.collect(),
        categories: FIGURES.iter().map(|(name, ..)| (*name).to_owned()).collect(),
    }
}

fn tails(measured: &[Measured; 2]) -> Chart {
    let series = measured.iter().zip(&PAPER).flat_map(|(ours, paper)| {
        [
            Series::measured(format!("{}, reads", paper.who), ours.reads.tail()),
            Series::measured(format!("{}, writes", paper.who), ours.writes.tail()),
        ]
    });
    Chart {
        title: "How many requests take longer".into(),
        x: Axis::logarithmic("latency, ms"),
        y: Axis::logarithmic("share that takes longer"),
        series: series.collect(),
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

/// Where requests go in.
enum Way {
    Balancer(Box<ChaCha8Rng>),
    Client(ClientId),
}

impl Way {
    fn send(&mut self, world: &mut World, request: Request) -> Option<RequestId> {
        match self {
            Way::Balancer(rng) => world.send_request(NodeId(rng.random_range(0..NODES as u16)), request),
            Way::Client(client) => Some(world.client_request(*client, request)),
        }
    }
}

fn measure(client_driven: bool, operations: u32, seed: u64) -> Result<Measured, ExperimentError> {
    let mut world = world(client_driven, seed)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut way = match client_driven {
        true => Way::Client(world.add_client(seed).map_err(ExperimentError::new)?),
        false => Way::Balancer(Box::new(ChaCha8Rng::seed_from_u64(seed ^ 1))),
    };
    let mut script = Script::new(world);
    for at_ns in moments(&mut rng, 0.0, RATE, operations) {
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
            ScriptEvent::Answered { what: Step::Write, took_ns, reply } => {
                if matches!(reply, Some(Reply::Failed(_)) | None) {
                    return Err(ExperimentError::new(format!("a write without faults failed: {reply:?}")));
                }
                writes.push(took_ns as f64 / NS_PER_MS);
                continue;
            }
            ScriptEvent::Answered { reply, .. } => {
                return Err(ExperimentError::new(format!("a read without faults failed: {reply:?}")));
            }
        };
        let id = way.send(&mut script.world, request).ok_or_else(|| ExperimentError::new("a node is down"))?;
        script.expect(id, step);
    }
    Ok(Measured { reads: Sample::new(reads), writes: Sample::new(writes) })
}

fn world(client_driven: bool, seed: u64) -> Result<World, ExperimentError> {
    let settings = DynamoSettings { nodes: NODES, ..DynamoSettings::default() };
    let way = if client_driven { HOP } else { Latency::Sum(vec![HOP, HOP]) };
    script::world(settings, seed, Delays { peers: HOP, clients: way, disk: DISK })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_driven_coordination_is_faster() {
        let experiment = experiment(20_000, 1).expect("the cluster can be made");
        assert_eq!(experiment.disagreements, Vec::<String>::new());
        assert_eq!(experiment.tables[0].rows.len(), FIGURES.len());
        assert!(experiment.tables[0].rows.iter().all(|row| row.len() == experiment.tables[0].headings.len()));
    }

    /// The comparison can fail: with the two ways exchanged, all eight figures are wrong.
    #[test]
    fn slower_clients_would_be_noticed() {
        let sample = |ms: f64| Measured { reads: Sample::new(vec![ms]), writes: Sample::new(vec![ms + 1.0]) };
        let mut disagreements = Vec::new();
        judge(&[sample(1.0), sample(5.0)], &mut disagreements);
        assert_eq!(disagreements.len(), FIGURES.len());
    }
}
