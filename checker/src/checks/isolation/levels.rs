//! Consistency models, which anomalies each forbids, and which are still possible after some were seen.
//!
//! Two small graphs: what a stronger model promises of weaker ones, and which anomaly is a case of another. A model is
//! impossible if it, or a model that it includes, forbids something that was seen, or was refuted by saturation
//! (`saturation.rs`), which gives its own names to what it finds. Sources: Adya (MIT 1999) for PL-1 to
//! PL-3 and their kin; Bailis et al. (VLDB 2014) for monotonic atomic view; Cerone, Bernardi, Gotsman (CONCUR 2015) for
//! read atomic to parallel snapshot isolation, which forbids one missed write in a cycle (Cerone, Gotsman, PODC 2016);
//! Bouajjani et al. (POPL 2017) for causality; Daudjee and Salem (VLDB 2006) for sessions; the arrangement is that of
//! Kingsbury and Alvaro (VLDB 2020).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A model: its name, Adya's name if it has one, the models it includes, and what it forbids beyond those.
struct Model(&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const MODELS: [Model; 32] = [
    Model(
        "strict-serializable",
        "PL-SS",
        &["strong-session-serializable", "strong-snapshot-isolation"],
        &["G1c-realtime", "G2-item-realtime"],
    ),
    Model(
        "strong-session-serializable",
        "",
        &["serializable", "strong-session-snapshot-isolation"],
        &["G1c-process", "G2-item-process"],
    ),
    Model(
        "strong-snapshot-isolation",
        "",
        &["strong-session-snapshot-isolation", "strong-read-committed"],
        &["G-nonadjacent-realtime"],
    ),
    Model(
        "strong-session-snapshot-isolation",
        "",
        &["snapshot-isolation", "causal-convergence", "causal-memory"],
        &["G-nonadjacent-process"],
    ),
    Model(
        "strong-read-committed",
        "",
        &["strong-session-read-committed", "strong-read-uncommitted"],
        &["G1c-realtime"],
    ),
    Model("causal-convergence", "", &["causal", "causal-cerone", "strong-session-read-atomic"], &[]),
    Model("causal-memory", "", &["causal", "pram"], &[]),
    Model("causal", "", &["strong-session-read-committed"], &["internal", "future-read", "missed-cause"]),
    Model(
        "strong-session-read-atomic",
        "",
        &["read-atomic", "strong-session-monotonic-atomic-view"],
        &["missed-own-write"],
    ),
    Model("strong-session-monotonic-atomic-view", "", &["monotonic-atomic-view", "strong-session-read-committed"], &[]),
    Model(
        "strong-session-read-committed",
        "",
        &["read-committed", "strong-session-read-uncommitted"],
        &["G1c-process"],
    ),
    Model("strong-read-uncommitted", "", &["strong-session-read-uncommitted"], &["G0-realtime"]),
    Model("strong-session-read-uncommitted", "", &["read-uncommitted"], &["G0-process"]),
    Model("pram", "", &["read-uncommitted"], &["internal", "future-read", "G1a", "G1b", "missed-own-write"]),
    Model(
        "serializable",
        "PL-3",
        &["repeatable-read", "update-serializable", "snapshot-isolation"],
        &["G2-item", "internal"],
    ),
    Model(
        "snapshot-isolation",
        "PL-SI",
        &["forward-consistent-view", "monotonic-snapshot-read", "parallel-snapshot-isolation", "prefix"],
        &["G-nonadjacent", "internal"],
    ),
    Model("repeatable-read", "PL-2.99", &["cursor-stability", "monotonic-atomic-view"], &["G2-item", "lost-update"]),
    Model("update-serializable", "PL-3U", &["forward-consistent-view"], &["G-update"]),
    Model("forward-consistent-view", "PL-FCV", &["consistent-view"], &[]),
    Model("consistent-view", "PL-2+", &["cursor-stability", "monotonic-view"], &["G-single"]),
    Model("monotonic-snapshot-read", "PL-MSR", &["monotonic-view"], &[]),
    Model("monotonic-view", "PL-2L", &["monotonic-atomic-view"], &[]),
    Model("cursor-stability", "PL-CS", &["read-committed"], &["lost-update"]),
    Model("parallel-snapshot-isolation", "", &["causal-cerone", "update-atomic"], &["G-single"]),
    Model("prefix", "", &["causal-cerone"], &["long-fork"]),
    Model("causal-cerone", "", &["read-atomic"], &[]),
    Model("update-atomic", "", &["read-atomic"], &["lost-update"]),
    Model("read-atomic", "", &["monotonic-atomic-view"], &["internal", "future-read", "fractured-read"]),
    Model("monotonic-atomic-view", "", &["read-committed"], &["observed-transaction-vanishes"]),
    Model("read-committed", "PL-2", &["read-uncommitted"], &["G1a", "G1b", "G1c", "cyclic-versions"]),
    Model("read-uncommitted", "PL-1", &["none"], &["G0", "duplicate-elements", "garbage-read", "sibling-read"]),
    Model("none", "", &[], &[]),
];

/// An anomaly, and what it is a case of. The variants of cycles are not here: see [`implied`].
const CASES: [(&str, &[&str]); 13] = [
    ("non-repeatable-read", &["internal"]),
    ("G0", &["G1c"]),
    ("G-single", &["G-nonadjacent"]),
    ("G-nonadjacent", &["G2-item"]),
    ("lost-update", &["G2-item", "G-update"]),
    ("dirty-update", &["G1a"]),
    ("incompatible-order", &["G1a"]),
    ("future-read", &["G1c"]),
    ("observed-transaction-vanishes", &["fractured-read"]),
    ("fractured-read", &["G-single", "missed-cause"]),
    ("long-fork", &["G-nonadjacent"]),
    ("missed-own-write", &["missed-cause"]),
    ("missed-cause", &["G-single-process"]),
];

/// The name of a model in this table, from its name or Adya's.
pub fn canonical(name: &str) -> Option<&'static str> {
    let alias = match name {
        "strong-serializable" => "strict-serializable",
        "conflict-serializable" => "serializable",
        other => other,
    };
    MODELS.iter().find(|model| model.0 == alias || (!model.1.is_empty() && model.1 == alias)).map(|model| model.0)
}

/// Of every model its name, Adya's name or an empty one, what it includes, and what it forbids beyond that.
#[cfg(test)]
pub(crate) fn rows()
-> impl Iterator<Item = (&'static str, &'static str, &'static [&'static str], &'static [&'static str])> {
    MODELS.iter().filter(|model| model.0 != "none").map(|model| (model.0, model.1, model.2, model.3))
}

/// Every model, the strongest first.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|model| model.0).filter(|name| *name != "none")
}

/// The anomalies, and all that they are cases of. A cycle without session order is also one that may use it, and one
/// that uses it is one of real time: a process does one thing at a time.
pub(crate) fn implied(anomalies: &BTreeSet<String>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut open: Vec<String> = anomalies.iter().cloned().collect();
    while let Some(anomaly) = open.pop() {
        if !all.insert(anomaly.clone()) {
            continue;
        }
        let (base, suffix) = ["-process", "-realtime"]
            .into_iter()
            .find_map(|suffix| Some((anomaly.strip_suffix(suffix)?, suffix)))
            .unwrap_or((&anomaly, ""));
        let cases = CASES.iter().filter(|(name, _)| *name == base).flat_map(|(_, cases)| *cases);
        open.extend(cases.map(|case| format!("{case}{suffix}")));
        match suffix {
            "" if base.starts_with('G') => open.push(format!("{base}-process")),
            "-process" => open.push(format!("{base}-realtime")),
            _ => {}
        }
    }
    all
}

fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.0 == name)
}

/// Of each model itself and all that it includes: found once, as every check asks for it many times.
static INCLUDED: LazyLock<BTreeMap<&'static str, BTreeSet<&'static str>>> =
    LazyLock::new(|| MODELS.iter().map(|model| (model.0, reachable(model.0))).collect());

/// The model and all that it includes. Empty if there is no such model.
fn included(name: &str) -> &'static BTreeSet<&'static str> {
    static NONE: BTreeSet<&str> = BTreeSet::new();
    INCLUDED.get(name).unwrap_or(&NONE)
}

fn reachable(name: &'static str) -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        if all.insert(name) {
            open.extend(model(name).into_iter().flat_map(|model| model.2));
        }
    }
    all
}

/// Whether a model allows a history with these anomalies. Every anomaly forbids itself: one that no model names, none
/// forbids.
pub(crate) fn allows(name: &'static str, anomalies: &BTreeSet<String>) -> bool {
    allows_all(name, &implied(anomalies))
}

/// Whether a model allows these anomalies, which include all that they are cases of.
fn allows_all(name: &str, seen: &BTreeSet<String>) -> bool {
    !included(name).iter().filter_map(|name| model(name)).any(|model| model.3.iter().any(|bad| seen.contains(*bad)))
}

/// Whether a model includes another one, or is it.
pub(crate) fn includes(name: &'static str, other: &str) -> bool {
    name == other || included(name).contains(other)
}

/// Every anomaly that a model forbids, or that is a case of another one.
#[cfg(test)]
pub(crate) fn anomalies() -> impl Iterator<Item = &'static str> {
    let forbidden = MODELS.iter().flat_map(|model| model.3.iter().copied());
    forbidden.chain(CASES.iter().flat_map(|(name, cases)| std::iter::once(*name).chain(cases.iter().copied())))
}

/// Whether a model forbids an anomaly.
pub(crate) fn forbids(name: &'static str, anomaly: &str) -> bool {
    !allows(name, &BTreeSet::from([anomaly.to_owned()]))
}

/// The strongest models that the anomalies leave possible: none of them is included in another one left. Empty if not
/// even read uncommitted is.
pub(crate) fn strongest(anomalies: &BTreeSet<String>) -> Vec<&'static str> {
    let seen = implied(anomalies);
    strongest_of(|name| allows_all(name, &seen))
}

/// The strongest of the models that are possible.
pub fn strongest_of(is_possible: impl Fn(&'static str) -> bool) -> Vec<&'static str> {
    let possible: Vec<&'static str> = names().filter(|name| is_possible(name)).collect();
    let below = |name: &str| possible.iter().any(|other| *other != name && included(other).contains(name));
    possible.iter().copied().filter(|name| !below(name)).collect()
}
