//! What a node counts.

use crate::api::Metric;

macro_rules! counters {
    ($($field:ident: $help:literal,)*) => {
        /// Totals since this life of the node began.
        #[derive(Clone, Debug, Default)]
        pub(super) struct Counters {
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
    put_quorum_failures: "Writes that too few replicas acknowledged in time",
    refused: "Requests refused because too many were under way",
    bad_requests: "Requests refused because they were wrong",
    siblings_read: "Reads that returned more than one version",
    read_repairs: "Replicas that a read found stale and repaired",
    fallback_writes: "Writes sent to a fallback with a hint",
    hints_stored: "Hints taken for other nodes",
    hints_refused: "Hints refused because the hint store is full",
    hints_delivered: "Hints acknowledged by their owner",
    hint_attempts: "Hints sent to their owner",
    suspicions: "Times that a peer was taken for down",
    recoveries: "Times that a suspected peer answered again",
    anti_entropy_rounds: "Digest exchanges begun",
    anti_entropy_ranges_differing: "Ranges whose digests differed",
    anti_entropy_keys_sent: "Keys sent because of anti-entropy",
    stores: "Versions received from peers",
    resends: "Messages sent again for want of an answer",
}
