//! Membership faults: an administrator's commands, and what the nodes report about them afterwards.
//!
//! A change of the membership is not undone at the end of the fault; it is only measured for the last time. Carrying it
//! out may take longer; the figures show how many nodes report that it is done.

use crate::evidence::{Finding, count};
use crate::fault::Fault;
use crate::surface::{ProcessState, Standing, Surface, SurfaceError};

/// What the nodes reported about a change: how many were asked, answered, know of the change, and have carried it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MembershipReport {
    /// Nodes asked.
    pub asked: u64,
    /// Nodes that answered.
    pub answered: u64,
    /// Nodes that know of the change of every node concerned, be it carried out or not.
    pub known: u64,
    /// Nodes that report that it has been carried out.
    pub settled: u64,
}

/// Gives the commands.
///
/// # Errors
/// When one is refused, or no node can be asked.
pub(crate) async fn change(fault: &Fault, surface: &dyn Surface) -> Result<(), SurfaceError> {
    for node in fault.own_nodes() {
        match fault {
            Fault::Join { .. } => surface.join(node).await?,
            _ => surface.leave(node).await?,
        }
    }
    Ok(())
}

/// Asks every running node about the change.
pub(crate) async fn ask_nodes(fault: &Fault, surface: &dyn Surface) -> MembershipReport {
    let (known, settled) = match fault {
        Fault::Join { .. } => ([Standing::Joining, Standing::Member], Standing::Member),
        _ => ([Standing::Leaving, Standing::NoMember], Standing::NoMember),
    };
    let mut report = MembershipReport::default();
    for node in surface.nodes() {
        if surface.process_state(&node).await != Ok(ProcessState::Running) {
            continue;
        }
        report.asked += 1;
        let Ok(membership) = surface.members(&node).await else { continue };
        report.answered += 1;
        let standing_of =
            |who: &String| membership.seats.iter().find(|(name, _)| name == who).map(|(_, standing)| *standing);
        let all =
            |wanted: &[Standing]| fault.own_nodes().iter().all(|n| standing_of(n).is_some_and(|s| wanted.contains(&s)));
        report.known += u64::from(all(&known));
        report.settled += u64::from(all(&[settled]));
    }
    report
}

/// The finding from what the nodes reported right after the command and at the end: at least one node must have known
/// of the change.
pub(crate) fn finding(first: MembershipReport, last: MembershipReport) -> Finding {
    let mut finding = Finding { proved: first.known + last.known > 0, ..Finding::default() };
    finding.evidence = format!(
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
    figures.into_iter().for_each(|(name, value)| finding.add(name, value));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_proved_by_a_node_that_knows_of_it() {
        let report = |known, settled| MembershipReport { asked: 6, answered: 5, known, settled };
        let found = finding(report(1, 0), report(5, 3));
        let wanted =
            "5 of 5 nodes that answered at the end know of it, 3 say that it is done; right after the command 1 of 5";
        assert_eq!((found.proved, found.evidence.as_str(), found.figures["nodes_where_done"]), (true, wanted, 3));
        assert!(finding(report(1, 0), report(0, 0)).proved, "there may be no node left to ask at the end");
        assert!(!finding(report(0, 0), report(0, 0)).proved);
    }
}
