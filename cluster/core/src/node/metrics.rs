//! What a node counts.

use super::state::{Latencies, Node};
use crate::api::{Distribution, Metric, Status};
use crate::histogram::Histogram;

impl Node {
    /// How long things took.
    pub fn distributions(&self) -> Vec<Distribution> {
        let Latencies { get, put, storage_read } = &self.latencies;
        let of =
            |(name, help, histogram): (_, _, &Histogram)| Distribution { name, help, histogram: histogram.clone() };
        [
            ("dynamo_get_seconds", "From a read's arrival at its coordinator to its answer, if R replied", get),
            ("dynamo_put_seconds", "From a write's arrival at its coordinator to its answer, if W acknowledged", put),
            ("dynamo_storage_read_seconds", "From a read of own rows to when they are durable", storage_read),
        ]
        .map(of)
        .into()
    }

    /// Status for an administrator.
    pub fn status(&self) -> Status {
        let others = self.others().into_iter();
        Status {
            name: self.name(self.config.id),
            keys: self.image.keys() as u64,
            hints: self.image.hints() as u64,
            requests: self.requests() as u64,
            peers: others.map(|id| (self.name(id), !self.peers.is_suspected(id))).collect(),
            image_bytes: self.image.bytes() as u64,
            protocol_version: self.config.protocol.number(),
            last_refusal: self.speakers.last_refusal.clone(),
        }
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> Vec<Metric> {
        let gauge = |(name, help, value): (_, _, usize)| Metric { name, help, value: value as f64 };
        let gauges = [
            ("dynamo_keys", "Keys in the main store, tombstones included", self.image.keys()),
            ("dynamo_tombstones", "Keys of which nothing but a tombstone is held", self.image.tombstones()),
            ("dynamo_hints", "Hints held for other nodes", self.image.hints()),
            ("dynamo_image_bytes", "Bytes of the live image", self.image.bytes()),
            ("dynamo_requests", "Requests under way", self.requests()),
            ("dynamo_peers_suspected", "Peers taken for down", self.peers.suspected().len()),
            ("dynamo_messages_unanswered", "Messages that still want an answer", self.asked.len()),
            ("dynamo_persists", "Batches on their way to disk", self.persistence.under_way() as usize),
            ("dynamo_buffer_rows", "Rows of the write buffer that are not on disk", self.persistence.buffer.depth()),
            ("dynamo_protocol_version", "Peer protocol spoken", usize::from(self.config.protocol.number())),
            ("dynamo_held", "Answers and messages that wait for the disk", self.persistence.held()),
            (
                "dynamo_background_slice",
                "Rows that a kind of background work may move in an interval",
                self.admission.slice(),
            ),
            (
                "dynamo_storage_read_p99_microseconds",
                "99th percentile of the waiting times of storage reads in the last minute; 0 if there was none",
                self.admission.percentile_us().unwrap_or(0) as usize,
            ),
        ];
        let mut metrics = self.counters.metrics();
        metrics.extend(gauges.map(gauge));
        metrics
    }
}
