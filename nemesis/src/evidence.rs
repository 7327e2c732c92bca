//! No fault without evidence: what was measured between a fault's start and stop, and whether it proves that the
//! fault took effect.
//!
//! Pure functions from measurements to findings. A fault that cannot be proved is not an error, but its finding says
//! why, for example that the links were cut, but nothing was sent over them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::surface::LinkStatistics;

/// One fault with its proof, an entry of `evidence.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    /// Its id in the plan.
    pub fault: u64,
    /// Its kind: `partition`, `kill`, ...
    pub kind: String,
    /// What it did, and to which nodes: `{n1 n2} | {n3 n4 n5}`.
    pub detail: String,
    /// Every node it touched.
    pub nodes: Vec<String>,
    /// When it started, ms since the run began; for a fault that failed to start, the time of the attempt.
    pub start_ms: u64,
    /// When it was healed, ms since the run began.
    pub stop_ms: u64,
    /// Whether it measurably took effect, and was healed.
    pub proved: bool,
    /// What was measured, in a sentence.
    pub evidence: String,
    /// The measurements by name; times end in `_ms`.
    pub figures: BTreeMap<String, i64>,
}

/// What measurements say of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether it measurably took effect.
    pub proved: bool,
    /// What was measured, in a sentence.
    pub evidence: String,
    /// The measurements by name.
    pub figures: BTreeMap<String, i64>,
}

impl Finding {
    /// A finding without proof, for this reason.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { proved: false, evidence: reason.into(), figures: BTreeMap::new() }
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, name: &str, value: u64) {
        self.figures.insert(name.to_owned(), i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Withdraws the proof, and puts the reason first.
    pub(crate) fn disprove(&mut self, reason: &str) {
        self.proved = false;
        self.evidence =
            if self.evidence.is_empty() { reason.to_owned() } else { format!("{reason}; {}", self.evidence) };
    }
}

/// What links did between two moments: `after - before`, for each link.
pub(crate) fn difference(before: &LinkStatistics, after: &LinkStatistics) -> LinkStatistics {
    LinkStatistics {
        forwarded_bytes: after.forwarded_bytes.saturating_sub(before.forwarded_bytes),
        blocked_bytes: after.blocked_bytes.saturating_sub(before.blocked_bytes),
        blocked_connections: after.blocked_connections.saturating_sub(before.blocked_connections),
        delayed_bytes: after.delayed_bytes.saturating_sub(before.delayed_bytes),
        delay_total_ms: after.delay_total_ms.saturating_sub(before.delay_total_ms),
        delayed_chunks: after.delayed_chunks.saturating_sub(before.delayed_chunks),
        lossy_chunks: after.lossy_chunks.saturating_sub(before.lossy_chunks),
        lost_chunks: after.lost_chunks.saturating_sub(before.lost_chunks),
    }
}

fn total(links: &[LinkStatistics], field: fn(&LinkStatistics) -> u64) -> u64 {
    links.iter().map(field).fold(0, u64::saturating_add)
}

/// A partition, from what each link did while it was cut: something must have been blocked, and nothing may have
/// passed.
pub fn partition(links: &[LinkStatistics]) -> Finding {
    let bytes = total(links, |link| link.blocked_bytes);
    let connections = total(links, |link| link.blocked_connections);
    let passed = total(links, |link| link.forwarded_bytes);
    let measured = format!(
        "{} cut: {} and {} blocked, {} passed",
        count(links.len() as u64, "link"),
        count(bytes, "byte"),
        count(connections, "connection"),
        count(passed, "byte")
    );
    let (proved, evidence) = match (bytes + connections, passed) {
        (1.., 0) => (true, measured),
        (_, 1..) => (false, format!("the links were to be cut, but let traffic through: {measured}")),
        (0, 0) => (false, format!("the links were cut, but nothing was sent over them: {measured}")),
    };
    let used = links.iter().filter(|link| link.blocked_bytes + link.blocked_connections > 0).count() as u64;
    let figures = figures([
        ("links", links.len() as u64),
        ("links_used", used),
        ("blocked_bytes", bytes),
        ("blocked_connections", connections),
        ("forwarded_bytes", passed),
    ]);
    Finding { proved, evidence, figures }
}

/// A slow link, from what each link did while it was slow: something must have been delivered late, on average by at
/// least half of the delay (chunks that were sent just before the start count with their smaller delays).
pub fn slow_link(links: &[LinkStatistics], delay_ms: u64) -> Finding {
    let bytes = total(links, |link| link.delayed_bytes);
    let chunks = total(links, |link| link.delayed_chunks);
    let mean_ms = total(links, |link| link.delay_total_ms).checked_div(chunks).unwrap_or(0);
    let slowed = format!("{} slowed", count(links.len() as u64, "link"));
    let measured = format!("{slowed}: {} delayed by {mean_ms} ms on average", count(bytes, "byte"));
    let (proved, evidence) = match (bytes, mean_ms.saturating_mul(2) >= delay_ms) {
        (0, _) => (false, format!("{slowed}, but nothing was delivered over them meanwhile")),
        (_, false) => (false, format!("{measured}, less than half of the {delay_ms} ms that were set")),
        (_, true) => (true, measured),
    };
    let figures = figures([
        ("links", links.len() as u64),
        ("delayed_bytes", bytes),
        ("delayed_chunks", chunks),
        ("delay_mean_ms", mean_ms),
    ]);
    Finding { proved, evidence, figures }
}

/// A lossy link, from what each link did while it lost some: something must have been lost.
pub fn lossy_link(links: &[LinkStatistics]) -> Finding {
    let (chunks, lost) = (total(links, |link| link.lossy_chunks), total(links, |link| link.lost_chunks));
    let lossy = format!("{} lossy", count(links.len() as u64, "link"));
    let evidence = match (chunks, lost) {
        (0, _) => format!("{lossy}, but nothing was sent over them meanwhile"),
        _ => format!("{lossy}: {} of {} lost", grouped(lost), count(chunks, "chunk")),
    };
    let figures = figures([("links", links.len() as u64), ("chunks", chunks), ("lost_chunks", lost)]);
    Finding { proved: lost > 0, evidence, figures }
}

/// A kill or a pause, from the nodes seen dead (or stopped) while it lasted and seen running after it.
pub fn process(state: &str, nodes: &[String], affected: &BTreeSet<String>, running: &BTreeSet<String>) -> Finding {
    let missing = |seen: &BTreeSet<String>| nodes.iter().filter(|n| !seen.contains(*n)).cloned().collect::<Vec<_>>();
    let (not_affected, not_running) = (missing(affected), missing(running));
    let mut reasons = Vec::new();
    if !not_affected.is_empty() {
        reasons.push(format!("{} never seen {state}", not_affected.join(" ")));
    }
    if !not_running.is_empty() {
        reasons.push(format!("{} not seen running afterwards", not_running.join(" ")));
    }
    let proved = reasons.is_empty();
    let evidence = if proved {
        format!("{} seen {state}, and running again afterwards", nodes.join(" "))
    } else {
        reasons.join("; ")
    };
    let seen = [
        ("nodes", nodes.len()),
        ("hurt", nodes.len() - not_affected.len()),
        ("running", nodes.len() - not_running.len()),
    ];
    Finding { proved, evidence, figures: figures(seen.map(|(name, value)| (name, value as u64))) }
}

/// An upgrade, from the protocol version that each node reported before and after (none if it did not answer), and
/// whether all nodes were seen dead in between: each must have been killed, and report a later version than before.
pub fn upgrade(versions: &BTreeMap<String, (Option<u64>, Option<u64>)>, all_dead: bool) -> Finding {
    let mut finding = Finding { proved: all_dead && !versions.is_empty(), ..Finding::default() };
    let mut reports = Vec::new();
    for (node, versions) in versions {
        let (Some(before), Some(after)) = *versions else {
            finding.proved = false;
            reports.push(format!("{node} did not say which version it speaks before and after"));
            continue;
        };
        finding.proved &= after > before;
        finding.figures.insert(format!("{node}_before"), i64::try_from(before).unwrap_or(i64::MAX));
        finding.figures.insert(format!("{node}_after"), i64::try_from(after).unwrap_or(i64::MAX));
        reports.push(format!("{node} said version {before} before and {after} after"));
    }
    let seen = if all_dead { "" } else { "; not all were seen dead between" };
    finding.evidence = format!("{}{seen}", reports.join(", "));
    finding
}

/// What a node reported about its clock, and what the clock had been set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// How far the node reports to be ahead of the machine, ms.
    pub believed_ms: i64,
    /// How far the nemesis set it ahead of the machine, ms.
    pub set_ms: i64,
}

impl ClockReading {
    /// The difference of the two, ms.
    pub fn error_ms(&self) -> u64 {
        self.believed_ms.abs_diff(self.set_ms)
    }
}

/// The tolerance for reading back a jump, ms: half of the jump (so a clock that did not move never passes), at most
/// [`CLOCK_TOLERANCE_MAX_MS`].
pub fn bump_tolerance_ms(offset_ms: i64) -> u64 {
    (offset_ms.unsigned_abs() / 2).min(CLOCK_TOLERANCE_MAX_MS)
}

/// The largest tolerance for reading back a clock, ms: a busy node needs that long to answer.
pub const CLOCK_TOLERANCE_MAX_MS: u64 = 250;

/// A clock jump, from the best reading of each node; none if it never answered.
pub fn clock_bump(offset_ms: i64, readings: &BTreeMap<String, Option<ClockReading>>) -> Finding {
    let tolerance_ms = bump_tolerance_ms(offset_ms);
    let mut finding = Finding { proved: true, ..Finding::default() };
    let mut reports = Vec::new();
    for (node, reading) in readings {
        let Some(reading) = reading else {
            finding.proved = false;
            reports.push(format!("{node} never answered for its clock"));
            continue;
        };
        finding.figures.insert(format!("{node}_believed_ms"), reading.believed_ms);
        finding.figures.insert(format!("{node}_set_ms"), reading.set_ms);
        let near = reading.error_ms() <= tolerance_ms;
        finding.proved &= near;
        let verb = if near { "reads" } else { "should be near that, but reads" };
        reports.push(format!("{node} set {} ms, {verb} {} ms", signed(reading.set_ms), signed(reading.believed_ms)));
    }
    finding.figures.insert("tolerance_ms".to_owned(), tolerance_ms as i64);
    finding.evidence = format!("{} (tolerance {tolerance_ms} ms)", reports.join(", "));
    finding
}

/// How far a clock drifted as its node reports, and how far it should have, over the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftReading {
    /// Measured movement relative to the machine's clock, ms.
    pub measured_ms: i64,
    /// Expected movement, ms.
    pub expected_ms: i64,
}

impl DriftReading {
    /// Whether it moved in the right direction, and at least half as far as expected.
    pub fn is_consistent(&self) -> bool {
        self.expected_ms != 0
            && self.measured_ms.signum() == self.expected_ms.signum()
            && self.measured_ms.unsigned_abs() >= self.expected_ms.unsigned_abs().div_ceil(2)
    }
}

/// A clock drift, from each node's reading; none if it did not answer at the end.
pub fn clock_drift(readings: &BTreeMap<String, Option<DriftReading>>) -> Finding {
    let mut finding = Finding { proved: true, ..Finding::default() };
    let mut reports = Vec::new();
    for (node, reading) in readings {
        let Some(DriftReading { measured_ms, expected_ms }) = *reading else {
            finding.proved = false;
            reports.push(format!("{node} did not answer for its clock at the end"));
            continue;
        };
        finding.figures.insert(format!("{node}_measured_ms"), measured_ms);
        finding.figures.insert(format!("{node}_expected_ms"), expected_ms);
        let reading = DriftReading { measured_ms, expected_ms };
        finding.proved &= reading.is_consistent();
        let but = if reading.is_consistent() { "" } else { "only " };
        reports.push(format!(
            "{node} drifted {but}{} ms where {} ms were set",
            signed(measured_ms),
            signed(expected_ms)
        ));
    }
    finding.evidence = reports.join(", ");
    finding
}

fn figures<const N: usize>(entries: [(&str, u64); N]) -> BTreeMap<String, i64> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), i64::try_from(value).unwrap_or(i64::MAX))).collect()
}

/// `1 byte`, `48,211 bytes`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn signed(number: i64) -> String {
    format!("{}{}", if number < 0 { "-" } else { "+" }, grouped(number.unsigned_abs()))
}

/// Digits in groups of three: `48,211`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let mut groups: Vec<&str> = if head > 0 { vec![&digits[..head]] } else { vec![] };
    groups.extend((head..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lossy_link_needs_something_lost() {
        let link = |lossy_chunks, lost_chunks| LinkStatistics { lossy_chunks, lost_chunks, ..Default::default() };
        let finding = lossy_link(&[link(1000, 300), link(40, 12)]);
        assert_eq!(finding.evidence, "2 links lossy: 312 of 1,040 chunks lost");
        assert!(finding.proved && finding.figures["lost_chunks"] == 312);
        assert!(!lossy_link(&[link(1, 0)]).proved);
        assert!(lossy_link(&[link(0, 0)]).evidence.contains("nothing was sent"));
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn set(text: &str) -> BTreeSet<String> {
        names(text).into_iter().collect()
    }

    #[test]
    fn a_partition_needs_blocked_traffic_and_none_that_passed() {
        let blocked = LinkStatistics { blocked_bytes: 48_210, blocked_connections: 3, ..Default::default() };
        let idle = LinkStatistics::default();
        let finding = partition(&[blocked, LinkStatistics { blocked_bytes: 1, ..idle }, idle]);
        assert_eq!(finding.evidence, "3 links cut: 48,211 bytes and 3 connections blocked, 0 bytes passed");
        assert!(finding.proved && finding.figures["links_used"] == 2 && finding.figures["blocked_bytes"] == 48_211);

        let silent = partition(&[idle, idle]);
        assert!(!silent.proved && silent.evidence.contains("nothing was sent over them"), "{}", silent.evidence);

        let leaking = partition(&[blocked, LinkStatistics { forwarded_bytes: 1, ..idle }]);
        assert!(!leaking.proved && leaking.evidence.contains("1 byte passed"), "{}", leaking.evidence);
    }

    #[test]
    fn a_slow_link_needs_chunks_that_came_late_enough() {
        let late = |delay_total_ms| LinkStatistics {
            delayed_bytes: 900,
            delayed_chunks: 3,
            delay_total_ms,
            ..Default::default()
        };
        let finding = slow_link(&[late(390), LinkStatistics::default()], 120);
        assert_eq!(finding.evidence, "2 links slowed: 900 bytes delayed by 130 ms on average");
        assert!(finding.proved && finding.figures["delay_mean_ms"] == 130);
        assert!(!slow_link(&[late(30)], 120).proved);
        assert!(!slow_link(&[LinkStatistics::default()], 120).proved);
    }

    #[test]
    fn a_process_fault_needs_every_node_affected_and_every_node_back() {
        let finding = process("dead", &names("n1 n2"), &set("n1 n2"), &set("n1 n2"));
        assert_eq!(finding.evidence, "n1 n2 seen dead, and running again afterwards");
        assert!(finding.proved);
        let missed = process("stopped", &names("n1 n2"), &set("n1"), &set("n2"));
        assert_eq!(missed.evidence, "n2 never seen stopped; n1 not seen running afterwards");
        assert!(!missed.proved && missed.figures["hurt"] == 1);
    }

    #[test]
    fn an_upgrade_needs_a_later_version_after_a_restart() {
        let one = |before, after, dead| upgrade(&BTreeMap::from([("n1".to_owned(), (before, after))]), dead);
        let finding = one(Some(1), Some(2), true);
        assert_eq!(finding.evidence, "n1 said version 1 before and 2 after");
        assert!(finding.proved && finding.figures["n1_after"] == 2);
        assert!(!one(Some(2), Some(2), true).proved && !one(Some(1), Some(2), false).proved);
        assert!(!one(None, Some(2), true).proved && !one(Some(1), None, true).proved);
        assert!(!upgrade(&BTreeMap::new(), true).proved);
    }

    #[test]
    fn a_bump_is_read_back_within_its_tolerance() {
        let reading = |believed_ms| Some(ClockReading { believed_ms, set_ms: 12_500 });
        let one = |reading| clock_bump(12_500, &BTreeMap::from([("n3".to_owned(), reading)]));
        assert_eq!(one(reading(12_498)).evidence, "n3 set +12,500 ms, reads +12,498 ms (tolerance 250 ms)");
        assert!(one(reading(12_250)).proved && !one(reading(12_249)).proved && !one(None).proved);
        for offset_ms in [-300_000, -10, 10, 1, 500] {
            assert!(bump_tolerance_ms(offset_ms) < offset_ms.unsigned_abs(), "a clock that stood still would pass");
        }
    }

    #[test]
    fn a_drift_needs_the_sign_and_half_the_way() {
        let one = |measured_ms, expected_ms| {
            clock_drift(&BTreeMap::from([("n1".to_owned(), Some(DriftReading { measured_ms, expected_ms }))]))
        };
        assert_eq!(one(990, 1000).evidence, "n1 drifted +990 ms where +1,000 ms were set");
        assert!(one(500, 1000).proved && one(-501, -1000).proved);
        assert!(!one(499, 1000).proved && !one(-1000, 1000).proved && !one(0, 0).proved && !one(0, 1).proved);
        assert!(!clock_drift(&BTreeMap::from([("n1".to_owned(), None)])).proved);
    }

    #[test]
    fn records_survive_json() {
        let record = EvidenceRecord {
            fault: 1,
            kind: "kill".into(),
            detail: "n1".into(),
            nodes: names("n1"),
            start_ms: 1,
            stop_ms: 2,
            proved: true,
            evidence: "seen".into(),
            figures: BTreeMap::from([("hurt".to_owned(), 1)]),
        };
        let text = serde_json::to_string(&record).expect("plain data");
        assert_eq!(serde_json::from_str::<EvidenceRecord>(&text).expect("its own text"), record);
        assert_eq!((grouped(0), grouped(999), grouped(1_000_000)), ("0".into(), "999".into(), "1,000,000".into()));
    }
}
