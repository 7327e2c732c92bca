//! Members that come and go: an administrator's commands, and what the nodes say of them afterwards.
//!
//! A change of the membership is not undone when its time is over: that is only when it is last looked at. It may
//! take longer than that until it is carried out; how many nodes say that it is, the figures tell.

use crate::evidence::{Finding, count};
use crate::fault::Fault;
use crate::surface::{ProcessState, Standing, Surface, SurfaceError};

/// How many nodes were asked, answered, and said that the change is on record, and carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Nodes asked.
    pub asked: u64,
    /// Nodes that answered.
    pub answered: u64,
    /// Nodes that know of the change of every node concerned.
    pub known: u64,
    /// Nodes that say that it has been carried out.
    pub settled: u64,
}

/// Gives the commands.
///
/// # Errors
/// When one is refused, or nobody can be asked.
pub(crate) async fn change(fault: &Fault, surface: &dyn Surface) -> Result<(), SurfaceError> {
    for node in fault.own_nodes() {
        match fault {
            Fault::Join { .. } => surface.join(node).await?,
            _ => surface.leave(node).await?,
        }
    }
    Ok(())
}

/// Asks every running node.
pub(crate) async fn hear(fault: &Fault, surface: &dyn Surface) -> Heard {
    let (known, settled) = match fault {
        Fault::Join { .. } => ([Standing::Joining, Standing::Member], Standing::Member),
        _ => ([Standing::Leaving, Standing::NoMember], Standing::NoMember),
    };
    let mut heard = Heard::default();
    for node in surface.nodes() {
        if surface.process_state(&node).await != Ok(ProcessState::Running) {
            continue;
        }
        heard.asked += 1;
        let Ok(membership) = surface.members(&node).await else { continue };
        heard.answered += 1;
        let stands =
            |who: &String| membership.seats.iter().find(|(name, _)| name == who).map(|(_, standing)| *standing);
        let all =
            |wanted: &[Standing]| fault.own_nodes().iter().all(|n| stands(n).is_some_and(|s| wanted.contains(&s)));
        heard.known += u64::from(all(&known));
        heard.settled += u64::from(all(&[settled]));
    }
    heard
}

/// What the nodes said right after the command, and at the end: a node must have said that the change is on record.
pub(crate) fn finding(first: Heard, last: Heard) -> Finding {
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
        let heard = |known, settled| Heard { asked: 6, answered: 5, known, settled };
        let found = finding(heard(1, 0), heard(5, 3));
        let wanted =
            "5 of 5 nodes that answered at the end know of it, 3 say that it is done; right after the command 1 of 5";
        assert_eq!((found.proved, found.evidence.as_str(), found.figures["nodes_where_done"]), (true, wanted, 3));
        assert!(finding(heard(1, 0), heard(0, 0)).proved, "nobody may be there to ask at the end");
        assert!(!finding(heard(0, 0), heard(0, 0)).proved);
    }
}
