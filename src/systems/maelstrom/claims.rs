//! What Maelstrom's documents ask of a program, by workload.

use checker::{CheckName, Claim, ConcurrentWrites};

use super::settings::MaelstromSettings;
use crate::systems::system::Claims;

/// What is asked of the programs for each workload, and where the documents say so.
const OF_WORKLOADS: [(&str, CheckName, &str); 8] = [
    ("echo", CheckName::ECHO, "an answer has the same payload as the request"),
    ("unique-ids", CheckName::UNIQUE_IDS, "identifiers are unique in the whole cluster"),
    ("broadcast", CheckName::SET_FULL, "a message that was acknowledged comes to every node, and none is lost"),
    ("g-set", CheckName::SET_FULL, "an element that was acknowledged comes to every node, and none is lost"),
    ("g-counter", CheckName::G_COUNTER, "in the end each node returns the sum of all that was added"),
    ("pn-counter", CheckName::PN_COUNTER, "in the end each node returns the sum of all that was added"),
    ("lin-kv", CheckName::LINEARIZABLE, "the key-value store is linearizable"),
    ("kafka", CheckName::KAFKA, "records have offsets that grow, and none that was acknowledged is lost or skipped"),
];

/// The workloads of transactions.
const OF_TRANSACTIONS: [&str; 2] = ["txn-list-append", "txn-rw-register"];

/// What this configuration promises.
pub(super) fn claims(settings: &MaelstromSettings) -> Claims {
    let of_workloads = OF_WORKLOADS.map(|(workload, check, why)| Claim::of_workload(check, workload, why));
    let of_transactions = OF_TRANSACTIONS.into_iter().flat_map(|workload| {
        let models = settings.consistency_models.iter();
        models.map(move |model| Claim::of_workload(*model, workload, "--consistency-models says so"))
    });
    let served = "every node answers when the network is whole and nothing is done to it";
    let available = Claim::of_all(CheckName::AVAILABILITY, served);
    Claims {
        claims: [available].into_iter().chain(of_workloads).chain(of_transactions).collect(),
        note: "What Maelstrom's documents ask of a program for each workload.".to_owned(),
        concurrent_writes: ConcurrentWrites::Kept,
        nodes_to_serve: 1,
    }
}
