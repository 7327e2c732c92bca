//! Lists: appends that a reader must have seen, and that its reads lack.
//!
//! A read of a list shows who appended to it before, every one of them. Whoever is shown in one list and appended to another
//! one that the reader reads, too, has to be shown there: at once for read atomic ([`FRACTURED`], Bailis et al., SIGMOD 2014),
//! in later reads for monotonic atomic view ([`VANISHES`], VLDB 2014). With the order of sessions the reader must also have
//! seen what its own process appended before ([`OWN`]), and for causality all that happened before it ([`CAUSE`]): what its
//! process did, what that was shown, and what happened before those.
//!
//! All of these are cycles with one missed read, so they are only sought where such a cycle was found. Time: linear in the
//! elements read times the micro-operations of a transaction; for causality times sessions ([`super::causality`]).

use rustc_hash::FxHashMap;

use super::causality::{Causality, ReadFrom, Sessions};
use super::findings::{RawAnomaly, RawFindings, name};
use super::input::{Micro, Names, Outcome, Transactions};
use super::saturation;
use crate::limits::Limits;

/// Somebody who is shown in one list is lacking in another one of the same transaction.
pub(super) const FRACTURED: &str = "fractured-read";
/// The same, in a later read.
pub(super) const VANISHES: &str = "observed-transaction-vanishes";
/// What the process of the reader appended before is lacking.
pub(crate) const OWN: &str = "missed-own-write";
/// What happened before the reader is lacking.
pub(super) const CAUSE: &str = "missed-cause";

/// The version order of every list.
pub(super) struct Orders<'o> {
    /// By key: the longest read, and who appended each of its elements; [`NOBODY`] if that is not known to have committed.
    pub of_key: Vec<(&'o [u32], &'o [u32])>,
    /// By transaction and key: the position of its first element there.
    positions: FxHashMap<(u32, u32), u32>,
}

/// Not known to have committed.
pub(super) const NOBODY: u32 = u32::MAX;

impl<'o> Orders<'o> {
    pub(super) fn new(of_key: Vec<(&'o [u32], &'o [u32])>) -> Self {
        let mut positions = FxHashMap::default();
        for ((_, writers), key) in of_key.iter().zip(0..) {
            for (writer, at) in writers.iter().zip(0..).filter(|(writer, _)| **writer != NOBODY) {
                positions.entry((*writer, key)).or_insert(at);
            }
        }
        Self { of_key, positions }
    }

    /// Whether a list of this length lacks all that a transaction appended: nobody read it, or only a longer list shows it.
    /// (A list that shows a part is an intermediate read.)
    fn lacks(&self, key: u32, length: usize, writer: u32) -> bool {
        self.positions.get(&(writer, key)).is_none_or(|at| *at as usize >= length)
    }
}

/// A read of a list that is a prefix of the longest.
#[derive(Clone, Copy)]
struct Shown<'o> {
    key: u32,
    writers: &'o [u32],
}

/// Adds what the reads of each transaction lack of what it has itself seen.
pub(super) fn within_transactions(
    transactions: &Transactions,
    names: &dyn Names,
    orders: &Orders<'_>,
    findings: &mut RawFindings,
) {
    let mut reads: Vec<Shown<'_>> = Vec::new();
    for reader in readers(transactions) {
        shown(transactions, orders, reader, &mut reads);
        let mut torn: Option<Lack> = None;
        for at in 0..reads.len() {
            let here = lacking(transactions, orders, reader, &reads, at);
            torn = here.filter(|lack| lack.is_later).or(torn).or(here);
            if torn.is_some_and(|lack| lack.is_later) {
                break;
            }
        }
        let Some(lack) = torn else { continue };
        let kind = if lack.is_later { VANISHES } else { FRACTURED };
        findings.add(kind, || lack.explain(kind, reader, transactions, names));
    }
}

fn readers(transactions: &Transactions) -> impl Iterator<Item = u32> {
    (0..transactions.len() as u32).filter(|at| transactions.row(*at).outcome == Outcome::Ok)
}

/// The reads of a transaction that are prefixes of the longest, in its order.
fn shown<'o>(transactions: &Transactions, orders: &Orders<'o>, reader: u32, reads: &mut Vec<Shown<'o>>) {
    reads.clear();
    for micro in transactions.micros(reader).iter().filter(|micro| matches!(micro, Micro::List { .. })) {
        let (whole, writers) = orders.of_key[micro.key() as usize];
        if let Some(length) = transactions.shown_of(whole, reader, *micro) {
            reads.push(Shown { key: micro.key(), writers: &writers[..length] });
        }
    }
}

/// Somebody seen in one list and lacking in another.
#[derive(Clone, Copy)]
struct Lack {
    writer: u32,
    seen_in: u32,
    lacking_in: u32,
    /// Whether the list that lacks it was read after the one that shows it.
    is_later: bool,
}

/// Whoever is shown by one of the reads and is lacking in another, if there is one; a later one by preference.
fn lacking(
    transactions: &Transactions,
    orders: &Orders<'_>,
    reader: u32,
    reads: &[Shown<'_>],
    at: usize,
) -> Option<Lack> {
    let seen_in = reads[at].key;
    let mut earlier = None;
    let mut last = NOBODY;
    for writer in reads[at].writers.iter().copied().filter(|writer| ![reader, NOBODY].contains(writer)) {
        if std::mem::replace(&mut last, writer) == writer {
            continue;
        }
        for micro in transactions.micros(writer).iter().filter(|micro| micro.written().is_some()) {
            let lacking_in = micro.key();
            let lacks =
                |other: &Shown<'_>| other.key == lacking_in && orders.lacks(lacking_in, other.writers.len(), writer);
            let lack = |is_later| Lack { writer, seen_in, lacking_in, is_later };
            if reads[at + 1..].iter().any(lacks) {
                return Some(lack(true));
            }
            // Of the same list more may be seen later.
            if earlier.is_none() && lacking_in != seen_in && reads[..at].iter().any(lacks) {
                earlier = Some(lack(false));
            }
        }
    }
    earlier
}

impl Lack {
    fn explain(self, kind: &'static str, reader: u32, transactions: &Transactions, names: &dyn Names) -> RawAnomaly {
        let [reading, writing] = [reader, self.writer].map(|who| name(transactions, names, who));
        let [seen, lacking] = [self.seen_in, self.lacking_in].map(|key| names.key(key));
        let later = if self.is_later { "then read" } else { "read" };
        RawAnomaly {
            kind,
            key: Some(self.lacking_in),
            transactions: vec![self.writer, reader],
            explanation: format!(
                "{reading} saw in {seen} what {writing} appended there, and {later} {lacking} without what {writing} appended \
                 to that."
            ),
            ..RawAnomaly::default()
        }
    }
}

/// Adds what reads lack of what happened before them.
pub(super) fn of_causes(
    transactions: &Transactions,
    names: &dyn Names,
    orders: &Orders<'_>,
    committed: &dyn Fn(u32) -> bool,
    limits: &Limits<'_>,
    findings: &mut RawFindings,
) {
    let causality = causality(transactions, orders, committed);
    if causality.clock_bytes() > limits.memory_bytes {
        let (count, sessions) = (transactions.len(), causality.sessions());
        let why = format!(
            "{count} transactions in {sessions} sessions need more memory than {} MiB",
            limits.memory_bytes >> 20
        );
        findings.doubts_of.push(("causal", why));
        return;
    }
    // If somebody comes before himself, the dependencies report that.
    let Some(clocks) = causality.clocks() else { return };
    let mut reads: Vec<Shown<'_>> = Vec::new();
    for reader in readers(transactions) {
        shown(transactions, orders, reader, &mut reads);
        let clock = clocks.of(reader);
        let (own, _) = causality.place(reader);
        let missed = reads.iter().flat_map(|read| {
            let latest = causality.latest(read.key, move |session| clock[session as usize]);
            let lacking =
                latest.filter(move |writer| *writer != reader && orders.lacks(read.key, read.writers.len(), *writer));
            lacking.map(move |writer| (writer, read.key))
        });
        // What the own process did needs no other proof.
        let missed = missed.min_by_key(|(writer, _)| causality.place(*writer).0 != own);
        let Some((writer, key)) = missed else { continue };
        let is_own = causality.place(writer).0 == own;
        let kind = if is_own { OWN } else { CAUSE };
        findings.add(kind, || {
            let path = saturation::path(&causality, writer, reader);
            let [reading, writing] = [reader, writer].map(|who| name(transactions, names, who));
            let steps: Vec<String> = path.iter().map(|who| name(transactions, names, *who)).collect();
            let (list, known) = (names.key(key), steps.join(", "));
            let explanation = match is_own {
                true => format!("{reading} read {list} without what {writing}, earlier in its session, appended to it."),
                false => format!(
                    "{reading} read {list} without what {writing} appended to it, though that happened before: {known}, each \
                     seen by the next or before it in its session."
                ),
            };
            RawAnomaly { kind, key: Some(key), transactions: path, explanation, ..RawAnomaly::default() }
        });
    }
}

/// Who was shown to whom. What an earlier read of the same session showed it need not show again.
fn causality(transactions: &Transactions, orders: &Orders<'_>, committed: &dyn Fn(u32) -> bool) -> Causality {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let mut known: FxHashMap<(u32, u32), usize> = FxHashMap::default();
    let mut lists: Vec<Shown<'_>> = Vec::new();
    for reader in (0..transactions.len() as u32).filter(|at| committed(*at)) {
        shown(transactions, orders, reader, &mut lists);
        for list in &lists {
            let before = known.entry((transactions.row(reader).process, list.key)).or_default();
            let news = list.writers.get(*before..).unwrap_or_default();
            let sources = news.iter().copied().filter(|source| ![reader, NOBODY].contains(source));
            reads.extend(sources.map(|source| (reader, ReadFrom { key: list.key, source })));
            *before = list.writers.len().max(*before);
        }
        let written = transactions.micros(reader).iter().filter(|micro| micro.written().is_some());
        writes.extend(written.map(|micro| (reader, micro.key())));
    }
    writes.sort_unstable_by_key(|(transaction, key)| (*key, *transaction));
    writes.dedup();
    Causality::new(transactions, Sessions::Processes, committed, &reads, &writes)
}
