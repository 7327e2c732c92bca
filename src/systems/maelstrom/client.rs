//! A client of the nodes: it sends requests, and says what came of them.
//!
//! Each process of the bench is a client by itself, with a name: process 0 is `c1`. (`c0` is the bench, which greets nodes.)

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde_json::{Map, Value, json};
use workloads::client::{ReplicaFuture, Replicas, Unread, Version};
use workloads::log::SEEK_TO_BEGINNING;
use workloads::{Attempt, Client, Completion, Operation};

use super::error_code::{KEY_DOES_NOT_EXIST, RpcError};
use super::message::Message;
use super::network::{Network, Unanswered};
use super::requests::{Does, Malformed, QUOTED_MAX, Rpc, can, does, is_replicated, read_of};
use super::settings::MaelstromSettings;
use crate::systems::outcomes::Done;

/// The workload whose nodes are told who their neighbours are.
const TOLD_NEIGHBOURS: &str = "broadcast";

/// A client of the whole cluster.
pub(super) struct MaelstromClient {
    network: Rc<Network>,
    topology: Value,
    /// In which life each node was told its neighbours.
    told: BTreeMap<String, tokio::sync::Mutex<u64>>,
    /// All nodes were told, before the first of them was asked for anything.
    all_told: tokio::sync::OnceCell<()>,
    /// From which offset on each process polls each of its logs: no more than the history that records it.
    positions: RefCell<BTreeMap<u64, Positions>>,
    /// The workloads that were asked for.
    asked: RefCell<BTreeSet<&'static str>>,
    settle: Duration,
}

/// From which offset on a process polls each of its logs.
type Positions = BTreeMap<String, u64>;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
enum NoResult {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("{node} answered {request} with {error}")]
    Error { node: String, request: &'static str, error: RpcError },
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl NoResult {
    /// Whether the request certainly changed nothing.
    fn is_definite(&self) -> bool {
        match self {
            NoResult::Unanswered(Unanswered::Down(_)) => true,
            NoResult::Unanswered(Unanswered::Ended(_)) | NoResult::Malformed(_) => false,
            NoResult::Error { error, .. } => error.is_definite(),
        }
    }

    fn completion(&self, operation: &Operation, only_reads: bool) -> Completion {
        let corrupt = matches!(self, NoResult::Malformed(_));
        let completion = match only_reads || self.is_definite() {
            true => operation.fail(self.to_string()),
            false => operation.info(self.to_string()),
        };
        Completion { corrupt, ..completion }
    }
}

impl MaelstromClient {
    /// A client of the nodes of this network.
    pub fn new(network: Rc<Network>, settings: &MaelstromSettings) -> Self {
        let told = network.names().iter().map(|name| (name.clone(), tokio::sync::Mutex::default())).collect();
        Self {
            topology: settings.topology.of(network.names()),
            told,
            all_told: tokio::sync::OnceCell::new(),
            network,
            positions: RefCell::default(),
            asked: RefCell::default(),
            settle: Duration::from_millis(settings.settle_ms),
        }
    }

    /// Sends a request of a process, and waits for an answer that is no error.
    async fn request(&self, node: &str, process: u64, request: &'static str, body: Value) -> Result<Message, NoResult> {
        let answer = self.network.ask(&format!("c{}", process + 1), node, body).await?;
        match RpcError::in_body(&answer.parsed()) {
            Some(error) => Err(NoResult::Error { node: node.to_owned(), request, error }),
            None => Ok(answer),
        }
    }

    async fn ask(&self, rpc: Rpc, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
        let only_reads = rpc.only_reads(operation);
        if only_reads {
            attempt.reading(rpc.name())
        } else {
            attempt.writing(rpc.name())
        };
        let answer = self.request(node, operation.process, rpc.name(), rpc.body(operation)).await;
        let result = match answer {
            Err(NoResult::Error { error, .. }) if rpc == Rpc::ReadKey && error.is(KEY_DOES_NOT_EXIST) => {
                Ok(Value::Null)
            }
            Err(why) => Err(why),
            Ok(answer) => rpc.result(node, operation, &answer).map_err(NoResult::from),
        };
        result.map(|value| operation.ok(value)).map_err(|why| why.completion(operation, only_reads))
    }

    /// Sees to it that a node knows its neighbours. At first all are told together: one that hears of a message before it
    /// knows whom to tell would keep it for itself.
    async fn tell_neighbours(&self, node: &str) -> Result<(), NoResult> {
        let tell_all = || async {
            let told = self.told.keys().map(|node| self.tell_neighbours_to(node));
            futures::future::try_join_all(told).await.map(drop)
        };
        self.all_told.get_or_try_init(tell_all).await?;
        self.tell_neighbours_to(node).await
    }

    /// Tells a node its neighbours, once in each of its lives.
    async fn tell_neighbours_to(&self, node: &str) -> Result<(), NoResult> {
        let (Some(life), Some(told)) = (self.network.life(node), self.told.get(node)) else { return Ok(()) };
        let mut told = told.lock().await;
        if *told != life {
            let body = json!({"type": "topology", "topology": self.topology});
            let answer = self.network.ask_by_bench(node, body).await?;
            if answer.parsed()["type"] != "topology_ok" {
                return Err(malformed(node, "topology", &answer, "topology_ok"));
            }
            *told = life;
        }
        Ok(())
    }

    async fn done(&self, does: Does, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
        self.asked.borrow_mut().insert(operation.workload);
        if operation.workload == TOLD_NEIGHBOURS {
            attempt.reading("topology");
            self.tell_neighbours(node).await.map_err(|why| why.completion(operation, true))?;
        }
        match does {
            Does::Ask(rpc) => self.ask(rpc, node, operation, attempt).await,
            Does::Send => self.send(node, operation, attempt).await,
            Does::Poll => self.poll(node, operation, attempt).await,
            Does::Assign => self.assign(node, operation, attempt).await,
        }
    }

    async fn send(&self, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
        attempt.writing("send");
        let (key, record) = (&operation.value[0][1], &operation.value[0][2]);
        let body = json!({"type": "send", "key": key, "msg": record});
        let sent = self.request(node, operation.process, "send", body).await.and_then(|answer| {
            let offset = answer.parsed()["offset"].as_u64();
            offset.ok_or_else(|| malformed(node, "send", &answer, "send_ok with the field offset, an integer"))
        });
        sent.map(|offset| operation.ok(json!([["send", key, [offset, record]]])))
            .map_err(|why| why.completion(operation, false))
    }

    /// What comes next in each log of the process; it is committed, and only then is the process further on.
    async fn poll(&self, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
        attempt.reading("poll");
        let positions = self.positions.borrow().get(&operation.process).cloned();
        let mut positions = positions.ok_or_else(|| operation.fail("no logs were assigned to the process"))?;
        let body = json!({"type": "poll", "offsets": positions});
        let polled = self.request(node, operation.process, "poll", body).await.and_then(|answer| {
            let expected = "poll_ok with the field msgs, for each log that was asked for a list of [offset, message]";
            records(&answer.parsed()["msgs"], &positions).ok_or_else(|| malformed(node, "poll", &answer, expected))
        });
        let (polled, last) = polled.map_err(|why| why.completion(operation, true))?;
        if !last.is_empty() {
            // What comes of it says nothing of what was polled.
            let body = json!({"type": "commit_offsets", "offsets": last});
            let _ = self.request(node, operation.process, "commit_offsets", body).await;
        }
        for (log, offset) in last {
            let position = positions.entry(log).or_default();
            *position = (*position).max(offset + 1);
        }
        self.positions.borrow_mut().insert(operation.process, positions);
        Ok(operation.ok(json!([["poll", polled]])))
    }

    /// A log that the process has not polled before begins with what was committed of it.
    async fn assign(&self, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
        attempt.reading("list_committed_offsets");
        let seeks = operation.value.get(SEEK_TO_BEGINNING);
        let logs = seeks.unwrap_or(&operation.value).as_array().into_iter().flatten();
        let logs: Vec<String> = logs.filter_map(Value::as_str).map(str::to_owned).collect();
        let (committed, known) = match seeks {
            Some(_) => (Positions::new(), Positions::new()),
            None => {
                let known = self.positions.borrow().get(&operation.process).cloned().unwrap_or_default();
                (self.committed(node, operation, &logs).await?, known)
            }
        };
        let at = |log: &String| known.get(log).or_else(|| committed.get(log)).copied().unwrap_or_default();
        let positions = logs.into_iter().map(|log| (log.clone(), at(&log))).collect();
        self.positions.borrow_mut().insert(operation.process, positions);
        Ok(operation.ok(operation.value.clone()))
    }

    async fn committed(&self, node: &str, operation: &Operation, logs: &[String]) -> Result<Positions, Completion> {
        let request = "list_committed_offsets";
        let answer = self.request(node, operation.process, request, json!({"type": request, "keys": logs})).await;
        let committed = answer.and_then(|answer| {
            let offsets: Option<Positions> = serde_json::from_value(answer.parsed()["offsets"].clone()).ok();
            let expected = "list_committed_offsets_ok with the field offsets, an integer for each log";
            offsets.ok_or_else(|| malformed(node, request, &answer, expected))
        });
        committed.map_err(|why| why.completion(operation, true))
    }
}

fn malformed(node: &str, request: &'static str, answer: &Message, expected: &str) -> NoResult {
    let answer = answer.body.get().chars().take(QUOTED_MAX).collect();
    Malformed { node: node.to_owned(), request, answer, expected: expected.to_owned() }.into()
}

/// The records in the answer to a poll of these logs, without empty lists, and the greatest offset of each log.
fn records(msgs: &Value, asked: &Positions) -> Option<(Map<String, Value>, Positions)> {
    let (mut polled, mut last) = (Map::new(), Positions::new());
    for (log, records) in msgs.as_object()? {
        asked.get(log)?;
        let offset = |record: &Value| record.as_array().filter(|pair| pair.len() == 2)?[0].as_u64();
        let offsets = records.as_array()?.iter().map(offset).collect::<Option<Vec<u64>>>()?;
        if let Some(greatest) = offsets.into_iter().max() {
            last.insert(log.clone(), greatest);
            polled.insert(log.clone(), records.clone());
        }
    }
    Some((polled, last))
}

impl Client for MaelstromClient {
    fn nodes(&self) -> Vec<String> {
        self.network.names().to_vec()
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
        let Some(does) = does(operation.workload, operation.f) else {
            return futures::future::ready(operation.unknown()).boxed_local();
        };
        let done = self.done(does, node, operation, attempt);
        done.map(|done| done.unwrap_or_else(|completion| completion)).boxed_local()
    }

    /// If all that was asked for is something of which each node has its own copy.
    fn replicas(&self) -> Option<&dyn Replicas> {
        let asked = self.asked.borrow();
        (!asked.is_empty() && asked.iter().all(|workload| is_replicated(workload))).then_some(self)
    }
}

impl Replicas for MaelstromClient {
    /// Nodes may agree on something while one of them has yet to tell what it was told, so they get time for it.
    fn locate<'a>(&'a self, _keys: &'a [String]) -> ReplicaFuture<'a, ()> {
        tokio::time::sleep(self.settle).map(Ok).boxed_local()
    }

    fn replicas(&self, _key: &str) -> Vec<String> {
        self.nodes()
    }

    fn read_replica<'a>(
        &'a self,
        node: &'a str,
        workload: &'static str,
        key: &'a str,
    ) -> ReplicaFuture<'a, Vec<Version>> {
        async move {
            let rpc = read_of(workload).ok_or_else(|| Unread::Failed(format!("{workload} is not replicated")))?;
            let read = Operation { workload, process: 0, f: "read", key: Some(key.to_owned()), value: Value::Null };
            let answer = self.network.ask_by_bench(node, rpc.body(&read)).await;
            let answer = answer.map_err(|why| Unread::Failed(why.to_string()))?;
            let value = rpc.result(node, &read, &answer).map_err(|why| Unread::Corrupt(why.to_string()))?;
            Ok(vec![Version { id: "its".to_owned(), value: ordered(value) }])
        }
        .boxed_local()
    }
}

/// The elements of a set in one order, whichever a node gives them.
fn ordered(value: Value) -> Value {
    let Value::Array(mut elements) = value else { return value };
    elements.sort_by_cached_key(Value::to_string);
    elements.into()
}
