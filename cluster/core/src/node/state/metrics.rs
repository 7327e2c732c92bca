//! What a node has counted in this life.

use crate::api::Metric;
use crate::histogram::Histogram;

macro_rules! counters {
    ($($field:ident: $help:literal,)*) => {
        /// Totals since this life of the node began.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Counters {
            $(#[doc = $help] pub $field: u64,)*
        }

        impl Counters {
            pub fn metrics(&self) -> Vec<Metric> {
                vec![$(Metric {
                    name: concat!("dynamo_", stringify!($field), "_total"),
                    help: $help,
                    value: self.$field as f64,
                },)*]
            }
        }
    };
}

counters! {
    gets: "Reads coordinated here",
    puts: "Writes coordinated here",
    puts_forwarded: "Writes forwarded to a replica",
    get_quorum_failures: "Reads that too few replicas answered in time",
    sessions_unmet: "Reads of sessions that nobody who answered could serve",
    put_quorum_failures: "Writes that too few replicas acknowledged in time",
    refused: "Requests refused because too much was under way",
    bad_requests: "Requests refused because they were wrong",
    siblings_read: "Reads that returned more than one version",
    read_repairs: "Replicas that a read found stale and repaired",
    fallback_writes: "Writes sent to a fallback with a hint",
    hints_stored: "Hints taken for other nodes",
    hints_refused: "Hints refused because the hint store is full, or the key is not for this node",
    hints_delivered: "Hints acknowledged by their owner",
    hint_attempts: "Hints sent to their owner",
    suspicions: "Times that a peer was taken for down",
    recoveries: "Times that a suspected peer answered again",
    anti_entropy_rounds: "Digest exchanges begun",
    anti_entropy_ranges_differing: "Ranges whose Merkle roots differed",
    anti_entropy_keys_differing: "Keys that a comparison of Merkle trees found to differ",
    anti_entropy_keys_sent: "Keys sent because of anti-entropy",
    anti_entropy_bytes: "Bytes, about, sent because of anti-entropy: digests, lists and rows",
    stores: "Versions received from peers",
    messages_dropped: "Messages of peers dropped because too much waited for the disk",
    membership_changes: "Joins and leaves written down at this node",
    view_changes: "Times that keys came to live elsewhere for this node",
    views_refused: "Requests of peers refused because they were of another view of the membership",
    transfer_keys_offered: "Keys offered to who is to own them",
    transfer_keys_sent: "Keys sent to who is to own them and lacked them",
    rows_cleared: "Rows deleted because others own them and have them",
    gossips: "Digests of the membership sent to peers",
    histories_sent: "Histories of the membership sent to peers",
    resends: "Messages sent again because no answer came",
    damaged_rows_dropped: "Damaged rows that the node was started without",
    buffered_writes: "Rows kept in the write buffer",
    buffer_full: "Rows written through because the write buffer was full",
    durable_hedges: "Times that another replica was asked to write through, because the first took too long",
    versions_refused: "Messages of peers refused because of their protocol version",
    reaping_rounds: "Rounds of reaping begun",
    reaping_rounds_given_up: "Rounds of reaping that not all nodes took part in",
    tombstones_reaped: "Tombstones forgotten because nobody needs them any more",
    stores_fenced: "Stores dropped because they were sent before a reaping",
}

/// How long things took since this life of the node began, microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    pub get: Histogram,
    pub put: Histogram,
    pub storage_read: Histogram,
}
