//! The order of a register's versions, as far as a history shows it.
//!
//! A register shows one value, so no read shows which version was before it. It is known that the initial version comes
//! first, and that a transaction which reads a version and then writes one puts its own after the one it read (writes
//! follow reads). What it reads only after it wrote says nothing by itself: a store may have shown it what is older than its
//! own, or what has replaced it. But if what it read were the newer, it would be before its writer by what it wrote, and
//! after it by what it read: circular information flow (G1c). So from read committed on all that a transaction reads is
//! older than what it writes, whichever came first ([`Follows::All`]). More follows from the level that is asked for: what
//! it promises of the order of sessions or of real time it promises of each key, too ([`KeyOrder::of`]). Where it puts a
//! reader no later than what it missed, a version that a process meets later is not older (sequentially consistent keys), or
//! one that is met after an operation completed is not older than what this operation met (linearizable keys); where only
//! writes and reads of what was written have that order, only the versions *written* later are known to be newer. Keys may
//! be assumed to have these orders, too (`--assume`).
//!
//! The edges are kept few. For sequential keys they are the chain of each process's successive versions: O(n). For
//! linearizable keys a version precedes all versions whose last invocation comes after its first completion; it is
//! enough to add edges from the frontier, that is, from the versions that no other known one has overtaken. There are
//! never more of these than concurrent operations: O(n x concurrency).

use super::graph::{self, Edges, Kind, Kinds};
use super::input::{NEVER, Transactions};
use super::levels;
pub(super) use crate::checks::settings::Assume;

/// Which meetings with versions an order is known of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Met {
    /// None.
    #[default]
    Nothing,
    /// Who wrote one comes before who wrote another.
    Writes,
    /// Who met one comes before who wrote another.
    Builds,
    /// Who met one comes before who met another.
    All,
}

/// Which versions are older than the one that their reader wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Follows {
    /// None for certain.
    #[default]
    Nothing,
    /// The one that it had read last when it wrote.
    Reads,
    /// All that it read, also after it wrote.
    All,
}

/// What is known of the order of each key's versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyOrder {
    /// Which versions a transaction has read that are older than the one that it writes.
    pub follows: Follows,
    /// What the order of a process's transactions says.
    pub sessions: Met,
    /// What real time says.
    pub real_time: Met,
}

impl From<Assume> for KeyOrder {
    fn from(assume: Assume) -> Self {
        let all = |is: bool| if is { Met::All } else { Met::Nothing };
        Self {
            follows: Follows::Reads,
            sessions: all(assume.sequential_keys),
            real_time: all(assume.linearizable_keys),
        }
    }
}

impl KeyOrder {
    /// What a level of [`levels`] implies of each key, and what is assumed of it besides.
    pub(crate) fn of(level: &'static str, assume: Assume) -> Self {
        let assumed = Self::from(assume);
        let met = |[all, builds, writes]: [&str; 3]| match () {
            () if levels::includes(level, all) => Met::All,
            () if levels::includes(level, builds) => Met::Builds,
            () if levels::includes(level, writes) => Met::Writes,
            () => Met::Nothing,
        };
        let sessions =
            ["strong-session-snapshot-isolation", "strong-session-read-committed", "strong-session-read-uncommitted"];
        let real_time = ["strong-snapshot-isolation", "strong-read-committed", "strong-read-uncommitted"];
        let follows = match () {
            () if levels::includes(level, "read-committed") => Follows::All,
            () if assume != Assume::default() => Follows::Reads,
            () => Follows::Nothing,
        };
        Self {
            follows,
            sessions: met(sessions).max(assumed.sessions),
            real_time: met(real_time).max(assumed.real_time),
        }
    }

    /// The same for histories in which no transaction reads two versions of a key, nor another one than it wrote.
    pub(crate) fn without_rereads(self) -> Self {
        Self { follows: self.follows.min(Follows::Reads), ..self }
    }
}

/// Why a version is known to come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The initial version comes first.
    Initial,
    /// A transaction read the one and wrote the other.
    Follows(u32),
    /// A process saw the one in its first transaction, the other in its second; or in one first the one, then the other.
    Session(u32, u32),
    /// The first transaction saw the one, and completed before the second, which saw the other, was invoked.
    RealTime(u32, u32),
}

/// One version before another; versions are numbered for their key, 0 is the initial one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// The earlier.
    pub from: u32,
    /// The later.
    pub to: u32,
    /// How it is known.
    pub why: Why,
}

/// What a transaction does with a key: a version that it saw, and the one that it installed. Of a transaction that saw several
/// there is one for each, in its order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    /// The transaction.
    pub transaction: u32,
    /// The version it read, if it did.
    pub read: Option<u32>,
    /// The version that it installed after that, if it did.
    pub wrote: Option<u32>,
}

/// A transaction that saw several versions of a key, or one after it had written: one that it read, and the one that it
/// installed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reread {
    /// The transaction.
    pub transaction: u32,
    /// What it read of others, at any time.
    pub read: u32,
    /// What it installed.
    pub own: u32,
}

/// Everything known of the order of a key's versions, from the transactions that touch it, by invocation.
pub(super) fn known(
    transactions: &Transactions,
    versions: usize,
    touches: &[Touch],
    rereads: &[Reread],
    order: KeyOrder,
) -> Vec<Before> {
    let mut known: Vec<Before> = Vec::new();
    let all = rereads.iter().filter(|_| order.follows == Follows::All);
    known.extend(all.map(|all| Before { from: all.read, to: all.own, why: Why::Follows(all.transaction) }));
    for touch in touches.iter().filter(|_| order.follows >= Follows::Reads) {
        if let (Some(from), Some(to)) = (touch.read, touch.wrote) {
            known.push(Before { from, to, why: Why::Follows(touch.transaction) });
        }
    }
    match order.sessions {
        Met::Nothing => {}
        Met::All => sessions(transactions, touches, &mut known),
        met => sessions_of_writers(transactions, touches, met, &mut known),
    }
    if order.real_time != Met::Nothing {
        real_time(transactions, versions, touches, order.real_time, &mut known);
    }
    known.retain(|before| before.from != before.to);
    let mut has_earlier = vec![false; versions];
    known.iter().for_each(|before| has_earlier[before.to as usize] = true);
    let first = (1..versions as u32).filter(|version| !has_earlier[*version as usize]);
    known.extend(first.map(|to| Before { from: 0, to, why: Why::Initial }));
    known
}

fn sessions(transactions: &Transactions, touches: &[Touch], known: &mut Vec<Before>) {
    let mut last: rustc_hash::FxHashMap<u32, (u32, u32)> = rustc_hash::FxHashMap::default();
    for touch in touches {
        let Some(first) = touch.read.or(touch.wrote) else { continue };
        let left = touch.wrote.unwrap_or(first);
        let process = transactions.row(touch.transaction).process;
        if let Some((earlier, from)) = last.insert(process, (touch.transaction, left)) {
            known.push(Before { from, to: first, why: Why::Session(earlier, touch.transaction) });
        }
    }
}

/// What a process wrote comes after what it had written before, or had met before.
fn sessions_of_writers(transactions: &Transactions, touches: &[Touch], met: Met, known: &mut Vec<Before>) {
    let mut open: rustc_hash::FxHashMap<u32, Vec<(u32, u32)>> = rustc_hash::FxHashMap::default();
    for touch in touches {
        let open = open.entry(transactions.row(touch.transaction).process).or_default();
        if let Some(to) = touch.wrote {
            let why = |earlier| Why::Session(earlier, touch.transaction);
            known.extend(open.drain(..).map(|(earlier, from)| Before { from, to, why: why(earlier) }));
        }
        let counts =
            |read: &u32| met == Met::Builds && touch.wrote.is_none() && open.last().map(|last| last.1) != Some(*read);
        let left = touch.wrote.or(touch.read.filter(counts));
        open.extend(left.map(|version| (touch.transaction, version)));
    }
}

/// When a version was first known to be there, and when it was last asked for.
#[derive(Clone, Copy)]
struct Zone {
    first_completion: (u32, u32),
    last_call: Option<(u32, u32)>,
}

fn real_time(transactions: &Transactions, versions: usize, touches: &[Touch], met: Met, known: &mut Vec<Before>) {
    let mut zones = vec![Zone { first_completion: (NEVER, 0), last_call: None }; versions];
    for touch in touches {
        let row = transactions.row(touch.transaction);
        for (version, is_written) in [(touch.read, false), (touch.wrote, true)] {
            let Some(zone) = version.map(|version| &mut zones[version as usize]) else { continue };
            if is_written || met >= Met::Builds {
                zone.first_completion = zone.first_completion.min((row.ret, touch.transaction));
            }
            if is_written || met == Met::All {
                zone.last_call = zone.last_call.max(Some((row.call, touch.transaction)));
            }
        }
    }
    // At each moment, completions and calls of versions.
    let mut moments: Vec<(u32, bool, u32)> = Vec::new();
    for (zone, version) in zones.iter().zip(0..) {
        if let (completed, _) = zone.first_completion
            && completed != NEVER
        {
            moments.push((completed, true, version));
        }
        moments.extend(zone.last_call.map(|(call, _)| (call, false, version)));
    }
    moments.sort_unstable();
    let mut frontier: Vec<u32> = Vec::new();
    let before = |from: u32, to: u32| {
        let (_, earlier) = zones[from as usize].first_completion;
        let later = zones[to as usize].last_call.map_or(earlier, |(_, later)| later);
        Before { from, to, why: Why::RealTime(earlier, later) }
    };
    for (now, completes, version) in moments {
        if !completes {
            known.extend(
                frontier.iter().filter(|earlier| **earlier != version).map(|earlier| before(*earlier, version)),
            );
            continue;
        }
        let last_call = zones[version as usize].last_call.map_or(0, |(call, _)| call);
        let overtaken = |earlier: u32| zones[earlier as usize].first_completion.0 < last_call;
        if last_call > now {
            known.extend(
                frontier.iter().filter(|earlier| overtaken(**earlier)).map(|earlier| before(*earlier, version)),
            );
        }
        frontier.retain(|earlier| !overtaken(*earlier));
        frontier.push(version);
    }
}

/// A shortest cycle of the order, if it has one.
pub(super) fn cycle(versions: usize, known: &[Before]) -> Option<Vec<Before>> {
    let mut edges = Edges::new(versions);
    known.iter().for_each(|before| edges.add(before.from, before.to, Kind::Ww));
    let graph = edges.finish();
    let components = graph.components(Kinds(u8::MAX));
    let component = components.iter().min_by_key(|component| component.len())?;
    let by_ends: rustc_hash::FxHashMap<(u32, u32), Before> =
        known.iter().rev().map(|before| ((before.from, before.to), *before)).collect();
    let steps = graph::shortest_cycle(&graph, component, Kind::Pass);
    Some(steps.iter().filter_map(|(from, to, _)| by_ends.get(&(*from, *to)).copied()).collect())
}
