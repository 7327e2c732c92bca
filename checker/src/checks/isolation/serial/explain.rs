//! Why there is no order: a cycle, with all that forced it, in words.

use std::collections::BTreeSet;

use super::edges::{Edge, Moments, Why};
use super::{KIND, Orders};
use crate::checks::isolation::findings::{RawAnomaly, RawEdge, label, name, writes_of};
use crate::checks::isolation::graph::Kind;
use crate::checks::isolation::input::{Micro, NIL};

impl Orders<'_> {
    pub(super) fn explain(&self, cycle: &[usize]) -> RawAnomaly {
        let support = self.support(cycle);
        let clauses: Vec<String> = support.iter().filter_map(|place| self.clause(self.edges[*place])).collect();
        let ends = support.iter().flat_map(|place| [self.edges[*place].from, self.edges[*place].to]);
        let edges = cycle.iter().filter_map(|place| self.raw_edge(self.edges[*place])).collect();
        let round = cycle.iter().map(|place| self.edges[*place].from).chain([self.edges[cycle[0]].from]);
        let round: Vec<String> = round.map(|moment| self.moment(moment)).collect();
        let (before, why) = match self.moments {
            Moments::One => (" comes before ", "no order of all transactions explains what was read"),
            Moments::Two => (" before ", "no order of beginnings and commits explains what was read"),
            Moments::Seen | Moments::SeenItself => {
                (" comes before ", "whichever of two that wrote one key had seen the other, a read is wrong")
            }
        };
        let explanation = format!("{}. So {}: {why}.", clauses.join("; "), round.join(before));
        let witnesses = support.iter().filter_map(|place| match self.edges[*place].why {
            Why::Listed { witness, .. } => Some(witness),
            _ => None,
        });
        let transactions = ends.map(|moment| self.moments.transaction(moment)).chain(witnesses).collect();
        RawAnomaly { kind: KIND, key: None, transactions, explanation, edges }
    }

    /// The places of all edges that a cycle rests on, in the order in which they were found.
    fn support(&self, cycle: &[usize]) -> BTreeSet<usize> {
        let after = self.after();
        let (mut all, mut open) = (BTreeSet::new(), cycle.to_vec());
        while let Some(place) = open.pop() {
            if all.insert(place)
                && let Some(Forced { from, to, read }) = self.forced_by(self.edges[place])
            {
                let path = self.path(&after, from, to, self.edges[place].known);
                open.extend(path.expect("what forced an edge is a path of earlier ones"));
                open.extend(read.and_then(|read| self.place_of(read)));
            }
        }
        all
    }

    /// What forced an edge; none if it is as it was recorded.
    fn forced_by(&self, Edge { from, to, why, .. }: Edge) -> Option<Forced> {
        let moments = self.moments;
        let [one, other] = [from, to].map(|moment| moments.transaction(moment));
        Some(match why {
            Why::Seen { key, reader } => {
                let read = Some(ReadOf { key, source: other, reader });
                Forced { from: moments.seen_from(one), to: moments.seen_to(reader), read }
            }
            Why::Missed { key, source } => {
                let read = Some(ReadOf { key, source, reader: one });
                Forced { from: moments.seen_from(source), to: moments.seen_to(other), read }
            }
            Why::Overlap { .. } => Forced { from: moments.begin(one), to: moments.commit(other), read: None },
            Why::Itself
            | Why::Read { .. }
            | Why::First { .. }
            | Why::Listed { .. }
            | Why::Lacks { .. }
            | Why::Process
            | Why::RealTime => return None,
        })
    }

    /// The place of the edge of a read.
    fn place_of(&self, ReadOf { key, source, reader }: ReadOf) -> Option<usize> {
        let ends = (self.moments.seen_from(source), self.moments.seen_to(reader));
        let is_it =
            |edge: &Edge| (edge.from, edge.to) == ends && matches!(edge.why, Why::Read { key: of } if of == key);
        self.edges.iter().position(is_it)
    }

    /// As reports draw it; nothing of a transaction that begins before it commits.
    fn raw_edge(&self, Edge { from, to, why, .. }: Edge) -> Option<RawEdge> {
        let (kind, key) = match why {
            Why::Itself => return None,
            Why::Read { key } => (Kind::Wr, Some(key)),
            Why::First { key } | Why::Lacks { key } | Why::Missed { key, .. } => (Kind::Rw, Some(key)),
            Why::Seen { key, .. } | Why::Listed { key, .. } | Why::Overlap { key } => (Kind::Ww, Some(key)),
            Why::Process => (Kind::Process, None),
            Why::RealTime => (Kind::RealTime, None),
        };
        let [from, to] = [from, to].map(|moment| self.moments.transaction(moment));
        Some(RawEdge { from, to, label: label(kind, key, self.facts.names) })
    }

    /// Why one moment is before another; nothing of a transaction that begins before it commits.
    fn clause(&self, Edge { from, to, why, .. }: Edge) -> Option<String> {
        let [one, other] = [from, to].map(|moment| self.moments.transaction(moment));
        let [first, second] = [one, other].map(|transaction| self.name(transaction));
        Some(match why {
            Why::Itself => return None,
            Why::Read { key } => format!("{second} read {} of {first}", self.written(key, one)),
            Why::First { key } => {
                let (name, initial) = (self.facts.names.key(key), self.facts.names.initial(key));
                format!("{first} read {name} = {initial}, and {second} wrote {}", self.written(key, other))
            }
            Why::Listed { key, witness } => format!(
                "{first} appended {} before {second} appended {}, as {} read it",
                self.written(key, one),
                self.written(key, other),
                self.name(witness)
            ),
            Why::Lacks { key } => format!(
                "{first} read {} without {}, which {second} appended",
                self.facts.names.key(key),
                self.written(key, other)
            ),
            Why::Process => format!("a process ran {first} before {second}"),
            Why::RealTime => format!("{first} had completed when {second} was invoked"),
            Why::Seen { key, reader } => format!(
                "{first}, which wrote {}, comes before {}, which did not read that, and so before {second}",
                self.written(key, one),
                self.name(reader)
            ),
            Why::Missed { key, source } => format!(
                "{second}, which wrote {}, comes after {}, and so after {first} has read what that wrote",
                self.written(key, other),
                self.name(source)
            ),
            Why::Overlap { key } => {
                let (early, late) = match self.moments {
                    Moments::Two => ("began before", " committed, which"),
                    _ => ("has missed something that", " did or had seen, which"),
                };
                format!(
                    "{first}, which wrote {}, {early} {second}{late} wrote {}, and so it is the first of them",
                    self.written(key, one),
                    self.written(key, other)
                )
            }
        })
    }

    /// What a moment is called.
    fn moment(&self, moment: u32) -> String {
        let transaction = self.moments.transaction(moment);
        let name = self.name(transaction);
        match self.moments {
            Moments::One | Moments::Seen | Moments::SeenItself => name,
            Moments::Two if moment == self.moments.begin(transaction) => format!("{name} begins"),
            Moments::Two => format!("{name} commits"),
        }
    }

    fn name(&self, transaction: u32) -> String {
        name(self.facts.transactions, self.facts.names, transaction)
    }

    /// What a transaction leaves in a key: `x = 1` of a register, `1 in x` of a list.
    fn written(&self, key: u32, transaction: u32) -> String {
        let (transactions, names) = (self.facts.transactions, self.facts.names);
        let last = writes_of(transactions, transaction, key).last().filter(|value| *value != NIL);
        let value = last.map_or_else(|| "nil".to_owned(), |value| names.value(value));
        let is_list = transactions.micros(transaction).iter().any(|micro| matches!(micro, Micro::Append { .. }));
        if is_list { format!("{value} in {}", names.key(key)) } else { format!("{} = {value}", names.key(key)) }
    }
}

/// A path that forced an edge, by its ends, and the read that it is about.
struct Forced {
    from: u32,
    to: u32,
    read: Option<ReadOf>,
}

struct ReadOf {
    key: u32,
    source: u32,
    reader: u32,
}
