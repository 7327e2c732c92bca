//! Changes of the membership: an administrator's commands, and what the nodes report about them afterwards.
//!
//! A change is not undone at the end of the fault; it is only measured for the last time. Carrying it out may take
//! longer; the figures show how many nodes report that it is done.

use crate::evidence::Finding;
use crate::kind::{Change, Drawing};
use crate::measured::MembershipReport;
use crate::stage::Stage;
use crate::surface::{ProcessState, Standing};
use crate::words::count;

/// The first spare that has not joined: spares join in their order.
pub(crate) fn next_to_join(drawing: &Drawing<'_>) -> Option<String> {
    let spares = drawing.nodes.get(drawing.founders.len()..)?;
    spares.iter().find(|node| !has_changed(drawing, node)).cloned()
}

/// The last founder that may leave: not if too few members would be left, and not the one whose disk is taken.
pub(crate) fn next_to_leave(drawing: &Drawing<'_>) -> Option<String> {
    let count = |change| drawing.earlier.iter().filter(|fault| fault.change == Some(change)).count();
    let members = (drawing.founders.len() + count(Change::Join)).saturating_sub(count(Change::Leave));
    let may = |node: &&String| !has_changed(drawing, node) && Some(*node) != drawing.victim.as_ref();
    let leaver = drawing.founders.iter().rev().find(may).cloned();
    leaver.filter(|_| members > drawing.members_min)
}

/// A node joins or leaves at most once in a plan, since carrying a change out may take longer than its fault.
fn has_changed(drawing: &Drawing<'_>, node: &String) -> bool {
    drawing.earlier.iter().any(|fault| fault.change.is_some() && fault.nodes.contains(node))
}

/// Asks every running node about a change of the nodes `concerned`.
pub(crate) async fn ask_nodes(stage: &Stage<'_>, change: Change, concerned: &[String]) -> MembershipReport {
    let (under_way, done) = match change {
        Change::Join => (Standing::Joining, Standing::Member),
        Change::Leave => (Standing::Leaving, Standing::NoMember),
    };
    let mut report = MembershipReport::default();
    for node in stage.surface().nodes() {
        if stage.state_of(&node).await != Some(ProcessState::Running) {
            continue;
        }
        report.asked += 1;
        if let Ok(answer) = stage.surface().members(&node).await {
            report.add(&answer, concerned, under_way, done);
        }
    }
    report
}

/// The finding from what the nodes reported right after the command and at the end: at least one node must have known
/// of the change.
pub(crate) fn finding((first, last): (MembershipReport, MembershipReport)) -> Finding {
    let evidence = format!(
        "{} of {} that answered at the end know of it, {} say that it is done; right after the command {} of {}",
        last.known,
        count(last.answered, "node"),
        last.settled,
        first.known,
        first.answered
    );
    let figures = [
        ("nodes_asked", last.asked),
        ("nodes_answered", last.answered),
        ("nodes_that_know", last.known),
        ("nodes_where_done", last.settled),
    ];
    Finding::new(first.known + last.known > 0, evidence, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_proved_by_a_node_that_knows_of_it() {
        let report = |known, settled| MembershipReport { asked: 6, answered: 5, known, settled };
        let found = finding((report(1, 0), report(5, 3)));
        let wanted =
            "5 of 5 nodes that answered at the end know of it, 3 say that it is done; right after the command 1 of 5";
        assert_eq!((found.proved, found.evidence.as_str(), found.figures["nodes_where_done"]), (true, wanted, 3));
        assert!(finding((report(1, 0), report(0, 0))).proved, "there may be no node left to ask at the end");
        assert!(!finding((report(0, 0), report(0, 0))).proved);
    }
}
