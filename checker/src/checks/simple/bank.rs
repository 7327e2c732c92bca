//! Transfers between accounts neither create nor lose money: every read of all accounts has the same total.
//!
//! It considers the `read`s that succeeded, each a map from account to balance, as Jepsen's `bank` does under snapshot
//! isolation. The correct total is not in the history, so it is taken to be the one that most reads have (of several,
//! the one that was read first). A read with another total is reported together with one that has it. An account
//! without a balance is a violation by itself. Balances below zero are only counted, since the bank may allow them.
//! O(size of all reads).

use std::collections::BTreeMap;

use crate::checks::by_key::{by_key, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding, Proof};
use crate::history::{Datum, History};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that money is neither created nor lost.
pub(crate) struct Bank;

impl Check for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn about(&self) -> &'static str {
        "transfer, read {account balance ...}: every read has the same total"
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
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `read` of a map from account to balance; `transfer` is known and ignored.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let keys = match by_key(records, &["read", "transfer"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let (mut finding, mut reads, mut negative) = (Finding::default(), 0u64, 0u64);
    for (key, ops) in &keys {
        let mut totals: Vec<(usize, i128)> = Vec::new();
        for &at in ops.iter().filter(|at| records.ops[**at].is_ok() && is(records, &records.ops[**at], "read")) {
            reads += 1;
            match total(records, at) {
                Ok((total, below_zero)) => {
                    totals.push((at, total));
                    negative += u64::from(below_zero);
                }
                Err(problem) => finding.violated(limits, || Draft {
                    kind: "no-balance",
                    key,
                    process: None,
                    explanation: problem,
                    proof: Proof::at(records, [at]),
                }),
            }
        }
        differing(records, key, &totals, limits, &mut finding);
    }
    if reads == 0 {
        finding.doubt("no read succeeded");
    }
    finding.headline = format!("bank: {reads} reads, {} with a wrong total or none", finding.violations);
    finding.figure("reads", reads as f64);
    finding.figure("reads_wrong", finding.violations as f64);
    finding.figure("reads_below_zero", negative as f64);
    finding
}

/// The sum of a read's balances, and whether one is below zero.
fn total(records: &History, at: usize) -> Result<(i128, bool), String> {
    let op = &records.ops[at];
    let Datum::Map(entries) = records.datum(op.result) else {
        let value = records.show(op.result);
        return Err(format!("Process {} read {value}, which is no map from account to balance.", op.process));
    };
    let (mut sum, mut below_zero) = (0i128, false);
    for [account, balance] in entries {
        let Datum::Int(amount) = records.datum(*balance) else {
            let (account, balance) = (records.show(*account), records.show(*balance));
            return Err(format!("Process {} read the account {account} with the balance {balance}.", op.process));
        };
        sum += i128::from(amount);
        below_zero |= amount < 0;
    }
    Ok((sum, below_zero))
}

fn differing(records: &History, key: &str, totals: &[(usize, i128)], limits: &Limits<'_>, finding: &mut Finding) {
    let mut counts: BTreeMap<i128, (u64, usize)> = BTreeMap::new();
    for (at, total) in totals {
        counts.entry(*total).or_insert((0, *at)).0 += 1;
    }
    let most = counts.iter().max_by_key(|(_, (count, first))| (*count, usize::MAX - first));
    let Some((usual, (_, example))) = most else { return };
    for (at, total) in totals.iter().filter(|(_, total)| total != usual) {
        finding.violated(limits, || {
            let (one, other) = (records.ops[*at].process, records.ops[*example].process);
            let explanation =
                format!("Process {one} read a total{} of {total}, while process {other} read one of {usual}.", of(key));
            let proof = Proof::at(records, [*at, *example]);
            Draft { kind: "wrong-total", key, process: None, explanation, proof }
        });
    }
}
