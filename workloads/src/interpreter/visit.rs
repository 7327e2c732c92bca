//! Visits: a few operations through each node after the heal, by processes of their own, tried again where they fail.

use std::cell::RefCell;
use std::time::Duration;

use checker::history::Phase;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;

use super::{At, Interpreter, SeededWorkload};
use crate::client::{Completion, Outcome};
use crate::workload::Visit;

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often a visit that fails is made again at least.
const RETRIES: u32 = 3;
/// How often the last operation of a visit is repeated, at most. One that could go on has failed.
const REPEATS_MAX: u64 = 10_000;

/// A visit to be made through a node.
pub(super) struct NodeVisit<'i> {
    /// Whose operations they are; none for operations of no workload.
    pub seeded: Option<&'i SeededWorkload>,
    pub node: &'i str,
    pub visit: Visit,
}

impl Interpreter<'_> {
    /// Makes each visit, as many at a time as there are clients. Returns how many failed, however often they were made.
    pub(super) async fn make(&self, phase: Phase, visits: &[NodeVisit<'_>]) -> u64 {
        let first_process = self.take_processes(self.settings.concurrency);
        let failed = RefCell::new(0);
        self.in_lanes(visits, first_process, async |visit, process| {
            let made = self.visit(phase, visit, process).await;
            *failed.borrow_mut() += u64::from(!made);
        })
        .await;
        failed.into_inner()
    }

    async fn visit(&self, phase: Phase, visit: &NodeVisit<'_>, process: &mut u64) -> bool {
        let (mut pause, mut retries) = (FIRST_PAUSE, 0);
        loop {
            if self.visit_once(phase, visit, process).await {
                return true;
            }
            if retries >= RETRIES && self.clock.now() >= self.patient_until.get() {
                return false;
            }
            retries += 1;
            self.clock.sleep_until(self.clock.now() + pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    /// Returns whether every operation was `ok`. An `info` ends the client process, as always.
    async fn visit_once(&self, phase: Phase, visit: &NodeVisit<'_>, process: &mut u64) -> bool {
        let NodeVisit { seeded, node, visit: Visit { invocations, until } } = visit;
        let at = At { seeded: *seeded, phase, node, late: None };
        for (left, invocation) in (0..invocations.len()).rev().zip(invocations) {
            let until = until.filter(|_| left == 0);
            let mut over = false;
            for _ in 0..REPEATS_MAX {
                let look = |completion: &Completion| over = is_over(until, completion);
                match self.operate(at, *process, invocation.clone(), look).await.outcome {
                    Outcome::Ok if over => break,
                    Outcome::Ok => {}
                    Outcome::Fail => return false,
                    Outcome::Info => {
                        self.ended(*process);
                        *process = self.take_processes(1);
                        return false;
                    }
                }
            }
            if !over {
                return false;
            }
        }
        true
    }

    /// Visits every item once, as many at a time as there are clients, each lane as a process of its own.
    pub(super) async fn in_lanes<'p, T>(
        &self,
        items: &'p [T],
        first_process: u64,
        visit: impl AsyncFn(&'p T, &mut u64),
    ) {
        let left = RefCell::new(items.iter());
        let lane = async |lane| {
            let mut process = first_process + lane;
            loop {
                let Some(item) = left.borrow_mut().next() else { break };
                visit(item, &mut process).await;
            }
        };
        let mut lanes: FuturesUnordered<_> = (0..self.settings.concurrency).map(lane).collect();
        while lanes.next().await.is_some() {}
    }
}

fn is_over(until: Option<fn(&Value) -> bool>, completion: &Completion) -> bool {
    until.is_none_or(|is_last| is_last(&completion.value))
}
