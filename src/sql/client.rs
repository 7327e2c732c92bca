//! A client of a database: which operation of which workload is done by what.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use workloads::{Attempt, Client, Completion, Operation};

use super::options::Updates;
use super::transactions::Transactions;
use super::{banks, lists, registers};

/// A client of the whole database.
pub struct SqlClient {
    transactions: Transactions,
    nodes: Vec<String>,
    updates: Updates,
}

impl SqlClient {
    /// A client of these nodes.
    pub fn new(transactions: Transactions, nodes: Vec<String>, updates: Updates) -> Self {
        Self { transactions, nodes, updates }
    }

    async fn done(&self, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        let (on, updates) = (&self.transactions, self.updates);
        let done = match (operation.workload, operation.f) {
            ("cas-register", "read") => registers::read(on, node, operation, attempt).await,
            ("cas-register", "write") => registers::write(on, node, operation, attempt).await,
            ("cas-register", "cas") => registers::cas(on, node, operation, attempt).await,
            ("kv-set", "add") => registers::add_element(on, node, operation, attempt).await,
            ("kv-set", "read") => registers::read_elements(on, node, operation, attempt).await,
            ("kv-counter", "add") => registers::add(on, updates, node, operation, attempt).await,
            ("kv-counter", "read") => registers::read_sum(on, node, operation, attempt).await,
            ("append", "txn") => lists::txn(on, updates, node, operation, attempt).await,
            ("bank", "transfer") => banks::transfer(on, node, operation, attempt).await,
            ("bank", "read") => banks::read(on, node, operation, attempt).await,
            _ => Err(operation.unknown()),
        };
        done.unwrap_or_else(|completion| completion)
    }
}

/// Whether a client can do this function of this workload.
pub fn can(workload: &str, f: &str) -> bool {
    matches!(
        (workload, f),
        ("cas-register", "read" | "write" | "cas")
            | ("kv-set" | "kv-counter", "add" | "read")
            | ("append", "txn")
            | ("bank", "transfer" | "read")
    )
}

impl Client for SqlClient {
    fn nodes(&self) -> Vec<String> {
        self.nodes.clone()
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        can(workload, f)
    }

    fn invoke<'a>(
        &'a self,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        self.done(node, operation, attempt).boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use workloads::registry;

    use super::*;

    #[test]
    fn registers_sets_counters_lists_and_banks_can_be_done() {
        assert_eq!(registry::names(&can), ["cas-register", "kv-set", "kv-counter", "append", "bank"]);
    }
}
