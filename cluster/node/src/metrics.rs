//! What a node counts of itself outside the core, and `/metrics` in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cluster_core::api::{Distribution, Metric};

/// Upper bounds of latency buckets, microseconds.
const LATENCY_US: &[u64] = &[
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
];
/// Upper bounds of group sizes, batches.
const GROUP_BATCHES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// A kind of client request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// `GET /kv`
    Get,
    /// `PUT /kv`
    Put,
    /// `DELETE /kv`
    Delete,
    /// `GET /local`
    Local,
    /// `GET /replica`
    Fetch,
    /// `PUT /replica`
    Store,
}

const METHODS: [&str; 6] = ["get", "put", "delete", "local", "fetch", "store"];

/// Why a peer's connection or frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Version,
    Oversized,
    Checksum,
    Payload,
    Cluster,
    Sender,
    Silent,
    Crowded,
}

pub(crate) const REFUSED: [&str; 8] =
    ["version", "oversized", "checksum", "payload", "cluster", "sender", "silent", "crowded"];

/// Everything counted outside the core; shared by all tasks of a node.
#[derive(Debug)]
pub(crate) struct Counters {
    requests: [Histogram; METHODS.len()],
    group_batches: Histogram,
    commit_us: Histogram,
    refused: [AtomicU64; REFUSED.len()],
    /// Messages that found their peer's queue full, or were queued when the connection broke.
    pub(crate) sends_dropped: AtomicU64,
    pub(crate) frames_sent: AtomicU64,
    pub(crate) frames_received: AtomicU64,
    /// Client connections open now.
    pub(crate) clients_open: AtomicU64,
    /// Peer connections accepted and open now.
    pub(crate) inbound_open: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            requests: std::array::from_fn(|_| Histogram::new(LATENCY_US)),
            group_batches: Histogram::new(GROUP_BATCHES),
            commit_us: Histogram::new(LATENCY_US),
            refused: Default::default(),
            sends_dropped: AtomicU64::new(0),
            frames_sent: AtomicU64::new(0),
            frames_received: AtomicU64::new(0),
            clients_open: AtomicU64::new(0),
            inbound_open: AtomicU64::new(0),
        }
    }
}

impl Counters {
    pub(crate) fn request_served(&self, method: Method, took: Duration) {
        self.requests[method as usize].observe(micros(took));
    }

    pub(crate) fn group_committed(&self, batches: u64, took: Duration) {
        self.group_batches.observe(batches);
        self.commit_us.observe(micros(took));
    }

    pub(crate) fn refuse(&self, why: Refused) {
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    /// Refusals by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSED.into_iter().zip(self.refused.iter().map(|count| count.load(Relaxed)))
    }
}

/// Counts one thing that is there, for as long as this value lives.
pub(crate) struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    pub(crate) fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Debug)]
struct Histogram {
    bounds: &'static [u64],
    /// One more than the bounds: the last has none.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }
}

/// Messages and bytes waiting somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueDepth {
    /// Which queue.
    pub(crate) queue: String,
    /// How many wait.
    pub(crate) waiting: u64,
}

/// The whole page.
pub(crate) fn render(
    core: &[Metric],
    distributions: &[Distribution],
    depths: &[QueueDepth],
    counters: &Counters,
) -> String {
    let mut page = Page::default();
    for metric in core {
        let kind = if metric.name.ends_with("_total") { "counter" } else { "gauge" };
        page.head(metric.name, kind, metric.help);
        page.sample(metric.name, "", metric.value);
    }
    for distribution in distributions {
        page.distribution(distribution);
    }
    page.requests(counters);
    page.storage(counters);
    page.peers(counters);
    page.head("dynamo_node_queue_depth", "gauge", "Entries that wait in a bounded queue.");
    for depth in depths {
        page.sample(
            "dynamo_node_queue_depth",
            &format!("{{queue=\"{}\"}}", escape(&depth.queue)),
            depth.waiting as f64,
        );
    }
    page.text
}

/// A label's value must not end its quotes or its line.
fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn scalar(&mut self, name: &str, kind: &str, help: &str, value: &AtomicU64) {
        self.head(name, kind, help);
        self.sample(name, "", value.load(Relaxed) as f64);
    }

    /// One histogram; its values are divided by `unit`, so that seconds come out of microseconds.
    fn histogram(&mut self, name: &str, label: &str, unit: f64, histogram: &Histogram) {
        let comma = if label.is_empty() { "" } else { "," };
        let bounds = histogram.bounds.iter().map(|bound| (*bound as f64 / unit).to_string());
        let mut total = 0;
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&histogram.counts) {
            total += count.load(Relaxed);
            self.sample(&format!("{name}_bucket"), &format!("{{{label}{comma}le=\"{bound}\"}}"), total as f64);
        }
        let braced = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        self.sample(&format!("{name}_sum"), &braced, histogram.sum.load(Relaxed) as f64 / unit);
        self.sample(&format!("{name}_count"), &braced, total as f64);
    }

    /// Durations that the core has counted, in seconds.
    fn distribution(&mut self, distribution: &Distribution) {
        let Distribution { name, help, histogram } = distribution;
        self.head(name, "histogram", help);
        for (bound_us, below) in histogram.octaves() {
            let bound = bound_us as f64 / 1e6;
            self.sample(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), below as f64);
        }
        self.sample(&format!("{name}_bucket"), "{le=\"+Inf\"}", histogram.count() as f64);
        self.sample(&format!("{name}_sum"), "", histogram.sum_us() as f64 / 1e6);
        self.sample(&format!("{name}_count"), "", histogram.count() as f64);
    }

    fn requests(&mut self, counters: &Counters) {
        let name = "dynamo_node_request_seconds";
        self.head(name, "histogram", "From a request's head to its answer.");
        for (method, histogram) in METHODS.iter().zip(&counters.requests) {
            self.histogram(name, &format!("method=\"{method}\""), 1e6, histogram);
        }
        self.scalar("dynamo_node_client_connections", "gauge", "Client connections open.", &counters.clients_open);
    }

    fn storage(&mut self, counters: &Counters) {
        self.head("dynamo_node_group_batches", "histogram", "Batches persisted by one synced commit.");
        self.histogram("dynamo_node_group_batches", "", 1.0, &counters.group_batches);
        self.head("dynamo_node_commit_seconds", "histogram", "Duration of a synced commit.");
        self.histogram("dynamo_node_commit_seconds", "", 1e6, &counters.commit_us);
    }

    fn peers(&mut self, counters: &Counters) {
        let dropped = "Messages dropped on a full or broken connection.";
        self.scalar("dynamo_node_sends_dropped_total", "counter", dropped, &counters.sends_dropped);
        self.scalar("dynamo_node_frames_sent_total", "counter", "Frames written to peers.", &counters.frames_sent);
        let received = "Frames accepted from peers.";
        self.scalar("dynamo_node_frames_received_total", "counter", received, &counters.frames_received);
        let inbound = "Connections accepted from peers and open.";
        self.scalar("dynamo_node_peer_connections", "gauge", inbound, &counters.inbound_open);
        let name = "dynamo_node_peer_refused_total";
        self.head(name, "counter", "Peer connections ended by this node, by reason.");
        for (reason, count) in counters.refused() {
            self.sample(name, &format!("{{reason=\"{reason}\"}}"), count as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use cluster_core::histogram::Histogram as CoreHistogram;

    use super::*;

    #[test]
    fn the_page_has_every_kind_of_sample() {
        let counters = Counters::default();
        counters.request_served(Method::Put, Duration::from_micros(250));
        counters.request_served(Method::Put, Duration::from_millis(3));
        counters.request_served(Method::Put, Duration::from_secs(100));
        counters.group_committed(3, Duration::from_millis(1));
        counters.refuse(Refused::Oversized);
        let core = [Metric { name: "dynamo_repairs_total", help: "Repairs.", value: 2.0 }];
        let depths = [QueueDepth { queue: "to \"n2\"".to_owned(), waiting: 4 }];
        let mut histogram = CoreHistogram::default();
        [3, 9, 90_000_000].into_iter().for_each(|us| histogram.observe(us));
        let reads = [Distribution { name: "dynamo_storage_read_seconds", help: "Reads.", histogram }];
        let page = render(&core, &reads, &depths, &counters);
        for line in [
            "# HELP dynamo_repairs_total Repairs.\n# TYPE dynamo_repairs_total counter\ndynamo_repairs_total 2",
            "# TYPE dynamo_storage_read_seconds histogram\ndynamo_storage_read_seconds_bucket{le=\"0.000004\"} 1",
            "dynamo_storage_read_seconds_bucket{le=\"0.000008\"} 1",
            "dynamo_storage_read_seconds_bucket{le=\"0.000016\"} 2",
            "dynamo_storage_read_seconds_bucket{le=\"67.108864\"} 2",
            "dynamo_storage_read_seconds_bucket{le=\"+Inf\"} 3",
            "dynamo_storage_read_seconds_sum 90.000012",
            "dynamo_storage_read_seconds_count 3",
            "dynamo_node_request_seconds_bucket{method=\"put\",le=\"0.00025\"} 1",
            "dynamo_node_request_seconds_bucket{method=\"put\",le=\"0.005\"} 2",
            "dynamo_node_request_seconds_bucket{method=\"put\",le=\"5\"} 2",
            "dynamo_node_request_seconds_bucket{method=\"put\",le=\"+Inf\"} 3",
            "dynamo_node_request_seconds_count{method=\"put\"} 3",
            "dynamo_node_group_batches_bucket{le=\"2\"} 0",
            "dynamo_node_group_batches_bucket{le=\"4\"} 1",
            "dynamo_node_group_batches_sum 3",
            "dynamo_node_peer_refused_total{reason=\"oversized\"} 1",
            "dynamo_node_peer_refused_total{reason=\"crowded\"} 0",
            "dynamo_node_queue_depth{queue=\"to \\\"n2\\\"\"} 4",
        ] {
            assert!(page.contains(&format!("{line}\n")), "no {line:?} in\n{page}");
        }
    }

    #[test]
    fn what_is_open_is_counted_until_it_is_dropped() {
        let count = AtomicU64::new(0);
        let open = Open::new(&count);
        assert_eq!(count.load(Relaxed), 1);
        drop(open);
        assert_eq!(count.load(Relaxed), 0);
    }
}
