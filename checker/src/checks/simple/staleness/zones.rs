//! Zones (Gibbons and Korach, 1997), and how far reads must be moved back until no conflict is left (Golab, Li, Shah,
//! 2011).
//!
//! The cluster of a value is its write and its reads. Its zone has two ends: f, the earliest finish, and s, the latest
//! start. A cluster must precede another one if its f is before the other's s. Two clusters each of which must precede
//! the other are in conflict, and a register is atomic if and only if no two are. If all reads are taken to begin a
//! time d earlier, then s = max(start of the write, latest start of a read - d). So conflicts only vanish as d grows,
//! and bisection finds the least d without one, to the nanosecond. Each test takes O(n log n).

use super::input::{Moment, Register};

#[derive(Clone, Copy)]
struct Zone {
    finish: Moment,
    start: Moment,
    cluster: usize,
}

/// Operations in conflict if reads begin `delta` ns earlier: the writes of two clusters, and the reads that determine
/// their zones. None if there is no conflict.
pub(crate) fn conflict(register: &Register, delta: u64) -> Option<Vec<usize>> {
    let (one, other) = conflicting(&zones(register), delta, register)?;
    let mut ops: Vec<usize> = [one, other].into_iter().flat_map(|cluster| makers(register, cluster)).collect();
    ops.sort_unstable();
    ops.dedup();
    Some(ops)
}

/// The least time in ns by which the beginnings of reads must be moved back, so that the register is atomic.
pub(crate) fn delta(register: &Register) -> u64 {
    let zones = zones(register);
    let is_atomic = |delta: u64| conflicting(&zones, delta, register).is_none();
    let latest = register.reads.iter().map(|read| read.start.ns).max().unwrap_or(0);
    let (mut low, mut high) = (0, u64::try_from(latest).unwrap_or(0) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_atomic(middle) { high = middle } else { low = middle + 1 }
    }
    debug_assert!(is_atomic(low), "no conflict is left when all reads begin before everything");
    low
}

/// The zones ordered by their finish. The start is that of the reads alone here; [`conflicting`] adds that of the
/// write.
fn zones(register: &Register) -> Vec<Zone> {
    let zone = |(cluster, write): (usize, &super::input::Write)| {
        let start = write.reads.iter().map(|read| register.reads[*read].start).max().unwrap_or(Moment::BEFORE);
        Zone { finish: write.finish, start, cluster }
    };
    let mut zones: Vec<Zone> = register.writes.iter().enumerate().map(zone).collect();
    zones.sort_unstable_by_key(|zone| (zone.finish, zone.cluster));
    zones
}

/// Two clusters in conflict, if there are any. Forward zones (f < s) must not overlap. If they do not, a backward zone
/// must not lie within the last forward one that begins before it.
fn conflicting(zones: &[Zone], delta: u64, register: &Register) -> Option<(usize, usize)> {
    let shifted = |zone: &Zone| {
        let start = zone.start.earlier(delta).max(register.writes[zone.cluster].start);
        Zone { start, ..*zone }
    };
    let mut forward: Vec<Zone> = Vec::new();
    for zone in zones.iter().map(shifted).filter(|zone| zone.finish < zone.start) {
        if let Some(last) = forward.last().filter(|last| zone.finish < last.start) {
            return Some((last.cluster, zone.cluster));
        }
        forward.push(zone);
    }
    zones.iter().map(shifted).filter(|zone| zone.finish >= zone.start).find_map(|zone| {
        let before = forward.partition_point(|forward| forward.finish < zone.start);
        let around = forward[..before].last().filter(|around| zone.finish < around.start)?;
        Some((around.cluster, zone.cluster))
    })
}

/// The write of a cluster, the operation that ended first and the read that began last.
fn makers(register: &Register, cluster: usize) -> impl Iterator<Item = usize> {
    let write = &register.writes[cluster];
    let first = write.reads.iter().min_by_key(|read| register.reads[**read].finish);
    let last = write.reads.iter().max_by_key(|read| register.reads[**read].start);
    write.op.into_iter().chain([first, last].into_iter().flatten().map(|read| register.reads[*read].op))
}
