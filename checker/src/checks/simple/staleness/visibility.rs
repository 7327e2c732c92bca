//! How soon an acknowledged write becomes visible: the curve of t-visibility (Bailis et al., VLDB 2012).
//!
//! For each read, t is the time from the end of the last acknowledged write before it to its own beginning. The read is
//! fresh if it returns that write or one that may be later. It is stale if the write that it returns had ended before
//! that one began.

use super::input::{Moment, Register};
use crate::finding::Finding;

/// The upper ends of the classes of t, in ms; the last class has none.
const CLASSES_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/// Reads by t.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    reads: [u64; CLASSES_MS.len() + 1],
    fresh: [u64; CLASSES_MS.len() + 1],
}

impl Curve {
    /// Counts the reads of a key. O(n log n).
    pub(crate) fn add(&mut self, register: &Register) {
        let mut acknowledged: Vec<(Moment, usize)> = Vec::new();
        let ends = register.writes.iter().enumerate().filter_map(|(at, write)| Some((write.acknowledged?, at)));
        acknowledged.extend(ends);
        acknowledged.sort_unstable();
        for read in &register.reads {
            let before = acknowledged.partition_point(|(end, _)| *end < read.start);
            let Some((end, last)) = before.checked_sub(1).map(|at| acknowledged[at]) else { continue };
            let age_ms = (read.start.ns - end.ns) as u64 / 1_000_000;
            let class = CLASSES_MS.partition_point(|most| *most <= age_ms);
            self.reads[class] += 1;
            let stale = register.writes[read.of].finish < register.writes[last].start;
            self.fresh[class] += u64::from(!stale);
            debug_assert!(self.fresh[class] <= self.reads[class], "fresh reads are some of the reads");
        }
    }

    /// The share of fresh reads among those that came after an acknowledged write; 1 if there are none.
    pub(crate) fn fresh_share(&self) -> f64 {
        share(self.fresh.iter().sum(), self.reads.iter().sum())
    }

    /// For each class with reads, `fresh_share_from_MS`: of the reads that began at least MS ms after the write.
    pub(super) fn figures(&self, finding: &mut Finding) {
        finding.figure("reads_after_a_write", self.reads.iter().sum::<u64>() as f64);
        finding.figure("fresh_share", self.fresh_share());
        for (class, (fresh, reads)) in
            self.fresh.iter().zip(&self.reads).enumerate().filter(|(_, (_, reads))| **reads > 0)
        {
            let from = class.checked_sub(1).map_or(0, |below| CLASSES_MS[below]);
            finding.figure(&format!("fresh_share_from_{from:04}_ms"), share(*fresh, *reads));
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
