//! A client of NATS: which operation of which workload is done by what.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use workloads::{Attempt, Client, Completion, Operation};

use super::jetstream::JetStream;
use super::logs::{self, Logs};
use super::queues;

/// A client of the whole cluster.
pub(super) struct NatsClient {
    js: JetStream,
    nodes: Vec<String>,
    logs: Logs,
}

impl NatsClient {
    /// A client of these nodes.
    pub fn new(js: JetStream, nodes: Vec<String>) -> Self {
        Self { js, nodes, logs: Logs::default() }
    }

    async fn done(&self, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        let js = &self.js;
        let done = match (operation.workload, operation.f) {
            ("log", "send") => logs::send(js, node, operation, attempt).await,
            ("log", "assign") => self.logs.assign(operation),
            ("log", "poll") => self.logs.poll(js, node, operation, attempt).await,
            ("queue", "enqueue") => queues::enqueue(js, node, operation, attempt).await,
            ("queue", "dequeue") => queues::dequeue(js, node, operation, attempt).await,
            ("queue", "drain") => queues::drain(js, node, operation, attempt, queues::DRAIN_LIMIT).await,
            _ => Err(operation.unknown()),
        };
        done.unwrap_or_else(|completion| completion)
    }
}

/// Whether a client can do this function of this workload.
pub(super) fn can(workload: &str, f: &str) -> bool {
    matches!((workload, f), ("log", "send" | "assign" | "poll") | ("queue", "enqueue" | "dequeue" | "drain"))
}

impl Client for NatsClient {
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
    fn logs_and_queues_can_be_done() {
        assert_eq!(registry::names(&can), ["queue", "log"]);
    }
}
