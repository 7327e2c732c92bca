//! What limits on processes have in common: the proof that one was in force.

use crate::evidence::Finding;
use crate::measured::Measured;
use crate::surface::ProcessStatistics;
use crate::words::grouped;

/// Each node must have had a lower limit while the fault lasted than before, and one that it could come to feel: not
/// below what it used already.
pub(crate) fn judge_limit(
    measured: &Measured,
    nodes: &[String],
    of: &str,
    limit: fn(&ProcessStatistics) -> u64,
    used: fn(&ProcessStatistics) -> u64,
) -> Finding {
    let mut finding = Finding { proved: !nodes.is_empty(), ..Finding::default() };
    let mut reports = Vec::new();
    for node in nodes {
        let Some(reading) = measured.process(node) else {
            finding.proved = false;
            reports.push(format!("{node} could not be measured"));
            continue;
        };
        let (before, during) = (limit(&reading.before), limit(&reading.start));
        finding.proved &= during < before;
        finding.add(&format!("{node}_limit_before"), before);
        finding.add(&format!("{node}_limit"), during);
        finding.add(&format!("{node}_used_before"), used(&reading.before));
        let words = |limit: u64| if limit == u64::MAX { "unlimited".to_owned() } else { grouped(limit) };
        let (limit, before) = (words(during), words(before));
        reports.push(format!(
            "{node} limited to {limit} {of} (before: {before}, used: {})",
            grouped(used(&reading.before))
        ));
    }
    finding.evidence = reports.join(", ");
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::ProcessReading;
    use std::collections::BTreeMap;

    #[test]
    fn a_limit_must_be_lower_than_before() {
        let with = |files_max| ProcessStatistics { files_max, open_files: 30, ..Default::default() };
        let nodes = ["n1".to_owned()];
        let judge = |before, during| {
            let (before, start) = (with(before), with(during));
            let reading = ProcessReading { before, start, end: start, is_whole: true };
            let measured = Measured { processes: BTreeMap::from([("n1".to_owned(), reading)]), ..Measured::default() };
            judge_limit(&measured, &nodes, "files", |limits| limits.files_max, |limits| limits.open_files)
        };
        assert_eq!(judge(1024, 40).evidence, "n1 limited to 40 files (before: 1,024, used: 30)");
        assert!(judge(u64::MAX, 40).proved && !judge(1024, 1024).proved);
        let none = judge_limit(&Measured::default(), &nodes, "files", |l| l.files_max, |l| l.open_files);
        assert!(!none.proved);
    }
}
