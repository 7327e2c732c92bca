//! What is seen of one watch: the order of what it reports, and what it leaves out.

use std::collections::BTreeSet;

use super::operations::{Change, Known, Watched, Wrote};
use crate::finding::{Draft, Finding};
use crate::history::{History, ValueId};
use crate::limits::Limits;

impl Watched {
    /// What can be seen of a watch alone.
    pub(super) fn order(&self, records: &History, limits: &Limits<'_>, finding: &mut Finding) {
        let mut seen = BTreeSet::new();
        let mut violated =
            |kind, explain: &dyn Fn() -> String| violated(records, kind, [self.op], limits, finding, explain);
        let process = records.process_of(self.op);
        if let Some((from, first)) =
            self.from.and_then(|from| Some((from, self.changes.iter().map(|(_, change)| change.revision).min()?)))
            && first < from
        {
            violated("watch-too-early", &|| {
                format!("Process {process} asked for changes from revision {from} on, and got one of {first}.")
            });
        }
        for (_, change) in &self.changes {
            let Change { revision, wrote: Wrote { key, .. } } = *change;
            if !seen.insert((revision, key)) {
                violated("watch-duplicate", &|| {
                    format!("Process {process} got the change of {} at revision {revision} twice.", records.show(key))
                });
            }
        }
        for pair in self.changes.windows(2) {
            let [(response, one), (next_response, other)] = pair else { continue };
            let (before, after) = (one.revision, other.revision);
            if after < before {
                violated("watch-unordered", &|| format!("Process {process} got revision {after} after {before}."));
            } else if after == before && response != next_response {
                violated("watch-not-atomic", &|| {
                    format!("Process {process} got the changes of revision {after} in two responses.")
                });
            }
        }
    }

    /// What others know of, and this watch left out between its beginning and its end.
    pub(super) fn gaps(&self, records: &History, known: &Known, limits: &Limits<'_>, finding: &mut Finding) {
        let revisions = || self.changes.iter().map(|(_, change)| change.revision);
        let (Some(least), Some(last)) = (revisions().min(), revisions().max()) else { return };
        // Without a revision that was asked for it may begin anywhere.
        let from = self.from.unwrap_or(least);
        let reported: BTreeSet<(i64, ValueId)> =
            self.changes.iter().map(|(_, change)| (change.revision, change.wrote.key)).collect();
        if from > last {
            return;
        }
        let between = known.range(from..=last).flat_map(|(revision, all)| all.iter().map(move |one| (*revision, one)));
        // A key of which operations say different things at one revision is missing once.
        let mut missed = BTreeSet::new();
        for (revision, (Wrote { key, .. }, by)) in between {
            if reported.contains(&(revision, *key)) || !missed.insert((revision, *key)) {
                continue;
            }
            violated(records, "watch-gap", [*by, self.op], limits, finding, || {
                format!(
                    "Process {} got changes up to revision {last}, but not that of {} at revision {revision}.",
                    records.process_of(self.op),
                    records.show(*key)
                )
            });
        }
    }
}

/// Counts a violation, and keeps it if there is room.
pub(super) fn violated(
    records: &History,
    kind: &'static str,
    proof: impl IntoIterator<Item = usize>,
    limits: &Limits<'_>,
    finding: &mut Finding,
    explain: impl Fn() -> String,
) {
    finding.violated(limits, || Draft::at(records, kind, "", proof, explain()));
}
