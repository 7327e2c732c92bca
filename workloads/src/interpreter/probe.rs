//! Probes: a write through each node once the replicas have converged, to see whether all nodes serve writes again.
//!
//! Final reads show that a node serves reads; a write quorum can be lost on its own. Each node has a key of its own,
//! `probe-NODE`, that no workload uses, so probes do not change what the final reads return.

use std::cell::RefCell;

use checker::history::{EventType, Phase};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::after_heal::{FINAL_RETRIES, FIRST_PAUSE, PAUSE_MAX};
use super::{EventFields, Interpreter, bounded, within};
use crate::workload::{Attempt, Completion, Invocation, Outcome, get, put};

/// The result of the probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Nodes that were probed.
    pub nodes: u64,
    /// Of these, the nodes for which every attempt failed.
    pub failed: u64,
}

impl Interpreter<'_> {
    /// Writes through each node, with a few retries if a write fails; as many nodes at a time as there are clients.
    pub async fn probes(&self) -> Probes {
        let first_process = self.take_processes(self.settings.concurrency);
        let left = RefCell::new((1_u64..).zip(&self.nodes));
        let failed = RefCell::new(0);
        let lane = async |lane| {
            let mut process = first_process + lane;
            loop {
                let Some((value, node)) = left.borrow_mut().next() else { break };
                let served = self.probe(&mut process, node, value).await;
                *failed.borrow_mut() += u64::from(!served);
            }
        };
        let mut lanes: FuturesUnordered<_> = (0..self.settings.concurrency).map(lane).collect();
        while lanes.next().await.is_some() {}
        drop(lanes);
        Probes { nodes: self.nodes.len() as u64, failed: failed.into_inner() }
    }

    /// Probes one node, and returns whether a write succeeded. An `info` ends the client process, as always.
    async fn probe(&self, process: &mut u64, node: &str, value: u64) -> bool {
        let mut pause = FIRST_PAUSE;
        for attempt in 0..=FINAL_RETRIES {
            match self.probe_once(*process, node, value).await.outcome {
                Outcome::Ok => return true,
                Outcome::Info => *process = self.take_processes(1),
                Outcome::Fail => {}
            }
            if attempt < FINAL_RETRIES {
                self.clock.sleep_until(self.clock.now() + pause).await;
                pause = PAUSE_MAX.min(pause * 2);
            }
        }
        false
    }

    async fn probe_once(&self, process: u64, node: &str, value: u64) -> Completion {
        let invocation = Invocation { f: "write", key: format!("probe-{node}"), value: value.into() };
        let (phase, f, key) = (Phase::Probe, invocation.f, invocation.key.as_str());
        let fields = EventFields { process, phase, node, workload: None, f, key, round: None };
        self.record(&fields, EventType::Invoke, invocation.value.clone(), |_| {});
        let attempt = Attempt::by(process);
        let write = async {
            match get(self.store, node, &invocation).await {
                Ok(read) => {
                    let bytes = Value::from(value).to_string().into_bytes();
                    put(self.store, node, &invocation, &attempt, read.context.as_ref(), bytes).await
                }
                Err(completion) => completion,
            }
        };
        let deadline = self.clock.now().saturating_add(self.settings.operation_timeout);
        let completion = match within(self.clock, deadline, Box::pin(write)).await {
            Some(completion) => completion,
            None => attempt.timed_out(&invocation, self.settings.operation_timeout),
        };
        self.record(&fields, completion.outcome.into(), completion.value.clone(), |event| {
            event.error = completion.error.as_deref().map(bounded);
        });
        completion
    }
}
