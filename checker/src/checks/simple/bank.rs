//! Transfers between accounts neither create nor lose money: every read of all accounts has the same total.
//!
//! It considers the `read`s that succeeded, each a map from account to balance, as Jepsen's `bank` does under snapshot
//! isolation. The total and the accounts are known if they were said, or what the bank begins with. Otherwise the total is
//! taken to be the one that most reads have (of several, the one that was read first), and a read with another total is
//! reported together with the last one before it that has it; and accounts are whatever reads show. An account without a
//! balance, one that the bank does not have, and a balance below zero are violations by themselves, the last unless it is
//! allowed. A read is reported once. O(size of all reads).

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::checks::by_key::{Unread, by_key, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::settings::Bank as Known;
use crate::finding::{Draft, Finding};
use crate::formats::shown;
use crate::history::{Datum, Exact, History, Inexact, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that money is neither created nor lost.
pub(crate) struct Bank;

impl Check for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn about(&self) -> &'static str {
        "transfer, read {account balance ...}: every read has the same total, and no balance is below zero"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Accounts]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(80)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits, &context.settings.bank))
    }
}

/// Checks `read` of a map from account to balance; `transfer` is known and ignored.
pub(crate) fn check(records: &History, limits: &Limits<'_>, known: &Known) -> Finding {
    let keys = match by_key(records, &["read", "transfer"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let (mut finding, mut counts) = (Finding::default(), ReadCounts::default());
    for (key, ops) in &keys {
        let of_key = records.ops[ops[0]].key;
        match Ledger::new(records, key, records.initial(of_key), known) {
            Ok(mut ledger) => ledger.judge(ops, limits, &mut counts, &mut finding),
            Err(why) => {
                counts.unjudged += reads(records, ops).count() as u64;
                finding.doubt(why);
            }
        }
    }
    counts.unread.doubt(&mut finding);
    if counts.beyond > 0 {
        finding.doubt(format!("{} reads have balances that are rounded, or beyond 128 bits", counts.beyond));
    }
    if counts.reads + counts.unjudged == 0 {
        finding.doubt("no read succeeded");
    }
    finding.headline = match counts.unjudged {
        0 => format!("bank: {} reads, {} of which are wrong", counts.reads, finding.violations),
        not => format!(
            "bank: {} reads judged, {} of which are wrong, and {not} not judged",
            counts.reads, finding.violations
        ),
    };
    finding.figure("reads", (counts.reads + counts.unjudged) as f64);
    finding.figure("reads_wrong", finding.violations as f64);
    finding.figure("reads_below_zero", counts.below_zero as f64);
    finding
}

/// The reads that succeeded.
fn reads<'a>(records: &'a History, ops: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    ops.iter().copied().filter(|at| records.ops[*at].is_ok() && is(records, &records.ops[*at], "read"))
}

#[derive(Default)]
struct ReadCounts {
    /// Those of banks of which it is known what they begin with, and of the others.
    reads: u64,
    unjudged: u64,
    below_zero: u64,
    unread: Unread,
    /// Reads whose total is not known exactly.
    beyond: u64,
}

/// What is known of one bank.
struct Ledger<'a> {
    records: &'a History,
    key: &'a str,
    /// The names of its accounts, if they are known.
    accounts: Option<BTreeSet<String>>,
    total: Option<Exact>,
    negative_balances: bool,
    /// Accounts that were looked up.
    has: FxHashMap<ValueId, bool>,
}

/// What a read shows.
struct Shown {
    at: usize,
    total: Exact,
    below_zero: Option<[ValueId; 2]>,
}

/// Why it is not known what a read shows.
enum Unshown {
    /// It is wrong by itself: the kind of anomaly, and the explanation.
    Wrong(&'static str, String),
    /// Its total is not known exactly.
    Beyond,
}

/// Why balances have no sum.
enum NoSum {
    /// The balance of this account is no number.
    NoBalance([ValueId; 2]),
    /// It is not known exactly.
    Beyond,
}

impl<'a> Ledger<'a> {
    fn new(records: &'a History, key: &'a str, initial: ValueId, known: &Known) -> Result<Self, String> {
        let (mut accounts, mut total) = (None, None);
        match records.datum(initial) {
            Datum::Nil => {}
            Datum::Map(entries) => {
                accounts = Some(entries.iter().map(|[account, _]| records.notation(*account)).collect());
                total = Some(sum(records, entries).map_err(|_| no_start(records, initial))?.0);
            }
            _ => return Err(no_start(records, initial)),
        }
        let said = known.accounts.as_ref().map(|accounts| accounts.iter().map(shown).collect());
        let (accounts, total) = (said.or(accounts), known.total.map(Exact::from).or(total));
        let negative_balances = known.negative_balances;
        Ok(Self { records, key, accounts, total, negative_balances, has: FxHashMap::default() })
    }

    fn judge(&mut self, ops: &[usize], limits: &Limits<'_>, counts: &mut ReadCounts, finding: &mut Finding) {
        let records = self.records;
        let mut all: Vec<Shown> = Vec::new();
        for at in reads(records, ops) {
            counts.reads += 1;
            if counts.unread.is(records, &records.ops[at]) {
                continue;
            }
            match self.shown(at) {
                Ok(read) => {
                    counts.below_zero += u64::from(read.below_zero.is_some());
                    all.push(read);
                }
                Err(Unshown::Beyond) => counts.beyond += 1,
                Err(Unshown::Wrong(kind, explanation)) => self.violated(kind, explanation, &[at], limits, finding),
            }
        }
        let usual = match self.total {
            Some(total) => Some(total),
            None => usual(&all),
        };
        // The nearest read of the usual total: the last one before, or the first of all.
        let is_usual = |read: &&Shown| self.total.is_none() && Some(read.total) == usual;
        let mut example = all.iter().find(is_usual).map(|read| read.at);
        for read in &all {
            example = Some(read).filter(is_usual).map(|read| read.at).or(example);
            match (usual, read.below_zero.filter(|_| !self.negative_balances)) {
                (Some(total), _) if total != read.total => {
                    self.differs(read, (total, example), limits, finding);
                }
                (_, Some([account, balance])) => {
                    let (process, account) = (records.process_of(read.at), records.show(account));
                    let (balance, of) = (records.show(balance), of(self.key));
                    let explanation = format!(
                        "Process {process} read the account {account}{of} with a balance of {balance}, below zero."
                    );
                    self.violated("negative-balance", explanation, &[read.at], limits, finding);
                }
                _ => {}
            }
        }
    }

    /// The balances of a read.
    fn shown(&mut self, at: usize) -> Result<Shown, Unshown> {
        let (records, process) = (self.records, self.records.process_of(at));
        let Datum::Map(entries) = records.datum(records.ops[at].result) else {
            let value = records.show(records.ops[at].result);
            let explanation = format!("Process {process} read {value}, which is no map from account to balance.");
            return Err(Unshown::Wrong("no-balance", explanation));
        };
        if let Some([account, _]) = entries.iter().find(|[account, _]| !self.has(*account)) {
            let (account, of) = (records.show(*account), of(self.key));
            let explanation =
                format!("Process {process} read the account {account}{of}, which the bank does not have.");
            return Err(Unshown::Wrong("unexpected-account", explanation));
        }
        let (total, below_zero) = sum(records, entries).map_err(|problem| match problem {
            NoSum::Beyond => Unshown::Beyond,
            NoSum::NoBalance([account, balance]) => {
                let (account, balance) = (records.show(account), records.show(balance));
                let explanation = format!("Process {process} read the account {account} with the balance {balance}.");
                Unshown::Wrong("no-balance", explanation)
            }
        })?;
        Ok(Shown { at, total, below_zero })
    }

    /// Whether the bank has an account, as far as its accounts are known.
    fn has(&mut self, account: ValueId) -> bool {
        let Some(accounts) = &self.accounts else { return true };
        *self.has.entry(account).or_insert_with(|| accounts.contains(&self.records.notation(account)))
    }

    fn differs(
        &self,
        read: &Shown,
        (usual, example): (Exact, Option<usize>),
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        let (one, total, of) = (self.records.process_of(read.at), read.total, of(self.key));
        let other = match example.map(|example| self.records.process_of(example)) {
            Some(other) => format!("while process {other} read one of {usual}"),
            None => format!("though all balances come to {usual}"),
        };
        let explanation = format!("Process {one} read a total{of} of {total}, {other}.");
        let ops: Vec<usize> = [read.at].into_iter().chain(example).collect();
        self.violated("wrong-total", explanation, &ops, limits, finding);
    }

    fn violated(
        &self,
        kind: &'static str,
        explanation: String,
        ops: &[usize],
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        finding.violated(limits, || Draft::at(self.records, kind, self.key, ops.iter().copied(), explanation));
    }
}

fn no_start(records: &History, initial: ValueId) -> String {
    format!("a bank cannot begin with {}: a map from account to balance belongs there", records.show(initial))
}

/// The sum of balances, and an account whose balance is below zero.
fn sum(records: &History, entries: &[[ValueId; 2]]) -> Result<(Exact, Option<[ValueId; 2]>), NoSum> {
    let balances: Vec<Result<Exact, Inexact>> = entries.iter().map(|[_, balance]| records.exact(*balance)).collect();
    if let Some(at) = balances.iter().position(|balance| *balance == Err(Inexact::NoNumber)) {
        return Err(NoSum::NoBalance(entries[at]));
    }
    let (mut sum, mut below_zero) = (Exact::from(0), None);
    for (entry, balance) in entries.iter().zip(balances) {
        let balance = balance.map_err(|_| NoSum::Beyond)?;
        sum = sum.plus(balance).ok_or(NoSum::Beyond)?;
        below_zero = below_zero.or(Some(*entry).filter(|_| balance.is_negative()));
    }
    Ok((sum, below_zero))
}

/// The total that most reads have; of several, the one that was read first.
fn usual(all: &[Shown]) -> Option<Exact> {
    let mut counts: BTreeMap<Exact, (u64, usize)> = BTreeMap::new();
    for read in all {
        counts.entry(read.total).or_insert((0, read.at)).0 += 1;
    }
    let most = counts.iter().max_by_key(|(_, (count, first))| (*count, usize::MAX - first));
    most.map(|(total, _)| *total)
}
