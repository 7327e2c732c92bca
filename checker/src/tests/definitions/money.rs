//! - `bank`: each read is a map from account to number, of accounts that the bank has, none below zero (unless that is allowed);
//!   its balances come to the total, and where nobody said what that is, to that of every other read.
//! - `accounts`: some order that real time allows explains every read, from some balances at first. A read
//!   shows every account, and so those of every transfer before it.

use std::collections::BTreeMap;

use super::draw::{Call, Done, call, history, shape};
use super::orders::has_order;
use super::term::Term::{self, List, Map, Name, Nil, Number, Thing};
use super::{Case, Says, agree};
use crate::checks::settings::{Bank, Settings};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

type Balances = BTreeMap<u64, i64>;

fn shown(balances: &Balances) -> Term {
    Map(balances.iter().map(|(account, balance)| (Thing(*account), Number(*balance))).collect())
}

/// Moves money, below zero only if that is allowed.
fn transfer(balances: &mut Balances, argument: &Term, negative: bool) -> bool {
    let field = |name| argument.field(&Name(name)).cloned().unwrap_or(Nil);
    let (Thing(from), Thing(to), Number(amount)) = (field("from"), field("to"), field("amount")) else { return false };
    if !negative && balances[&from] < amount {
        return false;
    }
    *balances.entry(from).or_default() -= amount;
    *balances.entry(to).or_default() += amount;
    true
}

fn moved(random: &mut Random) -> Term {
    let [from, to] = [Thing(random.below(3)), Thing(random.below(3))];
    let amount = Number(random.below(5) as i64);
    Map(vec![(Name("from"), from), (Name("to"), to), (Name("amount"), amount)])
}

/// A history of banks of three accounts; some reads are spoiled.
fn transfers(
    random: &mut Random,
    keys: u64,
    negative: bool,
    spoil: impl Fn(&mut Random, &mut Balances) -> Option<Term>,
) -> Vec<Done> {
    let (shape, balances) = (shape(random, 9), Balances::from([(0, 5), (1, 3), (2, 0)]));
    let ask = |random: &mut Random, _| {
        let key = (keys > 1).then(|| random.below(keys));
        if random.one_in(2) {
            Call { key, ..call("transfer", moved(random)) }
        } else {
            Call { key, ..call("read", Nil) }
        }
    };
    let worlds = vec![balances; keys as usize];
    history(random, &shape, worlds, ask, |random, worlds, done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        match done.f {
            "transfer" if transfer(world, &done.argument, negative) => (Ok, done.argument.clone()),
            "transfer" => (Fail, done.argument.clone()),
            _ => {
                let mut seen = world.clone();
                let spoilt = spoil(random, &mut seen);
                (Ok, spoilt.unwrap_or_else(|| shown(&seen)))
            }
        }
    })
}

fn spoiled(random: &mut Random, seen: &mut Balances) -> Option<Term> {
    let account = random.below(3);
    let with = |seen: &Balances, account, balance: Term| {
        let Map(mut entries) = shown(seen) else { return Nil };
        entries.retain(|(known, _)| *known != Thing(account));
        entries.push((Thing(account), balance));
        Map(entries)
    };
    match random.below(60) {
        0 => return Some(Nil),
        1 => return Some(List(vec![Number(8)])),
        2 => return Some(with(seen, account, Nil)),
        3 => return Some(with(seen, 3, Number(0))),
        4 => drop(seen.remove(&account)),
        5 => *seen.entry(account).or_default() += 1,
        6 => {
            *seen.entry(0).or_default() -= 6;
            *seen.entry(1).or_default() += 6;
        }
        _ => {}
    }
    None
}

fn bank_case(random: &mut Random) -> Case {
    let negative_balances = random.one_in(2);
    let goes_below = negative_balances && random.one_in(2);
    let done = transfers(random, 2, goes_below, spoiled);
    let total = [None, None, None, Some(8), Some(8), Some(9)][random.below(6) as usize];
    let accounts = [None, None, Some(3), Some(4), Some(2)][random.below(5) as usize];
    let initial = match random.below(4) {
        0 => vec![(None, shown(&Balances::from([(0, 5), (1, 3), (2, 0)])))],
        1 => vec![(Some(1), shown(&Balances::from([(0, 5), (1, 3), (2, 0), (3, 0)])))],
        _ => Vec::new(),
    };
    let settings = Settings { bank: Bank { accounts: None, total, negative_balances }, ..Settings::default() };
    Case { done, initial, settings, accounts: accounts.map(|count| (0..count).map(Thing).collect()) }
}

/// The total of a read, if there is nothing wrong with it by itself.
fn total(result: &Term, accounts: Option<&[Term]>, negative: bool) -> Option<i64> {
    let Map(entries) = result else { return None };
    let mut total = 0;
    for (account, balance) in entries {
        let is_known = accounts.is_none_or(|accounts| accounts.contains(account));
        let balance = balance.number().filter(|balance| is_known && (negative || *balance >= 0))?;
        total += balance;
    }
    Some(total)
}

fn money_stays(case: &Case) -> Says {
    let bank = &case.settings.bank;
    let (mut wrong, mut unread, mut reads) = (false, false, 0);
    for (key, of_key) in case.by_key() {
        let initial = case.initial(key);
        let at_first: Option<Vec<Term>> = initial.map(|initial| match initial {
            Map(entries) => entries.iter().map(|(account, _)| account.clone()).collect(),
            _ => Vec::new(),
        });
        let accounts = case.accounts.as_deref().or(at_first.as_deref());
        let known = bank.total.map(|total| total as i64).or(initial.and_then(|initial| total(initial, None, true)));
        let results = of_key.iter().filter(|done| done.f == "read" && done.is_ok()).map(|done| &done.result);
        unread |= results.clone().any(|result| *result == Nil);
        let results = results.filter(|result| **result != Nil);
        let totals: Vec<Option<i64>> = results.map(|result| total(result, accounts, bank.negative_balances)).collect();
        reads += totals.len();
        wrong |= totals
            .iter()
            .any(|total| total.is_none() || *total != totals[0] || known.is_some_and(|known| *total != Some(known)));
    }
    if wrong || (reads > 0 && !unread) { Says::violated_if(wrong) } else { Says::Open }
}

#[test]
fn bank() {
    agree("bank", 200, bank_case, money_stays);
}

fn accounts_case(random: &mut Random) -> Case {
    let spoil = |random: &mut Random, seen: &mut Balances| {
        if random.one_in(30) {
            seen.remove(&random.below(3));
        }
        if random.one_in(20) {
            *seen.entry(random.below(3)).or_default() += 1;
        }
        None
    };
    let negative = random.one_in(2);
    let done = transfers(random, 1, negative, spoil);
    let initial = match random.below(3) {
        0 => vec![(None, shown(&Balances::from([(0, 5), (1, 3), (2, 0)])))],
        _ => Vec::new(),
    };
    Case { initial, ..Case::of(done) }
}

/// What is in the accounts, if a read has shown it, and what was added to each since then.
#[derive(Clone, Default)]
struct Held {
    balances: Option<Balances>,
    added: Balances,
}

fn amounts(shown: &Term) -> Option<Balances> {
    let Map(entries) = shown else { return None };
    let entry = |(account, balance): &(Term, Term)| match (account, balance) {
        (Thing(account), Number(balance)) => Some((*account, *balance)),
        _ => None,
    };
    entries.iter().map(entry).collect()
}

fn step(held: &Held, done: &Done) -> Vec<Held> {
    if done.f == "transfer" {
        let mut next = held.clone();
        transfer(&mut next.added, &done.argument, true);
        return vec![next];
    }
    let Some(seen) = amounts(&done.result).filter(|_| done.is_ok()) else { return Vec::new() };
    let fits = match &held.balances {
        // An account that money went to or came from is there.
        None => held.added.keys().all(|account| seen.contains_key(account)),
        Some(balances) => {
            let mut now = balances.clone();
            held.added.iter().for_each(|(account, added)| *now.entry(*account).or_default() += added);
            now == seen
        }
    };
    match fits {
        true => vec![Held { balances: Some(seen), added: Balances::new() }],
        false => Vec::new(),
    }
}

fn each_read_shows_one_moment(case: &Case) -> Says {
    let all: Vec<&Done> = case.done.iter().filter(|done| done.f == "transfer" || done.is_ok()).collect();
    let held = Held { balances: case.initial(None).and_then(amounts), ..Held::default() };
    Says::violated_if(!has_order(&all, held, &step))
}

#[test]
fn accounts() {
    agree("accounts", 200, accounts_case, each_read_shows_one_moment);
}
