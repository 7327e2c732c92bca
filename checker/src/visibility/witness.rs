//! Why a read sees a write, or misses it: the other writes needed to prove it.
//!
//! Where what is listed is visible, none. A register's read shows what its values have replaced, so the writes on the
//! path from a value listed to the one in question belong to the evidence. Where one write wins, so do those on the path from
//! a write that was missed to what the read lists instead. A counter's read shows sums, which name the last change of each
//! process: its earlier changes belong to the evidence too.
//!
//! Paths are shortest ones, found breadth first. Time: linear in the causal past of a key. What is visible where is
//! decided in [`crate::visibility`]; this is for explanations alone.

use std::collections::{BTreeMap, VecDeque};

use super::facts::{KeyFacts, Past, Read};
use super::workloads::WorkloadFacts;
use crate::history::{EventType, Operation};
use crate::objects::ConcurrentWrites;
use crate::objects::Model;

/// The evidence for what is visible in a key.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'k, 'h> {
    key: &'k KeyFacts<'h>,
    model: Model,
    concurrent_writes: ConcurrentWrites,
}

impl<'k, 'h> Evidence<'k, 'h> {
    pub(crate) fn new(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'h>) -> Self {
        Self { key, model: workload.model, concurrent_writes: workload.concurrent_writes }
    }

    /// Whether a read shows a write, or may lack it because of a delete that it may have seen.
    pub(crate) fn is_seen(&self, read: &Read<'_>, write: usize) -> bool {
        let covered = || self.model.is_register() && !self.deletes_of(read, write).is_empty();
        self.shows(read, write) || covered()
    }

    /// Whether it lists a write, or what has replaced it.
    pub(crate) fn shows(&self, read: &Read<'_>, write: usize) -> bool {
        let listed: Vec<usize> = read.listed.iter().map(|value| *value as usize).collect();
        listed.contains(&write) || (self.model.is_register() && self.paths(&listed).contains_key(&write))
    }

    /// For each write, whether it has some of these in its past.
    fn replacing(&self, listed: &[u32]) -> Vec<bool> {
        let mut newer: Vec<Vec<u32>> = vec![Vec::new(); self.key.writes.len()];
        for (write, at) in self.key.writes.iter().zip(0..) {
            write.past.known().iter().for_each(|older| newer[*older as usize].push(at));
        }
        let mut replacing = vec![false; newer.len()];
        let mut open = listed.to_vec();
        while let Some(write) = open.pop() {
            for by in &newer[write as usize] {
                if !std::mem::replace(&mut replacing[*by as usize], true) {
                    open.push(*by);
                }
            }
        }
        replacing
    }

    /// Of what a read lists, the first that a write has replaced.
    pub(crate) fn first_replaced(&self, by: usize, listed: &[u32]) -> Option<usize> {
        let paths = self.paths(&[by]);
        listed.iter().map(|value| *value as usize).find(|value| *value != by && paths.contains_key(value))
    }

    /// The writes other than this one by which a read sees it.
    pub(crate) fn of_sight(&self, read: &Read<'_>, write: usize) -> Vec<Operation<'h>> {
        let listed: Vec<usize> = read.listed.iter().map(|value| *value as usize).collect();
        if self.model == Model::Counter {
            return self.of_sums(read, write);
        }
        if listed.contains(&write) {
            return Vec::new();
        }
        let paths = self.paths(&listed);
        match paths.contains_key(&write) {
            true => self.operations(path(&paths, write), write),
            false => self.of_delete(read, write),
        }
    }

    /// The delete that a read may have seen and that covers the write, and what is between them.
    pub(crate) fn of_delete(&self, read: &Read<'_>, write: usize) -> Vec<Operation<'h>> {
        self.operations(self.deletes_of(read, write), write)
    }

    fn deletes_of(&self, read: &Read<'_>, write: usize) -> Vec<usize> {
        // A read that lists what a delete has replaced has not seen the delete.
        let unseen = self.replacing(&read.listed);
        let may_be_seen = |at: &usize| {
            let delete = &self.key.writes[*at];
            let (outcome, invoked) = (delete.operation.outcome(), delete.operation.invoked());
            delete.is_delete() && outcome != EventType::Fail && invoked < read.completed() && !unseen[*at]
        };
        let deletes: Vec<usize> = (0..self.key.writes.len()).filter(may_be_seen).collect();
        if deletes.is_empty() {
            return Vec::new();
        }
        path(&self.paths(&deletes), write)
    }

    /// The writes other than this one by which a read has provably missed it.
    pub(crate) fn of_miss(&self, read: &Read<'_>, write: usize) -> Vec<Operation<'h>> {
        if self.model == Model::Counter {
            return self.of_sums(read, write);
        }
        if !self.model.is_register() {
            return Vec::new();
        }
        let one_wins = self.concurrent_writes == ConcurrentWrites::OneWins;
        // A delete was not seen where anything that it had replaced is listed.
        let is_delete = self.key.writes[write].is_delete();
        if !one_wins && !is_delete {
            return Vec::new();
        }
        let paths = self.paths(&[write]);
        let mut older: Vec<Vec<usize>> = read.listed.iter().map(|value| path(&paths, *value as usize)).collect();
        // Where one write wins, a write is missed only if all values listed are older; otherwise one older value is enough.
        if is_delete {
            older.retain(|path| !path.is_empty());
            older.sort_by_key(Vec::len);
            older.truncate(1);
        }
        self.operations(older.concat(), write)
    }

    /// Of the deletes among some operations that cover a write, what shows that a read has not seen them: the paths to something
    /// that it lists.
    pub(crate) fn of_unseen_deletes(
        &self,
        read: &Read<'_>,
        write: usize,
        among: &[Operation<'h>],
    ) -> Vec<Operation<'h>> {
        if !self.model.is_register() {
            return Vec::new();
        }
        let named = |at: &usize| {
            let delete = &self.key.writes[*at];
            delete.is_delete()
                && *at != write
                && among.iter().any(|other| other.invoked() == delete.operation.invoked())
        };
        let deletes = (0..self.key.writes.len()).filter(named);
        let paths = deletes.map(|delete| self.paths(&[delete])).filter(|paths| paths.contains_key(&write));
        let unseen = paths.filter_map(|paths| {
            let to_listed = read.listed.iter().map(|value| path(&paths, *value as usize));
            to_listed.filter(|path| !path.is_empty()).min_by_key(Vec::len)
        });
        self.operations(unseen.flatten().collect(), write)
    }

    /// The writes by which one write has replaced another, which is shown with them.
    pub(crate) fn of_replacement(&self, by: usize, value: usize) -> Vec<Operation<'h>> {
        self.operations(path(&self.paths(&[by]), value), by)
    }

    /// For a counter, the earlier changes of the process, as far as they identify what the read shows of it.
    fn of_sums(&self, read: &Read<'_>, write: usize) -> Vec<Operation<'h>> {
        let process = self.key.writes[write].operation.process();
        let last = read.listed.iter().map(|at| *at as usize).filter(|at| self.writer(*at) == process).max();
        let until = last.unwrap_or(write).max(write);
        let listed = |at: usize| read.listed.binary_search(&(at as u32)).is_ok();
        let counts = |at: &usize| self.writer(*at) == process && (self.outcome(*at) != EventType::Fail || listed(*at));
        self.operations((0..=until).filter(counts).collect(), write)
    }

    fn writer(&self, write: usize) -> u64 {
        self.key.writes[write].operation.process()
    }

    fn outcome(&self, write: usize) -> EventType {
        self.key.writes[write].operation.outcome()
    }

    fn operations(&self, writes: Vec<usize>, other_than: usize) -> Vec<Operation<'h>> {
        writes.into_iter().filter(|at| *at != other_than).map(|at| self.key.writes[at].operation).collect()
    }

    /// For each write in the past of some writes, the next one on the path from those; each of those has itself.
    fn paths(&self, from: &[usize]) -> BTreeMap<usize, usize> {
        let mut above: BTreeMap<usize, usize> = from.iter().map(|write| (*write, *write)).collect();
        let mut open: VecDeque<usize> = from.iter().copied().collect();
        while let Some(write) = open.pop_front() {
            let Past::Known(past) = &self.key.writes[write].past else { continue };
            for older in past.iter().map(|older| *older as usize) {
                above.entry(older).or_insert_with(|| {
                    open.push_back(older);
                    write
                });
            }
        }
        above
    }
}

/// The path down to a write, both ends included; empty if there is none.
fn path(above: &BTreeMap<usize, usize>, to: usize) -> Vec<usize> {
    let mut path = Vec::new();
    let mut next = above.contains_key(&to).then_some(to);
    while let Some(write) = next {
        path.push(write);
        next = above.get(&write).copied().filter(|up| *up != write);
    }
    path
}
