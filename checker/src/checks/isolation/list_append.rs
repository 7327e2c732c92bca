//! Transactions that append unique elements to lists and read whole lists (Kingsbury, Alvaro, "Elle", VLDB 2020).
//!
//! A read of a list shows every append before it and their order, so the longest read of a key is its version order and
//! every other read is a prefix of it, or the reads contradict each other. The order gives the dependencies, only those
//! between neighbours: `ww` from each append to the next, `wr` from the last append that a read shows to its
//! reader, `rw` from a reader to the next append that it does not show. An append of a committed transaction that no
//! read shows comes after the longest read.
//!
//! What a transaction reads of its own appends is their place in the order only once another transaction has read them,
//! too: a store may show them behind the state that the transaction began with, and append them when it commits, behind
//! what others have appended meanwhile. Until then they count as appends that no read shows. If others have, the append
//! overwrites what its transaction has not seen: a lost update. So where a level forbids that, the place is as it was read.
//! And so what two such transactions have read, or one of them and others, is no contradiction but for that.
//!
//! With that, a history without an anomaly is serializable: transactions in an order that agrees with all edges, and
//! every read is explained. So this check is exact, not only sound.
//!
//! Transactions of unknown outcome take part only if somebody read one of their appends: then they committed.
//!
//! Time and memory: linear in the micro-operations and the elements read, but for what [`super::cycles`] spends on a
//! history that has cycles.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::by_key::ByKey;
use super::cycles::{self, Found, Order as Needs, Shape, Step};
use super::findings::{Explain, RawAnomaly, RawFindings, Reason, common_keys, name, show_list, writes_of};
use super::graph::{Edges, Kind};
use super::input::{Micro, Names, Outcome, Transactions};
use super::levels;
use super::missed::{self, NOBODY};
use super::serial::{self, Listed};
use crate::limits::Limits;

/// An append, with those of its key.
#[derive(Clone, Copy)]
struct Append {
    transaction: u32,
    value: u32,
    /// No later append of the same transaction to the key.
    is_last: bool,
}

/// A read of a list, with those of its key.
#[derive(Clone, Copy)]
struct Read {
    transaction: u32,
    list: Micro,
    /// Whether its transaction appends to the key afterwards.
    then_appends: bool,
}

/// What is known of a key after its reads were compared.
#[derive(Default)]
struct Order {
    /// The longest read and its transaction, if there is a read.
    longest: Option<(u32, Micro)>,
    /// By position in the longest read: who appended it if that is in the graph, else [`NOBODY`].
    writers: Vec<u32>,
    /// So many elements of the longest read have their place for certain: the rest was read by its own transaction alone.
    settled: usize,
    /// Who read them.
    settled_by: Option<u32>,
    /// Appends behind those, by transactions that committed.
    unseen: Vec<u32>,
}

impl Order {
    /// Whether the longest read ends with what its own transaction appended and no other has read.
    fn has_own_end(&self) -> bool {
        self.settled < self.writers.len()
    }

    fn listed<'o>(&'o self, key: u32, transactions: &'o Transactions) -> Listed<'o> {
        Listed {
            key,
            whole: self.longest.map_or(&[], |(_, list)| transactions.list(list)),
            settled: &self.writers[..self.settled],
            settled_by: self.settled_by,
            unseen: &self.unseen,
            own_end: self.longest.filter(|_| self.has_own_end()).map(|(own, _)| own),
        }
    }
}

/// Where the appends stand that only their own transaction has read.
#[derive(Clone, Copy, PartialEq)]
enum Places {
    /// Anywhere behind what others have read.
    Settled,
    /// Where their transaction has read them.
    AsRead,
}

/// Finds all anomalies.
pub(crate) fn analyse(transactions: &Transactions, names: &dyn Names) -> RawFindings {
    analyse_for(transactions, names, "none", &Limits::default()).0
}

/// A level that has no order of the appends that nobody read, and why.
pub(super) type NoOrder = Option<(&'static str, RawAnomaly)>;

/// Finds all anomalies for which the memory suffices (only causality needs much), and where none of them refutes a level that
/// orders all appends, whether there is such an order.
pub(super) fn analyse_for(
    transactions: &Transactions,
    names: &dyn Names,
    required: &'static str,
    limits: &Limits<'_>,
) -> (RawFindings, NoOrder) {
    let mut analysis = Analysis::new(transactions, names);
    analysis.inside_transactions();
    let (appends, reads) = analysis.by_key();
    for key in 0..transactions.keys() as u32 {
        analysis.order(key, appends.of(key), reads.of(key));
    }
    if analysis.findings.malformed.is_some() {
        return (analysis.findings, None);
    }
    let edges = analysis.graph(&appends, &reads, Places::Settled);
    analysis.findings.figures.insert("dependencies", edges.len() as f64);
    let find = |analysis: &Analysis<'_>, edges| cycles::find(edges, transactions, |at| analysis.committed(at));
    let found = find(&analysis, edges);
    let may_differ = !found.cycles.is_empty() && analysis.orders.iter().any(Order::has_own_end);
    let without_lost_updates = may_differ.then(|| {
        let edges = analysis.graph(&appends, &reads, Places::AsRead);
        find(&analysis, edges)
    });
    drop((appends, reads));
    let mut findings = std::mem::take(&mut analysis.findings);
    findings.add_cycles(&found, transactions, &analysis, names);
    if let Some(found) = &without_lost_updates {
        findings.add_cycles_or_lost_updates(found, transactions, &analysis, names);
    }
    analysis.missed(&found, limits, &mut findings);
    let is_open = orders_appends(required) && !findings.have_no_order(required);
    let Found { parts, .. } = without_lost_updates.unwrap_or(found);
    let parts = parts.iter().filter(|_| is_open);
    let no_order = parts.into_iter().find_map(|part| analysis.without_order(part, required, limits));
    (findings, no_order)
}

/// Whether a level asks that of any two that appended to a list one has seen the other, which no cycle of what is known may
/// show. Those that forbid all cycles do not, as any order will do where there is none.
fn orders_appends(level: &'static str) -> bool {
    let asks = ["update-atomic", "consistent-view"].into_iter().any(|weakest| levels::includes(level, weakest));
    asks && !levels::includes(level, "repeatable-read")
}

/// What a transaction itself knows of a key while it runs.
struct Known {
    base: Option<Micro>,
    appended: Vec<u32>,
}

struct Analysis<'t> {
    transactions: &'t Transactions,
    names: &'t dyn Names,
    findings: RawFindings,
    /// By transaction: whether somebody read an append of it.
    observed: Vec<bool>,
    orders: Vec<Order>,
    /// Appends of the current key by value, kept to reuse its memory.
    positions: FxHashMap<u32, u32>,
}

impl<'t> Analysis<'t> {
    fn new(transactions: &'t Transactions, names: &'t dyn Names) -> Self {
        Self {
            transactions,
            names,
            findings: RawFindings::default(),
            observed: vec![false; transactions.len()],
            orders: Vec::with_capacity(transactions.keys()),
            positions: FxHashMap::default(),
        }
    }

    /// Whether the transaction is in the graph.
    fn committed(&self, transaction: u32) -> bool {
        self.transactions.row(transaction).outcome.committed(self.observed[transaction as usize])
    }

    fn name(&self, transaction: u32) -> String {
        name(self.transactions, self.names, transaction)
    }

    fn show(&self, list: Micro) -> String {
        show_list(self.names, self.transactions.list(list))
    }

    /// Each transaction against itself: it sees its own appends, and what it read stays.
    fn inside_transactions(&mut self) {
        let mut known: FxHashMap<u32, Known> = FxHashMap::default();
        for transaction in 0..self.transactions.len() as u32 {
            let micros = self.transactions.micros(transaction);
            if micros.len() < 2 || self.transactions.row(transaction).outcome != Outcome::Ok {
                continue;
            }
            known.clear();
            for micro in micros {
                match *micro {
                    Micro::Append { key, value } => self.own_append(transaction, &mut known, key, value),
                    list @ Micro::List { key, .. } => self.own_read(transaction, &mut known, key, list),
                    Micro::Write { .. } | Micro::Read { .. } => {}
                }
            }
        }
    }

    fn own_append(&mut self, transaction: u32, known: &mut FxHashMap<u32, Known>, key: u32, value: u32) {
        let known = known.entry(key).or_insert(Known { base: None, appended: Vec::new() });
        if let Some(base) = known.base
            && self.transactions.list(base).contains(&value)
            && !self.findings.is_only_counted("future-read")
        {
            let clause = format!(
                "{} read {} as {}, with {} that it appended only afterwards.",
                self.name(transaction),
                self.names.key(key),
                self.show(base),
                self.names.value(value)
            );
            self.findings.add("future-read", || alone("future-read", key, transaction, clause));
        }
        known.appended.push(value);
    }

    fn own_read(&mut self, transaction: u32, known: &mut FxHashMap<u32, Known>, key: u32, list: Micro) {
        let Some(known) = known.get_mut(&key) else {
            known.insert(key, Known { base: Some(list), appended: Vec::new() });
            return;
        };
        let elements = self.transactions.list(list);
        let fits = match known.base.map(|base| self.transactions.list(base)) {
            Some(base) => elements.strip_prefix(base) == Some(&known.appended[..]),
            None => elements.ends_with(&known.appended),
        };
        if !fits && !self.findings.is_only_counted("internal") {
            let before = known.base.map_or_else(String::new, |base| format!(" read {} and", self.show(base)));
            let clause = format!(
                "{} had{before} appended {} to {}, and then read it as {}.",
                self.name(transaction),
                show_list(self.names, &known.appended),
                self.names.key(key),
                self.show(list)
            );
            self.findings.add("internal", || alone("internal", key, transaction, clause));
        }
        *known = Known { base: Some(list), appended: Vec::new() };
    }

    /// Appends and reads by key.
    fn by_key(&self) -> (ByKey<Append>, ByKey<Read>) {
        let (mut appends, mut reads) = (Vec::new(), Vec::new());
        for transaction in 0..self.transactions.len() as u32 {
            let micros = self.transactions.micros(transaction);
            for (at, micro) in micros.iter().enumerate() {
                let same = |other: &&Micro| other.key() == micro.key();
                let appended_later = || micros[at + 1..].iter().filter(same).any(|later| later.written().is_some());
                match *micro {
                    Micro::Append { key, value } => {
                        appends.push((key, Append { transaction, value, is_last: !appended_later() }));
                    }
                    list @ Micro::List { key, .. } => {
                        reads.push((key, Read { transaction, list, then_appends: appended_later() }));
                    }
                    Micro::Write { .. } | Micro::Read { .. } => {}
                }
            }
        }
        let keys = self.transactions.keys();
        (ByKey::new(keys, &appends), ByKey::new(keys, &reads))
    }

    /// Determines the version order of a key, and finds what is wrong with its reads.
    fn order(&mut self, key: u32, appends: &[Append], reads: &[Read]) {
        let mut positions = std::mem::take(&mut self.positions);
        positions.clear();
        for (append, at) in appends.iter().zip(0..) {
            if positions.insert(append.value, at).is_some() && self.findings.malformed.is_none() {
                let (value, key) = (self.names.value(append.value), self.names.key(key));
                self.findings.malformed =
                    Some(format!("{value} was appended to {key} more than once: elements must be unique for a key"));
            }
        }
        let of_key = OfKey { key, appends, positions: &positions };
        let longest = self.longest(&of_key, reads);
        let mut order = Order { longest: longest.map(|read| (read.transaction, read.list)), ..Order::default() };
        if longest.is_none() {
            // Each read repeats an element, which is reported; the rest of what it shows is checked nevertheless.
            reads.iter().for_each(|read| self.elements(&of_key, *read, 0));
        }
        if let Some(longest) = longest {
            self.elements(&of_key, longest, 0);
            self.compare(&of_key, reads, longest);
            let elements = self.transactions.list(longest.list);
            order.writers = elements.iter().map(|element| self.writer(&of_key, *element)).collect();
            let is_shown = |read: &&Read| self.transactions.shown_of(elements, read.transaction, read.list).is_some();
            let others = reads.iter().rev().filter(is_shown);
            // Of several the first.
            let settled = others.map(|read| (self.length_of_others(&of_key, *read), read.transaction));
            let settled = settled.max_by_key(|(length, _)| *length);
            (order.settled, order.settled_by) = settled.map_or((0, None), |(length, by)| (length, Some(by)));
        }
        self.lost_updates(&of_key, reads, &order);
        self.positions = positions;
        self.orders.push(order);
    }

    /// The longest read in which no element occurs twice, of those that show all that others have read; those that have an
    /// element twice are reported.
    fn longest(&mut self, of_key: &OfKey<'_>, reads: &[Read]) -> Option<Read> {
        let longest = self.longest_of_all(of_key, reads)?;
        let others = |read: &Read| self.length_of_others(of_key, *read);
        let elements = self.transactions.list(longest.list);
        if others(&longest) == elements.len() {
            return Some(longest);
        }
        // Where its own transaction has appended at its end, what others have read may be elsewhere.
        let settled = reads.iter().rev().max_by_key(|read| others(read))?;
        let read_by_others = &self.transactions.list(settled.list)[..others(settled)];
        if elements.starts_with(read_by_others) || self.repeated(settled.list).is_some() {
            return Some(longest);
        }
        let length = |read: &&Read| self.transactions.list(read.list).len();
        let fits = |read: &&Read| {
            self.transactions.list(read.list).starts_with(read_by_others) && self.repeated(read.list).is_none()
        };
        reads.iter().rev().filter(fits).max_by_key(length).copied()
    }

    fn longest_of_all(&mut self, of_key: &OfKey<'_>, reads: &[Read]) -> Option<Read> {
        let length = |read: &Read| self.transactions.list(read.list).len();
        let first = reads.iter().rev().max_by_key(|read| length(read))?;
        if self.repeated(first.list).is_none() {
            return Some(*first);
        }
        let mut candidates: Vec<&Read> = reads.iter().collect();
        candidates.sort_by_key(|read| std::cmp::Reverse(length(read)));
        for read in candidates {
            let Some(element) = self.repeated(read.list) else { return Some(*read) };
            self.duplicate(of_key, *read, element);
        }
        None
    }

    /// How long a list is without what its reader itself appended at its end.
    fn length_of_others(&self, of_key: &OfKey<'_>, read: Read) -> usize {
        let elements = self.transactions.list(read.list);
        let is_own = |element: &&u32| of_key.append(**element).is_some_and(|by| by.transaction == read.transaction);
        elements.len() - elements.iter().rev().take_while(is_own).count()
    }

    fn repeated(&self, list: Micro) -> Option<u32> {
        let mut seen = rustc_hash::FxHashSet::default();
        self.transactions.list(list).iter().copied().find(|element| !seen.insert(*element))
    }

    fn duplicate(&mut self, of_key: &OfKey<'_>, read: Read, element: u32) {
        if self.findings.is_only_counted("duplicate-elements") {
            return;
        }
        let key = of_key.key;
        let clause = format!(
            "{} read {} as {}, where {} occurs twice.",
            self.name(read.transaction),
            self.names.key(key),
            self.show(read.list),
            self.names.value(element)
        );
        self.findings.add("duplicate-elements", || alone("duplicate-elements", key, read.transaction, clause));
    }

    fn writer(&self, of_key: &OfKey<'_>, element: u32) -> u32 {
        let writer = of_key.append(element).map(|append| append.transaction);
        writer.filter(|writer| self.committed(*writer)).unwrap_or(NOBODY)
    }

    /// Who appended what a read shows from a position on: marks them as seen, reports those that must not be.
    fn elements(&mut self, of_key: &OfKey<'_>, read: Read, from: usize) {
        let elements = self.transactions.list(read.list);
        let mut aborted: Option<(u32, u32)> = None;
        // Nobody appended what the list begins with.
        let from = from.max(self.transactions.at_first(of_key.key).len());
        for element in &elements[from.min(elements.len())..] {
            let Some(append) = of_key.append(*element) else {
                self.garbage(of_key.key, read, *element);
                continue;
            };
            self.observed[append.transaction as usize] = true;
            if self.transactions.row(append.transaction).outcome == Outcome::Fail {
                self.aborted_read(of_key.key, read, *append);
                aborted = Some((append.transaction, append.value));
            } else if let Some(earlier) = aborted.take() {
                self.dirty_update(of_key.key, read, earlier, *append);
            }
        }
        self.intermediate(of_key, read);
    }

    fn garbage(&mut self, key: u32, read: Read, element: u32) {
        if self.findings.is_only_counted("garbage-read") {
            return;
        }
        let (who, element) = (self.name(read.transaction), self.names.value(element));
        let clause = format!("{who} read {element} in {}, which nobody appended.", self.names.key(key));
        self.findings.add("garbage-read", || alone("garbage-read", key, read.transaction, clause));
    }

    fn aborted_read(&mut self, key: u32, read: Read, append: Append) {
        if self.findings.is_only_counted("G1a") {
            return;
        }
        let (reader, writer) = (self.name(read.transaction), self.name(append.transaction));
        let (value, list) = (self.names.value(append.value), self.names.key(key));
        self.findings.add("G1a", || RawAnomaly {
            kind: "G1a",
            key: Some(key),
            transactions: vec![append.transaction, read.transaction],
            explanation: format!("{writer} appended {value} to {list} and failed, yet {reader} read it."),
            ..RawAnomaly::default()
        });
    }

    fn dirty_update(&mut self, key: u32, read: Read, (failed, aborted): (u32, u32), append: Append) {
        if self.findings.is_only_counted("dirty-update") {
            return;
        }
        let (failed_name, writer) = (self.name(failed), self.name(append.transaction));
        let (aborted, value) = (self.names.value(aborted), self.names.value(append.value));
        let (list, reader) = (self.names.key(key), self.name(read.transaction));
        self.findings.add("dirty-update", || RawAnomaly {
            kind: "dirty-update",
            key: Some(key),
            transactions: vec![failed, append.transaction, read.transaction],
            explanation: format!(
                "{failed_name} appended {aborted} to {list} and failed, yet {writer} built on it with {value}, as {reader} read."
            ), ..RawAnomaly::default() });
    }

    /// A read between two appends of one transaction, whatever its own has appended behind that.
    fn intermediate(&mut self, of_key: &OfKey<'_>, read: Read) {
        let (key, others) = (of_key.key, self.length_of_others(of_key, read));
        let last = self.transactions.list(read.list)[..others].last().and_then(|last| of_key.append(*last));
        let Some(last) = last.copied().filter(|last| !last.is_last) else { return };
        if self.findings.is_only_counted("G1b") {
            return;
        }
        let (reader, writer) = (self.name(read.transaction), self.name(last.transaction));
        let (value, list, shown) = (self.names.value(last.value), self.names.key(key), self.show(read.list));
        self.findings.add("G1b", || RawAnomaly {
            kind: "G1b",
            key: Some(key),
            transactions: vec![last.transaction, read.transaction],
            explanation: format!(
                "{reader} read {list} as {shown}, between {value} and a later append of {writer} to it."
            ),
            ..RawAnomaly::default()
        });
    }

    /// Every read against the longest.
    fn compare(&mut self, of_key: &OfKey<'_>, reads: &[Read], longest: Read) {
        let whole = self.transactions.list(longest.list);
        for read in reads {
            if self.transactions.shown_of(whole, read.transaction, read.list).is_none() {
                let common = common_prefix(whole, self.transactions.list(read.list));
                self.incompatible(of_key, *read, longest, common);
            } else if read.list != longest.list {
                self.intermediate(of_key, *read);
            }
        }
    }

    fn incompatible(&mut self, of_key: &OfKey<'_>, read: Read, longest: Read, common: usize) {
        if let Some(element) = self.repeated(read.list) {
            // The longest reads with repetitions were reported where the longest without was sought.
            if self.transactions.list(read.list).len() <= self.transactions.list(longest.list).len() {
                self.duplicate(of_key, read, element);
            }
        } else if !self.findings.is_only_counted("incompatible-order") {
            let (one, other) = (self.name(read.transaction), self.name(longest.transaction));
            let (list, short, long) = (self.names.key(of_key.key), self.show(read.list), self.show(longest.list));
            self.findings.add("incompatible-order", || RawAnomaly {
                kind: "incompatible-order",
                key: Some(of_key.key),
                transactions: vec![read.transaction, longest.transaction],
                explanation: format!(
                    "{one} read {list} as {short}, {other} as {long}: neither is a prefix of the other."
                ),
                ..RawAnomaly::default()
            });
        }
        self.elements(of_key, read, common);
    }

    /// Transactions that appended to a state of a list that was not the last one any more: another one appended to the same, or
    /// what others have read shows an append before theirs.
    fn lost_updates(&mut self, of_key: &OfKey<'_>, reads: &[Read], order: &Order) {
        let whole = order.longest.map_or(&[][..], |(_, list)| self.transactions.list(list));
        let mut updates: Vec<(usize, u32)> = Vec::new();
        let is_shown = |read: &Read| self.transactions.shown_of(whole, read.transaction, read.list).is_some();
        for read in reads {
            let Some(length) = self.appended_to(of_key, *read).filter(|_| is_shown(read)) else { continue };
            match updates.last_mut().filter(|(_, earlier)| *earlier == read.transaction) {
                Some(update) => update.0 = length,
                None => updates.push((length, read.transaction)),
            }
        }
        updates.sort_unstable();
        for group in updates.chunk_by(|a, b| a.0 == b.0) {
            let (length, one) = group[0];
            let (key, state) = (of_key.key, &whole[..length]);
            if let Some((_, other)) = group.get(1) {
                self.lost_update(key, vec![one, *other], |all| {
                    let (a, b, list) = (all.name(one), all.name(*other), all.names.key(key));
                    format!("{a} and {b} both appended to {list} as they had read it, {}.", show_list(all.names, state))
                });
                continue;
            }
            let next = whole[..order.settled].get(length).and_then(|next| of_key.append(*next));
            if let Some(next) = next.filter(|next| next.transaction != one) {
                let transactions = [one, next.transaction].into_iter().chain(order.settled_by).collect();
                self.lost_update(key, transactions, |all| {
                    let (who, by, list) = (all.name(one), all.name(next.transaction), all.names.key(key));
                    let (state, value) = (show_list(all.names, state), all.names.value(next.value));
                    format!(
                        "{who} appended to {list} as it had read it, {state}, but behind the {value} that {by} appended."
                    )
                });
            }
        }
    }

    fn lost_update(&mut self, key: u32, transactions: Vec<u32>, explain: impl FnOnce(&Self) -> String) {
        if self.findings.is_only_counted("lost-update") {
            return;
        }
        let explanation = explain(self);
        self.findings.add("lost-update", || RawAnomaly {
            kind: "lost-update",
            key: Some(key),
            transactions,
            explanation,
            ..RawAnomaly::default()
        });
    }

    /// How long the list was that a transaction appended to, as one of its reads shows: the last one before an append, or one
    /// that ends with what it had appended. Of several the later counts.
    fn appended_to(&self, of_key: &OfKey<'_>, read: Read) -> Option<usize> {
        let (length, others) = (self.transactions.list(read.list).len(), self.length_of_others(of_key, read));
        (others < length || read.then_appends).then_some(others)
    }

    /// All dependencies.
    fn graph(&mut self, appends: &ByKey<Append>, reads: &ByKey<Read>, places: Places) -> Edges {
        let mut edges = Edges::new(self.transactions.len());
        for key in 0..self.transactions.keys() as u32 {
            self.dependencies(key, appends.of(key), reads.of(key), places, &mut edges);
        }
        edges
    }

    /// The edges that a key gives.
    fn dependencies(&mut self, key: u32, appends: &[Append], reads: &[Read], places: Places, edges: &mut Edges) {
        let mut order = std::mem::take(&mut self.orders[key as usize]);
        // Only now is it known of every transaction whether it committed.
        let whole = order.longest.map_or(&[][..], |(_, list)| self.transactions.list(list));
        self.settle(&mut order, whole, appends);
        let writers = &order.writers[..order.settled];
        let (before, next) = neighbours(writers);
        for (before, writer) in before.iter().zip(writers) {
            if *before != NOBODY && *writer != NOBODY {
                edges.add(*before, *writer, Kind::Ww);
            }
        }
        let mut last: Vec<(u32, Kind)> = Vec::new();
        for read in reads {
            let Some(length) = self.transactions.shown_of(whole, read.transaction, read.list) else { continue };
            let length = length.min(order.settled);
            if before[length] != NOBODY {
                edges.add(before[length], read.transaction, Kind::Wr);
            }
            match next[length] {
                NOBODY => last.push((read.transaction, Kind::Rw)),
                writer => edges.add(read.transaction, writer, Kind::Rw),
            }
        }
        if before[order.settled] != NOBODY {
            last.push((before[order.settled], Kind::Ww));
        }
        if let Some((own, _)) = order.longest.filter(|_| places == Places::AsRead && order.has_own_end()) {
            last.push((own, Kind::Ww));
        }
        last.sort_unstable();
        // A transaction that has both read and written it last counts as a writer: the graver reason.
        last.dedup_by_key(|(transaction, _)| *transaction);
        edges.all_to_all(&last, &order.unseen);
        self.orders[key as usize] = order;
    }

    /// Who is in the graph of those that the longest read shows, and of those behind what it shows for certain.
    fn settle(&self, order: &mut Order, whole: &[u32], appends: &[Append]) {
        let mut seen = rustc_hash::FxHashSet::default();
        let has_info = appends.iter().any(|append| self.transactions.row(append.transaction).outcome != Outcome::Ok);
        if has_info {
            let by_value: FxHashMap<u32, u32> =
                appends.iter().map(|append| (append.value, append.transaction)).collect();
            for (writer, element) in order.writers.iter_mut().zip(whole) {
                *writer = by_value.get(element).copied().filter(|who| self.committed(*who)).unwrap_or(NOBODY);
            }
        }
        if appends.len() > order.settled || has_info || order.writers.contains(&NOBODY) {
            seen.extend(whole[..order.settled].iter().copied());
            let unseen =
                appends.iter().filter(|append| !seen.contains(&append.value) && self.committed(append.transaction));
            order.unseen = unseen.map(|append| append.transaction).collect();
            order.unseen.dedup();
        }
    }

    /// Whether the transactions of a component have no order of the appends that nobody read. Whatever such an order adds goes
    /// along a path that is known, so that no other transactions matter; but who read a list proves what is known of it.
    fn without_order(&self, part: &[u32], required: &'static str, limits: &Limits<'_>) -> NoOrder {
        if part.len() > serial::TRANSACTIONS_MAX || (limits.out_of_time)() {
            return None;
        }
        let micros = part.iter().flat_map(|one| self.transactions.micros(*one));
        let keys: BTreeSet<u32> = micros.map(|micro| micro.key()).collect();
        let orders = || keys.iter().map(|key| (*key, &self.orders[*key as usize]));
        let mut members = part.to_vec();
        members.extend(orders().filter_map(|(_, order)| order.settled_by));
        members.sort_unstable();
        members.dedup();
        let only = self.transactions.only(&members);
        let lists = orders().map(|(key, order)| order.listed(key, self.transactions));
        let facts = serial::of_lists(&only, self.names, &members, lists)?;
        let (level, mut anomaly) = serial::refuted_of_lists(&facts, required, limits)?;
        let ends = anomaly.edges.iter_mut().flat_map(|edge| [&mut edge.from, &mut edge.to]);
        ends.chain(&mut anomaly.transactions).for_each(|one| *one = members[*one as usize]);
        anomaly.transactions.sort_unstable();
        anomaly.transactions.dedup();
        Some((level, anomaly))
    }

    /// What reads lack that they must have seen: only where a cycle with one missed read was found.
    fn missed(&self, found: &Found, limits: &Limits<'_>, findings: &mut RawFindings) {
        let classes = || found.cycles.iter().map(|cycle| cycle.class).filter(|class| class.shape == Shape::GSingle);
        if found.cut == 0 && !classes().any(|class| class.order <= Needs::Process) {
            return;
        }
        let whole = |order: &Order| order.longest.map_or(&[][..], |(_, list)| self.transactions.list(list));
        let orders = self.orders.iter().map(|order| (whole(order), &order.writers[..])).collect();
        let orders = missed::Orders::new(orders);
        if found.cut > 0 || classes().any(|class| class.order == Needs::Data) {
            missed::within_transactions(self.transactions, self.names, &orders, findings);
        }
        let committed = |transaction| self.committed(transaction);
        missed::of_causes(self.transactions, self.names, &orders, &committed, limits, findings);
    }

    fn explain_ww(&self, step: Step, key: u32) -> Option<Reason> {
        let order = &self.orders[key as usize];
        let whole = order.longest.map_or(&[][..], |(_, list)| &self.transactions.list(list)[..order.settled]);
        let at = |value: u32| whole.iter().position(|element| *element == value);
        let Some(first) = writes_of(self.transactions, step.from, key).find_map(|value| Some((value, at(value)?)))
        else {
            return self.explain_own_end(step, key);
        };
        let later = |value: &u32| at(*value).is_none_or(|position| position > first.1);
        let second = writes_of(self.transactions, step.to, key).find(later)?;
        let (from, to, list) = (self.name(step.from), self.name(step.to), self.names.key(key));
        let (one, two) = (self.names.value(first.0), self.names.value(second));
        let clause = format!("{from} appended {one} to {list} before {to} appended {two}");
        // A read that shows both is the proof; if none shows the later one, then the longest, which does not.
        Some(Reason { key, clause, witnesses: order.settled_by.into_iter().collect() })
    }

    /// A transaction that has read its own append, and another append that nobody read.
    fn explain_own_end(&self, step: Step, key: u32) -> Option<Reason> {
        let order = &self.orders[key as usize];
        let (_, list) = order.longest.filter(|(own, _)| *own == step.from && order.has_own_end())?;
        let value = writes_of(self.transactions, step.to, key).next()?;
        let (from, to, name) = (self.name(step.from), self.name(step.to), self.names.key(key));
        let (shown, value) = (self.show(list), self.names.value(value));
        let clause = format!(
            "{from} appended to {name} and read it as {shown}, so {to} appended {value} after that, or it is an update that \
             {from} has lost"
        );
        Some(Reason { key, clause, witnesses: Vec::new() })
    }

    fn explain_wr(&self, step: Step, key: u32) -> Option<Reason> {
        let lists = self.lists(step.to, key);
        let shown = |value: &u32| lists.clone().any(|list| self.transactions.list(list).contains(value));
        let value = writes_of(self.transactions, step.from, key).filter(shown).last()?;
        let (from, to, list) = (self.name(step.from), self.name(step.to), self.names.key(key));
        let clause = format!("{from} appended {} to {list}, which {to} read", self.names.value(value));
        Some(Reason { key, clause, witnesses: Vec::new() })
    }

    fn explain_rw(&self, step: Step, key: u32) -> Option<Reason> {
        for list in self.lists(step.from, key) {
            let elements = self.transactions.list(list);
            if let Some(value) = writes_of(self.transactions, step.to, key).find(|value| !elements.contains(value)) {
                let (from, to, shown) = (self.name(step.from), self.name(step.to), self.show(list));
                let (name, value) = (self.names.key(key), self.names.value(value));
                let clause = format!("{from} read {name} as {shown}, without the {value} that {to} appended");
                return Some(Reason { key, clause, witnesses: Vec::new() });
            }
        }
        None
    }

    fn lists(&self, transaction: u32, key: u32) -> impl Iterator<Item = Micro> + Clone {
        let lists = self.transactions.micros(transaction).iter().copied();
        lists.filter(move |micro| matches!(micro, Micro::List { .. }) && micro.key() == key)
    }
}

impl Explain for Analysis<'_> {
    fn explain(&self, step: Step) -> Option<Reason> {
        let mut keys = common_keys(self.transactions, step.from, step.to).into_iter();
        keys.find_map(|key| match step.kind {
            Kind::Ww => self.explain_ww(step, key),
            Kind::Wr => self.explain_wr(step, key),
            Kind::Rw => self.explain_rw(step, key),
            _ => None,
        })
    }
}

/// For each length of a prefix: who of the graph appended last within it, and who first beyond it.
fn neighbours(writers: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let known = |writer: u32, else_: u32| if writer == NOBODY { else_ } else { writer };
    let (mut before, mut next) = (vec![NOBODY], vec![NOBODY]);
    for writer in writers {
        before.push(known(*writer, before[before.len() - 1]));
    }
    for writer in writers.iter().rev() {
        next.push(known(*writer, next[next.len() - 1]));
    }
    next.reverse();
    (before, next)
}

/// The appends of one key, to be found by their value.
struct OfKey<'k> {
    key: u32,
    appends: &'k [Append],
    positions: &'k FxHashMap<u32, u32>,
}

impl OfKey<'_> {
    fn append(&self, element: u32) -> Option<&Append> {
        self.positions.get(&element).map(|at| &self.appends[*at as usize])
    }
}

fn alone(kind: &'static str, key: u32, transaction: u32, explanation: String) -> RawAnomaly {
    RawAnomaly { kind, key: Some(key), transactions: vec![transaction], explanation, ..RawAnomaly::default() }
}

fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
