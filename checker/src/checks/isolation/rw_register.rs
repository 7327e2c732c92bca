//! Transactions that write unique values to registers and read them (Kingsbury, Alvaro, "Elle", VLDB 2020, section 5).
//!
//! Every value is written once, so a read names the transaction that it read from: `wr` is certain. That holds of
//! every read, also of a key that its transaction has read or written before. The order of versions is only partly known
//! (`versions.rs`); `ww` goes from a version's writer to the writers of versions known to come directly after it, `rw` from
//! its readers to the same. Many readers and many next versions meet in a hub ([`super::graph::Edges::all_to_all`]), so the
//! graph stays linear.
//!
//! Whatever is found is a violation. The reverse does not hold: with an order of versions that is only partly known a
//! history may have an anomaly that does not show. More shows the more the level that is asked for implies of each key, and
//! the more is assumed of it ([`KeyOrder`]); and [`super::serial`] finds what only paths force. If the order of a key's
//! versions has a cycle, that is reported and the order of that key is not used.
//!
//! Time and memory: linear in the micro-operations (times the concurrency if real time orders keys), but for what
//! [`super::cycles`] spends on a history that has cycles.

use rustc_hash::FxHashMap;

use super::by_key::ByKey;
use super::causality::INITIAL;
use super::cycles::{self, Step};
use super::findings::{Explain, RawAnomaly, RawFindings, Reason, common_keys, name};
use super::graph::{Edges, Kind};
use super::input::{Micro, NIL, Names, Outcome, Transactions};
use super::versions::{self, Before, KeyOrder, Reread, Touch, Why};

/// What one transaction does with one key.
#[derive(Clone, Copy)]
pub(super) struct Use {
    pub transaction: u32,
    /// The value read before anything was written.
    pub read: Option<u32>,
    /// Who wrote that value: [`INITIAL`] if it is [`NIL`], [`UNKNOWN`] if nobody did.
    pub source: u32,
    /// The value written last.
    pub wrote: Option<u32>,
    /// Whether other values were written before that.
    rewrote: bool,
    /// Whether a later read showed another value than it knew: only then is more to be learnt than from the first.
    pub reread: bool,
}

/// Nobody wrote the value read.
pub(super) const UNKNOWN: u32 = u32::MAX - 1;

/// What each transaction does with each key, which transactions committed, and what is wrong with what they read
/// whatever the order of versions is.
pub(super) struct Basics<'t> {
    pub uses: ByKey<Use>,
    pub committed: Vec<bool>,
    /// What is wrong; the reason for which the history cannot be judged is among it.
    pub findings: RawFindings,
    pub transactions: &'t Transactions,
    pub names: &'t dyn Names,
    /// Whether any use is a [`Use::reread`].
    pub rereads: bool,
    keys: Vec<Versions>,
}

/// Everything that can be said without an order of versions.
pub(super) fn basics<'t>(transactions: &'t Transactions, names: &'t dyn Names) -> Basics<'t> {
    let mut analysis = Analysis::new(transactions, names);
    analysis.committed = transactions.rows().iter().map(|row| row.outcome.committed(false)).collect();
    analysis.keys.reserve_exact(transactions.keys());
    let mut uses = analysis.uses();
    let mut maps = Maps::default();
    for key in 0..transactions.keys() as u32 {
        analysis.reads(key, uses.of_mut(key), &mut maps);
    }
    let Analysis { committed, findings, keys, rereads, .. } = analysis;
    Basics { uses, committed, findings, transactions, names, rereads, keys }
}

/// The versions of a key.
struct Versions {
    /// By version: its value; [`NIL`] for the first, which is the initial one.
    values: Vec<u32>,
    writers: Vec<Option<u32>>,
    known: Vec<Before>,
}

/// Finds all anomalies.
pub(crate) fn analyse(transactions: &Transactions, names: &dyn Names, order: impl Into<KeyOrder>) -> RawFindings {
    let basics = basics(transactions, names);
    match basics.findings.malformed {
        Some(_) => basics.findings,
        None => by_dependencies(basics, order.into()),
    }
}

/// What was found without an order of versions, and what this order shows besides.
pub(super) fn by_dependencies(basics: Basics<'_>, order: KeyOrder) -> RawFindings {
    let Basics { uses, committed, findings, transactions, names, rereads, keys } = basics;
    let mut analysis = Analysis { transactions, names, findings, committed, rereads, keys };
    let mut edges = Edges::new(transactions.len());
    for key in 0..transactions.keys() as u32 {
        analysis.lost_updates(key, uses.of(key));
        analysis.dependencies(key, uses.of(key), order, &mut edges);
    }
    drop(uses);
    analysis.findings.figures.insert("dependencies", edges.len() as f64);
    let found = cycles::find(edges, transactions, |transaction| analysis.committed(transaction));
    let mut findings = std::mem::take(&mut analysis.findings);
    findings.add_cycles(&found, transactions, &analysis, names);
    findings
}

/// The values of one key, kept to reuse their memory: versions by value, and writers of values that they overwrote.
#[derive(Default)]
struct Maps {
    numbers: FxHashMap<u32, u32>,
    early: FxHashMap<u32, u32>,
}

/// What the current transaction knows of its keys: the value that a read must show, and the position of its use.
#[derive(Default)]
struct Now {
    known: Vec<Known>,
    /// Positions by key, once there are too many for a linear search.
    by_key: FxHashMap<u32, usize>,
}

#[derive(Clone, Copy)]
struct Known {
    key: u32,
    value: u32,
    place: u32,
}

impl Now {
    /// The most keys of a transaction for which a linear search is used.
    const FEW: usize = 16;

    fn begin(&mut self) {
        self.known.clear();
        if !self.by_key.is_empty() {
            self.by_key.clear();
        }
    }

    fn find(&mut self, key: u32) -> Option<&mut Known> {
        match self.by_key.is_empty() {
            true => self.known.iter_mut().find(|known| known.key == key),
            false => self.by_key.get(&key).map(|at| &mut self.known[*at]),
        }
    }

    fn add(&mut self, known: Known) {
        self.known.push(known);
        if self.known.len() == Self::FEW {
            self.by_key.extend(self.known.iter().map(|known| known.key).zip(0..));
        }
        if self.known.len() > Self::FEW {
            self.by_key.insert(known.key, self.known.len() - 1);
        }
    }
}

struct Analysis<'t> {
    transactions: &'t Transactions,
    names: &'t dyn Names,
    findings: RawFindings,
    /// By transaction: whether it committed. Those of unknown outcome have once somebody read what they wrote.
    committed: Vec<bool>,
    rereads: bool,
    keys: Vec<Versions>,
}

impl<'t> Analysis<'t> {
    fn new(transactions: &'t Transactions, names: &'t dyn Names) -> Self {
        let (findings, committed, rereads, keys) = Default::default();
        Self { transactions, names, findings, committed, rereads, keys }
    }

    fn committed(&self, transaction: u32) -> bool {
        self.committed[transaction as usize]
    }

    fn name(&self, transaction: u32) -> String {
        name(self.transactions, self.names, transaction)
    }

    fn show(&self, key: u32, value: u32) -> String {
        format!(
            "{} = {}",
            self.names.key(key),
            if value == NIL { self.names.initial(key) } else { self.names.value(value) }
        )
    }

    /// What each transaction does with each of its keys; and whether it sees its own writes.
    fn uses(&mut self) -> ByKey<Use> {
        let transactions = self.transactions;
        let keys = transactions.all_micros().map(|(_, micro)| micro.key());
        let none = Use { transaction: 0, read: None, source: UNKNOWN, wrote: None, rewrote: false, reread: false };
        let mut uses = ByKey::with_room(transactions.keys(), keys, none);
        let mut now = Now::default();
        for transaction in 0..transactions.len() as u32 {
            now.begin();
            for micro in transactions.micros(transaction) {
                let (key, read, value) = match *micro {
                    Micro::Write { key, value } => (key, None, value),
                    Micro::Read { key, value } => (key, Some(value), value),
                    Micro::Append { .. } | Micro::List { .. } => continue,
                };
                let Some(known) = now.find(key) else {
                    let source = if read == Some(NIL) { INITIAL } else { UNKNOWN };
                    let wrote = read.is_none().then_some(value);
                    let place = uses.push(key, Use { transaction, read, source, wrote, ..none });
                    now.add(Known { key, value, place });
                    continue;
                };
                let (expected, used) = (std::mem::replace(&mut known.value, value), uses.at_mut(known.place));
                if read.is_none() {
                    used.rewrote |= used.wrote.is_some();
                    used.wrote = Some(value);
                    let used = *used;
                    self.future(key, used, value);
                } else if value != expected {
                    let kind = if used.wrote.is_some() { "internal" } else { "non-repeatable-read" };
                    used.reread = true;
                    self.rereads = true;
                    self.internal(kind, key, transaction, [expected, value]);
                }
            }
        }
        uses
    }

    fn future(&mut self, key: u32, used: Use, value: u32) {
        if used.read == Some(value) && !self.findings.is_only_counted("future-read") {
            let explanation =
                format!("{} read {} before it wrote that itself.", self.name(used.transaction), self.show(key, value));
            self.findings.add("future-read", || alone("future-read", key, vec![used.transaction], explanation));
        }
    }

    fn internal(&mut self, kind: &'static str, key: u32, transaction: u32, [expected, value]: [u32; 2]) {
        if self.findings.is_only_counted(kind) {
            return;
        }
        let (expected, shown) = (self.show(key, expected), self.show(key, value));
        let explanation = format!("{} knew {expected} and then read {shown}.", self.name(transaction));
        self.findings.add(kind, || alone(kind, key, vec![transaction], explanation));
    }

    /// Numbers the versions of a key, and judges what was read of it.
    fn reads(&mut self, key: u32, uses: &mut [Use], maps: &mut Maps) {
        let mut versions = Versions { values: vec![NIL], writers: vec![None], known: Vec::new() };
        let Maps { numbers, early } = maps;
        numbers.clear();
        early.clear();
        for used in &*uses {
            let Some(value) = used.wrote else { continue };
            if used.rewrote {
                let writes = super::findings::writes_of(self.transactions, used.transaction, key);
                for earlier in writes.filter(|earlier| *earlier != value) {
                    if early.insert(earlier, used.transaction).is_some_and(|other| other != used.transaction) {
                        self.not_unique(key, earlier);
                    }
                }
            }
            if numbers.insert(value, versions.values.len() as u32).is_some() || value == NIL {
                self.not_unique(key, value);
            }
            versions.values.push(value);
            versions.writers.push(Some(used.transaction));
        }
        if let Some(value) = early.keys().filter(|value| numbers.contains_key(value)).min() {
            self.not_unique(key, *value);
        }
        for used in uses {
            if let Some(value) = used.read.filter(|value| *value != NIL) {
                used.source = self.read(key, used.transaction, value, maps, &versions).unwrap_or(UNKNOWN);
            }
            if used.reread {
                let mut shown: Vec<u32> = reads_of(self.transactions, used.transaction, key).collect();
                shown.sort_unstable();
                shown.dedup();
                for value in shown.into_iter().filter(|value| *value != NIL && Some(*value) != used.read) {
                    self.read(key, used.transaction, value, maps, &versions);
                }
            }
        }
        let transactions = self.transactions;
        for (reader, values) in transactions.siblings(key) {
            let writers = values.iter().filter_map(|value| self.read(key, reader, *value, maps, &versions));
            let involved = writers.chain([reader]).collect();
            self.siblings(key, reader, values, involved);
        }
        self.keys.push(versions);
    }

    fn not_unique(&mut self, key: u32, value: u32) {
        let what = self.show(key, value);
        let why = format!("{what} was written more than once, or is nil: values must be unique for a key");
        self.findings.malformed.get_or_insert(why);
    }

    /// Judges a value that was read; returns who wrote it.
    fn read(&mut self, key: u32, reader: u32, value: u32, maps: &Maps, versions: &Versions) -> Option<u32> {
        let early = maps.early.get(&value).copied();
        let writer = maps.numbers.get(&value).and_then(|version| versions.writers[*version as usize]).or(early);
        let Some(writer) = writer else {
            if self.findings.is_only_counted("garbage-read") {
                return None;
            }
            let (shown, who) = (self.show(key, value), self.name(reader));
            let explanation = format!("{who} read {shown}, which nobody wrote.");
            self.findings.add("garbage-read", || alone("garbage-read", key, vec![reader], explanation));
            return None;
        };
        let outcome = self.transactions.row(writer).outcome;
        self.committed[writer as usize] = outcome.committed(true);
        let failed = outcome == Outcome::Fail;
        let overwritten = early.is_some() && writer != reader;
        if failed || overwritten {
            self.dirty(key, value, [writer, reader], [failed, overwritten]);
        }
        Some(writer)
    }

    fn dirty(&mut self, key: u32, value: u32, [writer, reader]: [u32; 2], [failed, overwritten]: [bool; 2]) {
        let (shown, who, by) = (self.show(key, value), self.name(reader), self.name(writer));
        if failed && !self.findings.is_only_counted("G1a") {
            let explanation = format!("{who} read {shown}, though {by} that wrote it failed.");
            self.findings.add("G1a", || alone("G1a", key, vec![writer, reader], explanation));
        }
        if overwritten && !self.findings.is_only_counted("G1b") {
            let explanation = format!("{who} read {shown}, which {by} wrote and then wrote over itself.");
            self.findings.add("G1b", || alone("G1b", key, vec![writer, reader], explanation));
        }
    }

    /// A register has one value at a time.
    fn siblings(&mut self, key: u32, reader: u32, values: &[u32], involved: Vec<u32>) {
        if self.findings.is_only_counted("sibling-read") {
            return;
        }
        let (who, of) = (self.name(reader), self.names.key(key));
        let shown: Vec<String> = values.iter().map(|value| self.names.value(*value)).collect();
        let explanation = format!("{who} read {} values of {of} at once: {}.", values.len(), shown.join(", "));
        self.findings.add("sibling-read", || alone("sibling-read", key, involved, explanation));
    }

    fn lost_updates(&mut self, key: u32, uses: &[Use]) {
        let committed = |used: &&Use| self.transactions.row(used.transaction).outcome == Outcome::Ok;
        let updates = uses.iter().filter(committed).filter(|used| used.wrote.is_some());
        let updated = |used: &Use| if used.reread { self.updated(used.transaction, key) } else { used.read };
        let mut updates: Vec<(u32, u32)> =
            updates.filter_map(|used| Some((updated(used)?, used.transaction))).collect();
        updates.sort_unstable();
        for group in updates.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            if self.findings.is_only_counted("lost-update") {
                continue;
            }
            let (value, one, other) = (group[0].0, group[0].1, group[1].1);
            let (a, b, shown) = (self.name(one), self.name(other), self.show(key, value));
            let explanation = format!("{a} and {b} both read {shown} and then wrote it.");
            self.findings.add("lost-update", || alone("lost-update", key, vec![one, other], explanation));
        }
    }

    /// What a transaction that read a key several times replaced: what it had read last before it wrote.
    fn updated(&self, transaction: u32, key: u32) -> Option<u32> {
        let (mut read, mut updated) = (None, None);
        for micro in self.transactions.micros(transaction).iter().filter(|micro| micro.key() == key) {
            match *micro {
                Micro::Read { value, .. } if !self.wrote(transaction, key, value) => read = Some(value),
                Micro::Write { .. } => updated = read,
                _ => {}
            }
        }
        updated
    }

    fn wrote(&self, transaction: u32, key: u32, value: u32) -> bool {
        super::findings::writes_of(self.transactions, transaction, key).any(|written| written == value)
    }

    /// What a transaction does with a key, each read of what others wrote by itself. With the last one before its last write
    /// goes the version that it installed.
    fn touches(&self, used: &Use, key: u32, version: impl Fn(u32) -> Option<u32>) -> Vec<Touch> {
        let Use { transaction, wrote, .. } = *used;
        let mut touches: Vec<Touch> = Vec::new();
        for micro in self.transactions.micros(transaction).iter().filter(|micro| micro.key() == key) {
            match *micro {
                Micro::Read { value, .. } if !self.wrote(transaction, key, value) => {
                    touches.extend(version(value).map(|read| Touch { transaction, read: Some(read), wrote: None }));
                }
                Micro::Write { value, .. } if Some(value) == wrote => match touches.last_mut() {
                    Some(last) => last.wrote = version(value),
                    None => touches.push(Touch { transaction, read: None, wrote: version(value) }),
                },
                _ => {}
            }
        }
        touches
    }

    /// The edges that a key gives.
    fn dependencies(&mut self, key: u32, uses: &[Use], order: KeyOrder, edges: &mut Edges) {
        let versions = &self.keys[key as usize];
        let numbers: FxHashMap<u32, u32> = versions.values.iter().copied().zip(0..).collect();
        let version = |value: u32| numbers.get(&value).copied();
        let readable = |value: u32| version(value).filter(|read| *read == 0 || self.is_committed(versions, *read));
        let mut touches: Vec<Touch> = Vec::with_capacity(uses.len());
        let mut rereads: Vec<Reread> = Vec::new();
        for used in uses.iter().filter(|used| self.committed(used.transaction)) {
            let Use { transaction, read, wrote, reread, .. } = *used;
            if !reread {
                touches.push(Touch { transaction, read: read.and_then(readable), wrote: wrote.and_then(version) });
                continue;
            }
            let several =
                self.touches(used, key, |value| if wrote == Some(value) { version(value) } else { readable(value) });
            let own = wrote.and_then(version);
            rereads
                .extend(several.iter().filter_map(|touch| Some(Reread { transaction, read: touch.read?, own: own? })));
            touches.extend(several);
        }
        for touch in &touches {
            if let Some(writer) = touch.read.and_then(|read| versions.writers[read as usize]) {
                edges.add(writer, touch.transaction, Kind::Wr);
            }
        }
        let mut known = versions::known(self.transactions, versions.values.len(), &touches, &rereads, order);
        // Versions of transactions that did not commit are no versions.
        known.retain(|before| before.to == 0 || self.is_committed(versions, before.to));
        if let Some(cycle) = versions::cycle(versions.values.len(), &known) {
            self.cyclic(key, &cycle);
            return;
        }
        known.sort_unstable_by_key(|before| (before.from, before.to));
        known.dedup_by_key(|before| (before.from, before.to));
        self.next_versions(&self.keys[key as usize], &known, &touches, edges);
        self.keys[key as usize].known = known;
    }

    fn is_committed(&self, versions: &Versions, version: u32) -> bool {
        versions.writers[version as usize].is_some_and(|writer| self.committed(writer))
    }

    /// From each version's writer and readers to the writers of the versions directly after it.
    fn next_versions(&self, versions: &Versions, known: &[Before], touches: &[Touch], edges: &mut Edges) {
        let reads: Vec<(u32, u32)> =
            touches.iter().filter_map(|touch| Some((touch.read?, touch.transaction))).collect();
        let readers = ByKey::new(versions.values.len(), &reads);
        for group in known.chunk_by(|a, b| a.from == b.from) {
            let from = group[0].from;
            let mut sources: Vec<(u32, Kind)> = readers.of(from).iter().map(|reader| (*reader, Kind::Rw)).collect();
            sources.extend(versions.writers[from as usize].map(|writer| (writer, Kind::Ww)));
            sources.sort_unstable();
            sources.dedup_by_key(|(transaction, _)| *transaction);
            let targets: Vec<u32> = group.iter().filter_map(|before| versions.writers[before.to as usize]).collect();
            edges.all_to_all(&sources, &targets);
        }
    }

    fn cyclic(&mut self, key: u32, cycle: &[Before]) {
        if self.findings.is_only_counted("cyclic-versions") {
            return;
        }
        let (mut clauses, mut involved) = (Vec::new(), Vec::new());
        let versions = &self.keys[key as usize];
        for before in cycle {
            let (from, to) = (versions.values[before.from as usize], versions.values[before.to as usize]);
            let (from, to) = (self.show(key, from), self.show(key, to));
            clauses.push(format!("{from} comes before {to}, since {}", self.why(before.why)));
            involved.extend(involved_in(before.why));
            involved.extend([before.from, before.to].iter().filter_map(|version| versions.writers[*version as usize]));
        }
        let explanation = format!("{}.", clauses.join("; "));
        self.findings.add("cyclic-versions", || alone("cyclic-versions", key, involved, explanation));
    }

    fn why(&self, why: Why) -> String {
        match why {
            Why::Initial => "it is the initial version".to_owned(),
            Why::Follows(one) => format!("{} read the one and wrote the other", self.name(one)),
            Why::Session(one, other) if one == other => {
                format!("{} saw first the one and then the other", self.name(one))
            }
            Why::Session(one, other) => {
                format!("a process saw the one in {} and the other later in {}", self.name(one), self.name(other))
            }
            Why::RealTime(one, other) => {
                let (one, other) = (self.name(one), self.name(other));
                format!("{one} saw the one and had completed when {other}, which saw the other, was invoked")
            }
        }
    }

    fn explain_next(&self, step: Step, key: u32) -> Option<Reason> {
        let versions = &self.keys[key as usize];
        let version = |value: u32| versions.values.iter().position(|known| *known == value).map(|at| at as u32);
        let wrote = super::findings::writes_of(self.transactions, step.to, key).last().and_then(version)?;
        let mut olds: Vec<u32> = match step.kind {
            Kind::Ww => super::findings::writes_of(self.transactions, step.from, key).last().into_iter().collect(),
            _ => self.reads_of_others(step.from, key).collect(),
        };
        olds.dedup();
        let place =
            |from: u32| versions.known.binary_search_by_key(&(from, wrote), |before| (before.from, before.to)).ok();
        let before = versions.known[olds.into_iter().filter_map(version).find_map(place)?];
        let from = before.from;
        let (one, other) = (self.name(step.from), self.name(step.to));
        let did = if step.kind == Kind::Ww { "wrote" } else { "read" };
        let (old, new) =
            (self.show(key, versions.values[from as usize]), self.show(key, versions.values[wrote as usize]));
        let clause =
            format!("{one} {did} {old}, and {other} wrote the later {new} (later since {})", self.why(before.why));
        let mut witnesses = involved_in(before.why);
        witnesses.extend(versions.writers[from as usize]);
        Some(Reason { key, clause, witnesses })
    }

    fn explain_wr(&self, step: Step, key: u32) -> Option<Reason> {
        let value = self.reads_of_others(step.to, key).find(|value| self.wrote(step.from, key, *value))?;
        let (one, other, shown) = (self.name(step.from), self.name(step.to), self.show(key, value));
        let clause = format!("{one} wrote {shown}, which {other} read");
        Some(Reason { key, clause, witnesses: Vec::new() })
    }

    /// The values that a transaction read of a key, but for its own.
    fn reads_of_others(&self, transaction: u32, key: u32) -> impl Iterator<Item = u32> {
        reads_of(self.transactions, transaction, key).filter(move |value| !self.wrote(transaction, key, *value))
    }
}

impl Explain for Analysis<'_> {
    fn explain(&self, step: Step) -> Option<Reason> {
        common_keys(self.transactions, step.from, step.to).into_iter().find_map(|key| match step.kind {
            Kind::Wr => self.explain_wr(step, key),
            Kind::Ww | Kind::Rw => self.explain_next(step, key),
            _ => None,
        })
    }
}

/// Of all who read several versions of a key, from whom each of their reads is: [`INITIAL`] or [`UNKNOWN`] as of [`Use`].
pub(super) fn later_sources(basics: &Basics<'_>, key: u32) -> Vec<(u32, u32)> {
    let uses = basics.uses.of(key);
    let again = uses.iter().filter(|used| used.reread && basics.committed[used.transaction as usize]);
    let mut again = again.peekable();
    if again.peek().is_none() {
        return Vec::new();
    }
    let writers: FxHashMap<u32, u32> = uses.iter().filter_map(|used| Some((used.wrote?, used.transaction))).collect();
    let source = |value: u32| if value == NIL { INITIAL } else { writers.get(&value).copied().unwrap_or(UNKNOWN) };
    let mut sources: Vec<(u32, u32)> = Vec::new();
    for used in again {
        let reads = reads_of(basics.transactions, used.transaction, key);
        sources.extend(reads.map(|value| (used.transaction, source(value))));
    }
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// All values that a transaction read of a key.
fn reads_of(transactions: &Transactions, transaction: u32, key: u32) -> impl Iterator<Item = u32> {
    transactions.micros(transaction).iter().filter_map(move |micro| match micro {
        Micro::Read { key: of, value } if *of == key => Some(*value),
        _ => None,
    })
}

fn involved_in(why: Why) -> Vec<u32> {
    match why {
        Why::Initial => Vec::new(),
        Why::Follows(one) => vec![one],
        Why::Session(one, other) | Why::RealTime(one, other) => vec![one, other],
    }
}

fn alone(kind: &'static str, key: u32, transactions: Vec<u32>, explanation: String) -> RawAnomaly {
    RawAnomaly { kind, key: Some(key), transactions, explanation, ..RawAnomaly::default() }
}
