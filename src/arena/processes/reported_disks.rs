//! Disks whose calls fail and whose syncs are slow, where there is no FUSE: the crate `program_clock`, as [`Disks`].
//!
//! Each node's data directory is an ordinary one. The kernel reports the calls of the node's programs to a listener, which
//! answers those to files below that directory by the node's rule. Which calls are reported is fixed when a program
//! starts, so only those are that the plan of a run needs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nemesis::surface::{DiskRule, DiskStatistics, SurfaceError, SurfaceFuture};
use program_clock::{CallRule, DiskCalls, DiskCounts, DiskReach, DiskRules};

use super::disks::{Directories, Disks};

/// The directories of all nodes, and the rules for calls to files below them.
pub struct ReportedDisks {
    directories: Directories,
    reach: DiskReach,
    seed: u64,
    /// By node; there from its first start on.
    calls: RefCell<BTreeMap<String, DiskCalls>>,
}

impl ReportedDisks {
    /// At these directories, of whose calls so many are reported.
    pub fn at(directories: Directories, reach: DiskReach, seed: u64) -> Self {
        Self { directories, reach, seed, calls: RefCell::default() }
    }

    fn calls(&self, node: &str) -> Result<DiskCalls, SurfaceError> {
        let found = self.calls.borrow().get(node).cloned();
        found.ok_or_else(|| SurfaceError(format!("the disk of {node} is not there before its first start")))
    }

    fn set(&self, node: &str, rule: DiskRule) -> Result<(), SurfaceError> {
        let rules = rules(rule, self.reach).map_err(|what| SurfaceError(format!("a listener cannot {what}")))?;
        self.calls(node)?.set_rules(rules).map_err(|error| SurfaceError(error.to_string()))
    }
}

impl Disks for ReportedDisks {
    fn prepare(&self, node: &str) -> io::Result<()> {
        self.directories.prepare(node)?;
        let mut calls = self.calls.borrow_mut();
        if !calls.contains_key(node) {
            let seed = self.seed ^ calls.len() as u64;
            calls.insert(node.to_owned(), DiskCalls::below(&self.path(node), seed)?);
        }
        Ok(())
    }

    fn path(&self, node: &str) -> PathBuf {
        self.directories.path(node)
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.directories.wipe(node)
    }

    fn reported(&self, node: &str) -> Option<(DiskCalls, DiskReach)> {
        Some((self.calls(node).ok()?, self.reach))
    }

    fn set_rule<'a>(&'a self, node: &'a str, rule: DiskRule) -> SurfaceFuture<'a, ()> {
        Box::pin(std::future::ready(self.set(node, rule)))
    }

    fn statistics(&self, node: &str) -> Result<DiskStatistics, SurfaceError> {
        let counts = self.calls(node)?.counts();
        if counts.missed_calls > 0 {
            let missed = counts.missed_calls;
            return Err(SurfaceError(format!(
                "{missed} calls of {node} had no answer by its disk's rule: it could not be known to which file they \
                 were, or too many waited"
            )));
        }
        let bytes = self.directories.statistics(node)?.bytes;
        Ok(DiskStatistics { bytes, ..of_calls(counts) })
    }
}

/// A rule as one of calls; or what it asks for that the calls which are reported do not suffice for.
fn rules(rule: DiskRule, reach: DiskReach) -> Result<DiskRules, &'static str> {
    let DiskRule {
        read_error_percent,
        write_error_percent,
        sync_error_percent,
        lying_sync_percent,
        misdirected_write_percent,
        latency_ms,
        free_bytes,
    } = rule;
    let impossible = [
        (read_error_percent > 0 && !reach.reads, "fail reads that are not reported to it"),
        (write_error_percent > 0 && !reach.writes, "fail writes that are not reported to it"),
        (sync_error_percent > 0 && !reach.syncs, "fail syncs that are not reported to it"),
        (latency_ms > 0 && !reach.syncs, "slow down syncs that are not reported to it"),
        (lying_sync_percent > 0, "lose what a sync did not do"),
        (misdirected_write_percent > 0, "let writes land elsewhere"),
        (free_bytes.is_some(), "fill a disk"),
    ];
    if let Some((_, what)) = impossible.into_iter().find(|(is_asked_for, _)| *is_asked_for) {
        return Err(what);
    }
    let failing = |percent: u32| CallRule { error_share: f64::from(percent) / 100.0, ..CallRule::default() };
    Ok(DiskRules {
        reads: failing(read_error_percent),
        writes: failing(write_error_percent),
        syncs: CallRule { latency: Duration::from_millis(latency_ms), ..failing(sync_error_percent) },
    })
}

/// What was done to calls, as the nemesis counts.
fn of_calls(counts: DiskCounts) -> DiskStatistics {
    DiskStatistics {
        failed_reads: counts.failed_reads,
        failed_writes: counts.failed_writes,
        failed_syncs: counts.failed_syncs,
        delayed_calls: counts.delayed_calls,
        delay_total_ms: counts.delayed_us / 1000,
        ..DiskStatistics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_fault_is_one_of_calls() {
        assert_eq!(rules(DiskRule::default(), DiskReach::default()), Ok(DiskRules::default()));
    }

    #[test]
    fn what_can_be_done_is_carried_out() {
        let rule = DiskRule {
            read_error_percent: 25,
            write_error_percent: 50,
            sync_error_percent: 100,
            latency_ms: 6,
            ..DiskRule::default()
        };
        let rules = rules(rule, DiskReach::ALL).expect("it can be done");
        let shares = [rules.reads, rules.writes, rules.syncs].map(|rule| rule.error_share);
        assert_eq!(shares, [0.25, 0.5, 1.0]);
        let latencies = [rules.reads, rules.writes, rules.syncs].map(|rule| rule.latency.as_millis());
        assert_eq!(latencies, [0, 0, 6], "syncs are slow, what the page cache takes is not");
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let none = DiskRule::default();
        let never = [
            DiskRule { lying_sync_percent: 1, ..none },
            DiskRule { misdirected_write_percent: 1, ..none },
            DiskRule { free_bytes: Some(0), ..none },
        ];
        assert!(never.into_iter().all(|rule| rules(rule, DiskReach::ALL).is_err()));
        let unless_reported = [
            DiskRule { read_error_percent: 1, ..none },
            DiskRule { write_error_percent: 1, ..none },
            DiskRule { sync_error_percent: 1, ..none },
            DiskRule { latency_ms: 1, ..none },
        ];
        assert!(unless_reported.iter().all(|rule| rules(*rule, DiskReach::default()).is_err()));
        assert!(unless_reported.iter().all(|rule| rules(*rule, DiskReach::ALL).is_ok()));
    }
}
