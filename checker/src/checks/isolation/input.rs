//! Transactions in a compact form: what every check of this folder reads.
//!
//! A transaction is a row; its micro-operations lie one after the other in one array, the elements of lists that were
//! read in another. Keys are numbered from 0, values are interned numbers: equal numbers, equal values. A million
//! transactions of 2.5 micro-operations take about 60 MB, and 4 bytes for each element of a list read.
//!
//! Of a transaction that failed only the writes are kept, to recognise them if they are read. Of one whose outcome is
//! unknown also only the writes are kept: what it read is not known.

use std::collections::BTreeMap;

/// The value of a register that nobody wrote.
pub(crate) const NIL: u32 = 0;

/// Event index of a completion that never came.
pub(crate) const NEVER: u32 = u32::MAX;

/// The outcome of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It committed.
    Ok,
    /// It is unknown.
    Info,
    /// It certainly did not happen.
    Fail,
}

impl Outcome {
    /// Whether it committed, given whether somebody observed what it did.
    pub(crate) fn committed(self, observed: bool) -> bool {
        match self {
            Self::Ok => true,
            Self::Info => observed,
            Self::Fail => false,
        }
    }
}

/// A micro-operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Micro {
    /// Adds an element at the end of a list.
    Append {
        /// The list.
        key: u32,
        /// The element, unique for the key.
        value: u32,
    },
    /// Replaces the value of a register.
    Write {
        /// The register.
        key: u32,
        /// The value, unique for the key.
        value: u32,
    },
    /// Shows the value of a register; [`NIL`] if there is none.
    Read {
        /// The register.
        key: u32,
        /// What was read.
        value: u32,
    },
    /// Shows a whole list; its elements are [`Transactions::list`].
    List {
        /// The list.
        key: u32,
        /// Where its elements begin.
        at: u32,
        /// How many there are.
        length: u32,
    },
}

impl Micro {
    /// The key it is about.
    pub(crate) fn key(self) -> u32 {
        match self {
            Micro::Append { key, .. }
            | Micro::Write { key, .. }
            | Micro::Read { key, .. }
            | Micro::List { key, .. } => key,
        }
    }

    /// What it writes or appends.
    pub(crate) fn written(self) -> Option<u32> {
        match self {
            Micro::Append { value, .. } | Micro::Write { value, .. } => Some(value),
            Micro::Read { .. } | Micro::List { .. } => None,
        }
    }
}

/// One transaction, without its micro-operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transaction {
    /// The client process.
    pub process: u32,
    /// Its outcome.
    pub outcome: Outcome,
    /// Event index of the invocation.
    pub call: u32,
    /// Event index of the completion; [`NEVER`] if there is none, or if the outcome is unknown.
    pub ret: u32,
    first: u32,
}

/// The transactions of a history, in the order of their invocations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    rows: Vec<Transaction>,
    micros: Vec<Micro>,
    elements: Vec<u32>,
    keys: usize,
    /// Reads of registers that showed several values at once, by key: transaction and values.
    siblings: BTreeMap<u32, Vec<(u32, Vec<u32>)>>,
    /// The elements that lists begin with, by key.
    at_first: BTreeMap<u32, Vec<u32>>,
}

/// How keys and values are named in explanations.
pub(crate) trait Names {
    /// What a key is called in a sentence.
    fn key(&self, key: u32) -> String;
    /// Its name, which is empty for the one register of a history without keys.
    fn key_alone(&self, key: u32) -> String {
        self.key(key)
    }
    /// A value as the history has it.
    fn value(&self, value: u32) -> String;
    /// What a process is called.
    fn process(&self, process: u32) -> String {
        process.to_string()
    }
    /// What [`NIL`] stands for: what a register begins with.
    fn initial(&self, _key: u32) -> String {
        "nil".to_owned()
    }
    /// The history's own index of an event.
    fn event(&self, position: u32) -> u64 {
        u64::from(position)
    }
}

/// Keys and values are named by their numbers.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers;

#[cfg(test)]
impl Names for Numbers {
    fn key(&self, key: u32) -> String {
        key.to_string()
    }
    fn value(&self, value: u32) -> String {
        value.to_string()
    }
}

/// Whether an element of the end of a list is twice in the list.
fn repeats(before: &[u32], end: &[u32]) -> bool {
    let mut sorted = end.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
        || before.iter().any(|element| sorted.binary_search(element).is_ok())
}

impl Transactions {
    /// None yet, with room for so many transactions, micro-operations and elements of lists.
    pub(crate) fn with_capacity(rows: usize, micros: usize, elements: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows),
            micros: Vec::with_capacity(micros),
            elements: Vec::with_capacity(elements),
            ..Self::default()
        }
    }

    /// Begins a transaction; what is pushed next belongs to it. Invocations must come in ascending order.
    pub(crate) fn begin(&mut self, process: u32, outcome: Outcome, call: u32, ret: u32) {
        let ret = if outcome == Outcome::Ok { ret } else { NEVER };
        self.rows.push(Transaction { process, outcome, call, ret, first: self.micros.len() as u32 });
    }

    /// Adds an append to the last transaction.
    pub(crate) fn append(&mut self, key: u32, value: u32) {
        self.push(Micro::Append { key, value });
    }

    /// Adds a write of a register to the last transaction.
    pub(crate) fn write(&mut self, key: u32, value: u32) {
        self.push(Micro::Write { key, value });
    }

    /// Adds a read of a register to the last transaction; passed over unless it committed.
    pub(crate) fn read(&mut self, key: u32, value: u32) {
        if self.committed_last() {
            self.push(Micro::Read { key, value });
        }
    }

    /// Adds a read of a register that showed several values at once; passed over unless it committed.
    pub(crate) fn read_siblings(&mut self, key: u32, values: Vec<u32>) {
        if self.committed_last() {
            self.keys = self.keys.max(key as usize + 1);
            self.siblings.entry(key).or_default().push((self.rows.len() as u32 - 1, values));
        }
    }

    /// The reads of a register that showed several values at once: transaction and values, in order.
    pub(crate) fn siblings(&self, key: u32) -> impl Iterator<Item = (u32, &[u32])> {
        let of_key = self.siblings.get(&key).into_iter().flatten();
        of_key.map(|(transaction, values)| (*transaction, values.as_slice()))
    }

    /// Says what a list begins with.
    pub(crate) fn begin_list(&mut self, key: u32, elements: Vec<u32>) {
        self.at_first.insert(key, elements);
    }

    /// The elements that a list begins with, which every read of it has to show first.
    pub(crate) fn at_first(&self, key: u32) -> &[u32] {
        self.at_first.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Adds a read of a list to the last transaction; passed over unless it committed.
    pub(crate) fn read_list(&mut self, key: u32, elements: impl IntoIterator<Item = u32>) {
        if self.committed_last() {
            let at = self.elements.len() as u32;
            self.elements.extend(elements);
            let length = self.elements.len() as u32 - at;
            self.push(Micro::List { key, at, length });
        }
    }

    fn committed_last(&self) -> bool {
        self.rows.last().is_some_and(|row| row.outcome == Outcome::Ok)
    }

    fn push(&mut self, micro: Micro) {
        self.keys = self.keys.max(micro.key() as usize + 1);
        self.micros.push(micro);
    }

    /// How many transactions there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many keys there are: they are numbered from 0.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// A transaction by its position.
    pub(crate) fn row(&self, transaction: u32) -> &Transaction {
        &self.rows[transaction as usize]
    }

    /// All transactions.
    pub(crate) fn rows(&self) -> &[Transaction] {
        &self.rows
    }

    /// The micro-operations of a transaction.
    pub(crate) fn micros(&self, transaction: u32) -> &[Micro] {
        let at = transaction as usize;
        let end = self.rows.get(at + 1).map_or(self.micros.len(), |next| next.first as usize);
        &self.micros[self.rows[at].first as usize..end]
    }

    /// How many micro-operations the transactions before this one have.
    pub(crate) fn micros_before(&self, transaction: u32) -> usize {
        self.rows[transaction as usize].first as usize
    }

    /// Every micro-operation with its transaction, in order.
    pub(crate) fn all_micros(&self) -> impl Iterator<Item = (u32, Micro)> {
        (0..self.rows.len() as u32).flat_map(|row| self.micros(row).iter().map(move |micro| (row, *micro)))
    }

    /// The elements of a list that was read; empty for anything else.
    pub(crate) fn list(&self, micro: Micro) -> &[u32] {
        match micro {
            Micro::List { at, length, .. } => &self.elements[at as usize..(at + length) as usize],
            _ => &[],
        }
    }

    /// How much of the version order of a list a read shows: all of it, or what is before the appends of its own transaction at
    /// its end, if these stand elsewhere in that order. None if it contradicts the order.
    pub(crate) fn shown_of(&self, whole: &[u32], reader: u32, list: Micro) -> Option<usize> {
        let elements = self.list(list);
        if whole.starts_with(elements) {
            return Some(elements.len());
        }
        let own = |element: &&u32| {
            let appended = Micro::Append { key: list.key(), value: **element };
            self.micros(reader).contains(&appended)
        };
        let others = elements.len() - elements.iter().rev().take_while(own).count();
        let (before, appended) = elements.split_at(others);
        (!appended.is_empty() && whole.starts_with(before) && !repeats(before, appended)).then_some(others)
    }

    /// Micro-operations and elements, for an estimate of what a check needs.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.micros.len(), self.elements.len())
    }

    /// The transactions at these positions alone, in ascending order: the history that proves an explanation.
    pub(crate) fn only(&self, chosen: &[u32]) -> Transactions {
        let mut part = Transactions { keys: self.keys, at_first: self.at_first.clone(), ..Transactions::default() };
        for at in chosen {
            let row = self.row(*at);
            part.begin(row.process, row.outcome, row.call, row.ret);
            for micro in self.micros(*at) {
                match *micro {
                    Micro::List { key, .. } => part.read_list(key, self.list(*micro).iter().copied()),
                    other => part.push(other),
                }
            }
        }
        for (key, reads) in &self.siblings {
            let kept =
                reads.iter().filter_map(|(at, values)| Some((chosen.binary_search(at).ok()? as u32, values.clone())));
            part.siblings.insert(*key, kept.collect());
        }
        part
    }
}
