//! What faults of links have in common: which links a way means, and the proof of a fault that strikes a share of what is
//! sent.

use crate::evidence::Finding;
use crate::fault::Link;
use crate::kind::{Drawing, Refinement};
use crate::measured::total;
use crate::shape::links_touching;
use crate::surface::LinkStatistics;
use crate::words::{count, grouped};

/// Every link that touches the nodes of a target.
pub(crate) fn drawn(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Vec<Link>> {
    Some(links_touching(&drawing.target(way)?, drawing.nodes))
}

/// Something must have been struck; `state` says what the links were, `struck` what became of chunks: "duplicating",
/// "duplicated".
pub(crate) fn judge_struck(
    links: &[LinkStatistics],
    state: &str,
    struck: &str,
    counted: fn(&LinkStatistics) -> u64,
) -> Finding {
    let (chunks, hits) = (total(links, |link| link.chunks), total(links, counted));
    let links = links.len() as u64;
    let evidence = match chunks {
        0 => format!("{} {state}, but nothing was sent over them meanwhile", count(links, "link")),
        _ => format!("{} {state}: {} of {} {struck}", count(links, "link"), grouped(hits), count(chunks, "chunk")),
    };
    let name = format!("{struck}_chunks");
    Finding::new(hits > 0, evidence, [("links", links), ("chunks", chunks), (&name, hits)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_must_be_struck() {
        let link = |chunks, duplicated_chunks| LinkStatistics { chunks, duplicated_chunks, ..Default::default() };
        let judge =
            |links: &[LinkStatistics]| judge_struck(links, "duplicating", "duplicated", |link| link.duplicated_chunks);
        let finding = judge(&[link(1000, 300), link(40, 12)]);
        assert_eq!(finding.evidence, "2 links duplicating: 312 of 1,040 chunks duplicated");
        assert!(finding.proved && finding.figures["duplicated_chunks"] == 312);
        assert!(!judge(&[link(40, 0)]).proved);
        assert!(judge(&[link(0, 0)]).evidence.contains("nothing was sent"));
    }
}
